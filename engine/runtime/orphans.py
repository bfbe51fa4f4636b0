"""Orders that carry our mark and that the journal does not know: ours, from a tail that was lost. Never ignored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal

import structlog

from engine.errors import VenueError
from engine.orders.brackets import Bracket
from engine.orders.claims import ORPHAN, STOPS, Claim, Found, as_order, claim, room
from engine.orders.replay import Opened
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.recovery import WHY_ADOPTED, opened_ns, wait_taken
from engine.runtime.services import Services
from engine.values.money import NO_QTY

log = structlog.get_logger()

MAX_ORPHANS = 1000
"""More than can rest on one account in all markets that we trade; the oldest is forgotten again, told all the same."""
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
        that ends it and trades back what has filled; then the exits that can have been that entry's. A stop that is
        left over stays: it protects something we have forgotten. A fill that is left over is only told: what was done
        with it since, nobody here knows.
        """
        if not self.news:
            return
        await self._ask_terms()
        for orphan in self._waiting.values():
            orphan.news = False
        await self._claim(entries=True)
        await self._claim(entries=False)
        own = await self._begin_own()
        if own:
            await self._claim(entries=False)
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

    async def _claim(self, *, entries: bool) -> None:
        """Let brackets claim what fits them, one orphan after the other: each makes less room for the next."""
        for name in list(self._waiting):
            orphan = self._waiting.get(name)
            found = orphan.found() if orphan is not None else None
            if found is None:
                continue
            claims = [(scope, made) for scope in self._scopes() if (made := claim(scope.bracket, found)) is not None]
            claims = [(scope, made) for scope, made in claims if (made.role == "entry") == entries]
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

    def _open_own(self, found: Found) -> BracketScope | None:
        services = self._services
        instrument = services.link.instrument(found.symbol)
        if instrument is None:
            return None  # the alarm stands; without its market there is nothing to act on
        signal = Signal(
            signal_id=found.cl_ord_id,
            strategy_id=ORPHAN,
            symbol=instrument.symbol,
            side=found.side,
            order_type="limit",
            order_qty=found.order_qty,
            limit_price=found.limit_price,
            stop_loss=None,
        )
        row = services.journal.append(
            "signal",
            Opened(signal, instrument),
            ts_ns=services.clock.now_ns(),
            signal_id=signal.signal_id,
            cl_ord_id=found.cl_ord_id,
        )
        bracket = Bracket(signal, instrument, services.settings.policy)
        bracket.close(WHY_ADOPTED)
        return self._start(bracket, row)

    async def _adopt(self, scope: BracketScope, made: Claim, name: str) -> None:
        """Hand an orphan over with all that was said of it; returns once its bracket has heard."""
        orphan = self._waiting[name]
        since_ns = min(opened_ns(self._services.journal, scope.signal_id), min(r.ts_ns for r in orphan.reports))
        handle = scope.adopt(made.spec, made.role, since_ns)
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
