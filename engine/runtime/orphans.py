"""Orders that carry our mark and that the journal does not know: ours, from a tail that was lost. Never ignored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal

import msgspec
import structlog
import trio

from engine.errors import VenueError
from engine.orders.brackets import Bracket
from engine.orders.claims import ORPHAN, STOPS, Claim, Found, as_order, claim, claim_bare, room
from engine.orders.events import Role
from engine.orders.replay import Opened
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal, StopLoss, protecting
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.protecting import PROTECT
from engine.runtime.recovery import FILLS_MARGIN_NS, WHY_ADOPTED, opened_ns, wait_taken
from engine.runtime.services import Services
from engine.values.money import NO_QTY, other_side

log = structlog.get_logger()

MAX_ORPHANS = 1000
"""More than can rest on one account in all markets that we trade; the oldest is forgotten again, told all the same."""
REACH_BACK_S = 5.0
"""So long may one look read the history of fills; the next look goes on with it."""
MAX_REPORTS = 200
"""Kept of one orphan until it has an owner, below an order's inbox; what is missing then is asked for."""


class _Orphan:
    """What the venue has said of one orphan. ``news`` until an owner was looked for."""

    def __init__(self) -> None:
        self.reports: list[OrderReport] = []
        self.news = True

    def hear(self, report: OrderReport) -> None:
        self.news = True
        if len(self.reports) < MAX_REPORTS:
            self.reports.append(report)

    @property
    def order_id(self) -> str:
        return self.reports[0].order_id

    def found(self) -> Found | None:
        """Its terms, None while nobody has told them: a fill listed by REST knows little of its order."""
        told = [report for report in self.reports if report.order_qty is not None]
        last = told[-1] if told else None
        if last is None or last.order_qty is None or last.symbol is None or last.side is None or not last.order_type:
            return None
        return Found(
            cl_ord_id=last.cl_ord_id or "",
            order_id=last.order_id,
            symbol=last.symbol,
            side=last.side,
            order_type=last.order_type,
            order_qty=last.order_qty,
            cum_qty=max((r.cum_qty for r in told if r.cum_qty is not None), default=NO_QTY),
            limit_price=last.limit_price,
            trigger_price=last.trigger_price,
            resting=not any(r.ord_status in ("filled", "canceled", "expired") for r in told),
            margin=next((r.margin for r in told if r.margin is not None), None),
            leverage=next((r.leverage for r in told if r.leverage is not None), None),
            reduce_only=any(r.reduce_only for r in told),
        )


class Orphanage:
    """Gives orphans an owner: the bracket they fit, or one of their own.

    ``scopes`` are the brackets that live; ``start`` opens a new one that acts only once it is released.
    """

    def __init__(
        self,
        services: Services,
        scopes: Callable[[], list[BracketScope]],
        start: Callable[[Bracket, int], BracketScope],
    ) -> None:
        self._services, self._scopes, self._start = services, scopes, start
        self._told: set[str] = set()  # bounded by what can carry our mark without a journal row
        self._waiting: OrderedDict[str, _Orphan] = OrderedDict()

    @property
    def news(self) -> bool:
        """Whether an orphan waits whose owner was not looked for since its last report."""
        return any(orphan.news for orphan in self._waiting.values())

    def hear(self, report: OrderReport) -> None:
        """Take one report of an orphan: entries on its symbol halt, and it waits for its owner."""
        cl_ord_id = report.cl_ord_id or ""
        self._services.gate.close(
            "ORPHANED_ORDER",
            f"order {report.order_id} is ours and not in the journal; look at it on the venue",
            report.symbol or "",
        )
        if cl_ord_id not in self._told:
            self._told.add(cl_ord_id)
            log.error("order.orphan", cl_ord_id=cl_ord_id, order_id=report.order_id, order_type=report.order_type)
            self._services.journal.append(
                "orphan", report, ts_ns=self._services.clock.now_ns(), signal_id=cl_ord_id, cl_ord_id=cl_ord_id
            )
        self._waiting.setdefault(cl_ord_id, _Orphan()).hear(report)
        if len(self._waiting) > MAX_ORPHANS:
            self._waiting.popitem(last=False)

    async def place(self) -> None:
        """Look for the owner of every orphan; returns once those that were adopted have told their bracket.

        First what fits a bracket by its terms, entries before exits; then an open entry that fits none gets a bracket
        that ends it and trades back what has filled; then the exits that can have been that entry's, and stops that a
        bracket lacks. A stop that is left over guards something we have forgotten: it gets a bracket without an entry,
        as ``protect`` makes one. A fill that is left over is only told: what was done with it since, nobody here knows.
        """
        if not self.news:
            return
        await self._ask_terms()
        for orphan in self._waiting.values():
            orphan.news = False
        await self._claim(claim, "entry")
        await self._claim(claim, "stop", "target", "close")
        own = await self._begin_own()
        if own:
            await self._claim(claim, "stop", "target", "close")
        await self._claim(claim_bare, "stop")
        own += await self._guard()
        for scope in own:
            scope.release()

    async def _ask_terms(self) -> None:
        unknown = {orphan.order_id: name for name, orphan in self._waiting.items() if orphan.found() is None}
        ids = list(unknown)
        for start in range(0, len(ids), 50):
            try:
                for report in await self._services.link.query_orders(ids[start : start + 50]):
                    orphan = self._waiting.get(report.cl_ord_id or "")
                    if orphan is not None:
                        orphan.hear(report)
            except VenueError as error:
                log.warning("orphans.not_asked", error=str(error))  # they wait for their next report

    async def _claim(self, judge: Callable[[Bracket, Found], Claim | None], *roles: Role) -> None:
        """Let brackets claim what fits them, one orphan after the other: each makes less room for the next."""
        known = [(name, found) for name, orphan in self._waiting.items() if (found := orphan.found()) is not None]
        for name, found in sorted(known, key=lambda one: one[1].resting):  # what has sold goes before what may sell
            claims = [(scope, made) for scope in self._scopes() if (made := judge(scope.bracket, found)) is not None]
            claims = [(scope, made) for scope, made in claims if made.role in roles]
            if claims:
                scope, made = max(claims, key=lambda one: _rank(one[0], found))
                await self._adopt(scope, made, name)

    async def _begin_own(self) -> list[BracketScope]:
        """Open a bracket for every open orphan that is no stop and fits no bracket."""
        scopes = []
        for name in list(self._waiting):
            found = self._waiting[name].found()
            if found is None or not found.resting or found.order_type in STOPS:
                continue
            scope = self._open_own(found)
            if scope is not None:
                scopes.append(scope)
                await scope.begun.wait()
                await self._adopt(scope, Claim("entry", as_order(found)), name)
        return scopes

    async def _guard(self) -> list[BracketScope]:
        """Open a bracket for every stop that is left: what it guards is its own quantity, at its own trigger."""
        scopes = []
        for name in list(self._waiting):
            found = self._waiting[name].found()
            if found is None or not found.resting or found.order_type not in STOPS or found.trigger_price is None:
                continue
            if not await self._all_fills_known(found):
                self._waiting[name].news = True  # its owner may be a bracket whose fill nobody has told yet
                continue
            guard = StopLoss(found.trigger_price, found.limit_price)
            side = other_side(found.side)
            signal = protecting(found.cl_ord_id, PROTECT, found.symbol, side, found.order_qty, guard, None)
            signal = msgspec.structs.replace(signal, leverage=as_order(found).leverage)
            scope = self._open(signal, found)
            if scope is not None:
                scopes.append(scope)
                await scope.begun.wait()
                await self._adopt(scope, Claim("stop", as_order(found)), name)
        return scopes

    async def _all_fills_known(self, found: Found) -> bool:
        """Whether every bracket that could own a stop knows its fills and its exits: only then the stop is nobody's."""
        owners = [s for s in self._scopes() if s.bracket.signal.symbol == found.symbol and s.bracket.signal.entered]
        owners = [scope for scope in owners if scope.bracket.signal.side != found.side]
        if not owners:
            return True
        if any(view.state == "unknown" for scope in owners for view in scope.bracket.orders.values()):
            return False
        link = self._services.link
        since_ns = min(opened_ns(self._services.journal, scope.signal_id) for scope in owners) - FILLS_MARGIN_NS
        with trio.move_on_after(REACH_BACK_S):
            await link.reach_back(since_ns)
        standing = link.standing
        return standing is not None and standing.fills_since_ns <= since_ns and not self._services.desk.strays

    def _open_own(self, found: Found) -> BracketScope | None:
        signal = Signal(
            signal_id=found.cl_ord_id,
            strategy_id=ORPHAN,
            symbol=found.symbol,
            side=found.side,
            order_type="limit",
            order_qty=found.order_qty,
            limit_price=found.limit_price,
            stop_loss=None,
            leverage=as_order(found).leverage,
        )
        return self._open(signal, found)

    def _open(self, signal: Signal, found: Found) -> BracketScope | None:
        services = self._services
        instrument = services.link.instrument(found.symbol)
        if instrument is None:
            return None  # the alarm stands; without its market there is nothing to act on
        signal = msgspec.structs.replace(signal, symbol=instrument.symbol)
        row = services.journal.append(
            "signal",
            Opened(signal, instrument),
            ts_ns=services.clock.now_ns(),
            signal_id=signal.signal_id,
            cl_ord_id=found.cl_ord_id,
        )
        bracket = Bracket(signal, instrument, services.settings.policy)
        if signal.strategy_id == ORPHAN:
            bracket.close(WHY_ADOPTED)
        return self._start(bracket, row)

    async def _adopt(self, scope: BracketScope, made: Claim, name: str) -> None:
        """Hand an orphan over with all that was said of it; returns once its bracket has heard."""
        orphan = self._waiting[name]
        since_ns = min(opened_ns(self._services.journal, scope.signal_id), min(r.ts_ns for r in orphan.reports))
        handle = scope.adoption.order(made.spec, made.role, since_ns)
        if handle is None:
            orphan.news = True  # its bracket has just ended, or is drowned: look again
            return
        del self._waiting[name]
        for report in sorted(orphan.reports, key=lambda one: one.fill is None):  # states tell what fills have made
            handle.put(report)
        log.warning("orphan.adopted", cl_ord_id=name, signal_id=scope.signal_id, role=made.role)
        await wait_taken([handle])


def _rank(scope: BracketScope, found: Found) -> Decimal:
    """Of several brackets that an orphan fits, the one that lacks it most."""
    return min(room(scope.bracket), found.weight)
