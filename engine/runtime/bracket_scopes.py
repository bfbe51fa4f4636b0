"""The brackets that live: their scopes, opened, rebuilt, reopened and ended."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import structlog
import trio

from engine.errors import ConfigError
from engine.orders.brackets import Bracket
from engine.orders.replay import Opened, rebuild_bracket
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.cover import CoverGauge, CoverView
from engine.runtime.history import facts_of
from engine.runtime.recovery import Loose, Unfinished
from engine.runtime.services import Services
from engine.values.money import ZERO
from engine.venue.protocol import RestartBound, Unprotected

log = structlog.get_logger()

PROTECTED_WITHIN_S = 10.0
"""After a restart protection is back within this, where the tier's counters allow it; else the bound is told."""


class BracketScopes:
    """Starts a task for each bracket and forgets it when that has ended. ``active`` is by signal, oldest first."""

    def __init__(self, services: Services, bracket_nursery: trio.Nursery) -> None:
        self._services, self._nursery = services, bracket_nursery
        self.active: dict[str, BracketScope] = {}
        self._cover = CoverGauge(services.settings.policy)
        self._idle = trio.Event()
        self._idle.set()
        self._progress = trio.Event()

    def start(
        self,
        bracket: Bracket,
        opened_row: int,
        *,
        loose: tuple[Loose, ...] | None = None,
        late: OrderReport | None = None,
    ) -> BracketScope:
        """Give a bracket a scope; ``loose`` and ``late`` are BracketScope's."""
        scope = BracketScope(self._services, bracket, opened_row, self._progressed, loose=loose, late=late)
        self.active[bracket.signal.signal_id] = scope
        for view in bracket.orders.values():
            if view.order_id is not None:  # told again by that id alone, what it has traded is nobody else's
                self._services.desk.name(view.order_id, view.cl_ord_id)
        self._idle = trio.Event()
        self._nursery.start_soon(self._run, scope, name=f"bracket/{bracket.signal.signal_id[:8]}")
        return scope

    async def _run(self, scope: BracketScope) -> None:
        await scope.run()
        self._cover.ended(scope.bracket)
        self._services.risk.close(scope.bracket)
        del self.active[scope.signal_id]  # not after a failure: resting_entries() is asked then
        self._idle.set()
        for report in scope.unheard:
            self.reopen(scope.signal_id, report)
        self._progressed()

    def rebuild(self, left: list[Unfinished]) -> list[BracketScope]:
        """Give the brackets an earlier process left a scope again; they act only once they are released."""
        return [self.start(one.bracket, one.opened_row, loose=one.loose) for one in left]

    def reopen(self, signal_id: str, report: OrderReport) -> None:
        """Let a bracket look at a report that says something new about an order whose scope has ended."""
        scope = self.active.get(signal_id)
        if scope is not None:
            scope.late_report(report)
            return
        journal = self._services.journal
        bracket = rebuild_bracket(facts_of(journal, signal_id=signal_id), self._services.settings.policy)
        if bracket is not None:
            self.start(bracket, journal.head[0], late=report)

    def reopen_to_close(self, bracket: Bracket) -> BracketScope:
        """Give an ended bracket that still holds something a scope again."""
        return self.start(bracket, self._services.journal.head[0])

    def open_adopted(self, bracket: Bracket, opened_row: int) -> BracketScope:
        """Open a bracket made for an order of ours that the journal did not know; it acts once it is released."""
        return self.start(bracket, opened_row, loose=())

    def hold(self, signal: Signal) -> BracketScope:
        """Open a bracket without an entry for coins that are there. The caller has checked that they are."""
        services, instrument = self._services, self._services.link.instrument(signal.symbol)
        if instrument is None:
            raise ConfigError(f"the venue lists no {signal.symbol!r}")
        opened, now_ns = Opened(signal, instrument), services.clock.now_ns()
        row = services.journal.append("signal", opened, ts_ns=now_ns, signal_id=signal.signal_id)
        return self.start(Bracket(signal, instrument, services.settings.policy), row)

    def scopes(self) -> list[BracketScope]:
        """Return the brackets that have not ended, oldest first."""
        return list(self.active.values())

    def end_entries(self, strategy_id: str, why: str) -> None:
        """End the entries that the halt latch does not let pass any more."""
        trading, risk = self._services.trading, self._services.risk
        for scope in self.active.values():
            signal = scope.bracket.signal
            if strategy_id in ("", signal.strategy_id):
                reduces = risk.reduces(signal)
                if trading.denial(signal.strategy_id, reduces=reduces) is not None:
                    scope.end_entry(why, urgent=True, again=True)

    def living_entries(self, strategy_id: str = "") -> tuple[str, ...]:
        """Return the signals, of one strategy or of all, whose entry lives or is still to be sent."""
        brackets = (scope.bracket for scope in self.active.values())
        return tuple(
            one.signal.signal_id
            for one in brackets
            if strategy_id in ("", one.signal.strategy_id)
            and (not one.orders or any(o.role == "entry" and not o.ended for o in one.orders.values()))
        )

    def resting_entries(self) -> list[OrderView]:
        """Return the entries that may rest on the venue and can be named there; also after a failure."""
        views = [view for scope in self.active.values() for view in scope.bracket.orders.values()]
        return [view for view in views if view.role == "entry" and not view.ended and view.order_id is not None]

    def cover(self) -> CoverView:
        """Return the gauge of uncovered quantity: by living bracket, and in total since this engine started."""
        return self._cover.view([scope.bracket for scope in self.active.values()], self._services.clock.now_ns())

    def restart_bound(self) -> RestartBound:
        """Return how long protection may take after a restart now, for the brackets that may need it then.

        Those are the ones that hold quantity without a resting stop, and those whose entry may fill while nobody looks.
        """
        found: dict[str, list[bool]] = defaultdict(list)
        for scope in self.active.values():
            orders = scope.bracket.orders.values()
            entering = any(o.role == "entry" and not o.ended for o in orders)
            if scope.bracket.signal.stop_loss is not None and (entering or bare_qty(scope.bracket) > 0):
                found[scope.bracket.instrument.symbol].append(any(o.role == "stop" and o.least for o in orders))
        brackets = {name: Unprotected(bare=some.count(False), short=some.count(True)) for name, some in found.items()}
        return self._services.link.restart_bound(brackets, self._services.settings.resume_bound_s)

    async def end_all(self, bound_s: float) -> None:
        """Detach: end entries, wait at most ``bound_s`` until they have ended, leave protection on the venue."""
        for scope in self.scopes():
            scope.end_entry("shutdown")
        with trio.move_on_after(max(0.0, bound_s)) as bound:
            while any(_has_work(scope.bracket) for scope in self.active.values()):
                await self.wait_progress()
        if bound.cancelled_caught:
            log.warning("shutdown.bound_reached", brackets=len(self.active))
        for scope in self.active.values():
            log.info("bracket.detached", signal_id=scope.signal_id, state=scope.bracket.state)

    async def wait_idle(self) -> None:
        """Return when no bracket is active."""
        while self.active:
            await self._idle.wait()

    async def wait_progress(self) -> None:
        """Return when any bracket has planned or ended."""
        await self._progress.wait()

    def _progressed(self) -> None:
        """Wake everyone who waits for the next step; whoever looks after this waits for the one behind it."""
        self._progress.set()
        self._progress = trio.Event()


def tell_bound(bound: RestartBound) -> None:
    """Say it in words where protection may take longer than it should."""
    if bound.seconds > PROTECTED_WITHIN_S:
        log.warning("protection.bound", text=said_bound(bound), tier=bound.tier, seconds=bound.seconds)


def said_bound(bound: RestartBound) -> str:
    """Put the bound into a sentence."""
    many = f"{bound.brackets} bracket{'s' if bound.brackets > 1 else ''}"
    return f"tier {bound.tier}: protection of {many} may take up to {bound.seconds:g} s after a restart"


def bare_qty(bracket: Bracket) -> Decimal:
    """Return the quantity held without a resting stop: those brackets are let act first."""
    resting = sum((o.least for o in bracket.orders.values() if o.role == "stop"), ZERO)
    return max(ZERO, bracket.exposure - resting)


def _has_work(bracket: Bracket) -> bool:
    """An entry still lives, an answer is out, quantity waits for its stop, or a swap is under way."""
    orders = bracket.orders.values()
    entry_lives = any(o.role == "entry" and o.state != "settled" for o in orders)
    return entry_lives or any(o.busy for o in orders) or bracket.uncovered > 0 or bracket.swap is not None
