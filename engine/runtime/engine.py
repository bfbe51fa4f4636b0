"""The running engine: the few calls a program needs. ``engine.runtime.opening`` opens it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal, Protocol

import structlog
import trio

from engine.errors import ConfigError, VenueError
from engine.journal.journal import Journal
from engine.orders.brackets import Bracket
from engine.orders.events import ExecutionReport
from engine.orders.order import OrderView
from engine.orders.replay import Opened, rebuild_bracket, rebuild_orders
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.runtime.amending import Amended, Amending
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.bus import Lagged, Subscription, call_each, reports_from
from engine.runtime.close_report import CloseReport, CloseScope
from engine.runtime.closing import CloseDesk
from engine.runtime.cover import CoverGauge, CoverView
from engine.runtime.executions import MAX_EXECUTIONS, executions
from engine.runtime.history import facts_of
from engine.runtime.intake import Intake, Submitted
from engine.runtime.market_data import MarketData
from engine.runtime.messages import Cancel, DeclaredLive, ProvenDead
from engine.runtime.money_desk import MoneyDesk
from engine.runtime.order_desk import OrderHandle
from engine.runtime.protecting import Protected, Protecting
from engine.runtime.recovery import Loose, Unfinished, reconcile, wait_taken
from engine.runtime.releasing import Resumed, release
from engine.runtime.services import Services
from engine.runtime.views import BracketView, bracket_view
from engine.values.money import ZERO, Price, Qty, Side
from engine.venue.protocol import RestartBound, Unprotected

log = structlog.get_logger()

QUERY_BOUND_S = 30.0
"""One round of questions after a restart while no stream stands: then they are asked anew."""

JOURNAL_FILE = "journal.sqlite"
PROTECTED_WITHIN_S = 10.0
"""After a restart protection is back within this, where the tier's counters allow it; else the bound is told."""


class LostAndFound(Protocol):
    """Takes reports without a scope to where they belong."""

    def look_up(self) -> None:
        """Route those whose order has a scope by now."""
        ...

    async def place(self) -> None:
        """Give orders that the journal has lost back to their brackets."""
        ...


class Engine:
    """A running engine. Use ``open_engine``."""

    def __init__(self, services: Services, bracket_nursery: trio.Nursery) -> None:
        self._services, self._nursery = services, bracket_nursery
        self._scopes: dict[str, BracketScope] = {}
        self._cover = CoverGauge(services.settings.policy)
        self._idle = trio.Event()
        self._idle.set()
        self._progress = trio.Event()
        self._intake = Intake(services, self._start)
        self._amending = Amending(services, self._scopes.get)
        self._protecting = Protecting(services, self.scopes, self.hold)
        self._flattening = False
        self._detached = False
        self._closing = CloseDesk(services, self, bracket_nursery)
        services.trading.on_tightened = self._end_entries
        self.resumed: tuple[str, ...] = ()
        """Signals whose brackets an earlier process had left unfinished."""
        self._left_ns = 0  # when the oldest of them opened

    @property
    def journal(self) -> Journal:
        """The journal, for reading."""
        return self._services.journal

    @property
    def services(self) -> Services:
        """What its scopes stand on, for looking at."""
        return self._services

    @property
    def market(self) -> MarketData:
        """Market data: subscribe and unsubscribe while it runs, look, read along."""
        return self._services.market_data

    @property
    def money(self) -> MoneyDesk:
        """Positions, profit, balances, execution quality; read along as they change."""
        return self._services.money

    async def submit(self, signal: Signal) -> Submitted:
        """Judge a signal; returns once the verdict is durable. The same id with the same content starts nothing."""
        return await self._intake.submit(signal)

    def cancel(self, signal_id: str, why: str = "asked by the user") -> bool:
        """Cancel what is left of a signal's entry; what has filled stays protected. False when it is not active."""
        scope = self._scopes.get(signal_id)
        if scope is not None:
            scope.end_entry(why)
        return scope is not None

    async def close(
        self,
        symbol: str | None = None,
        *,
        signal_id: str | None = None,
        everything: bool = False,
        max_slippage_bps: Decimal | None = None,
        include_holdings: bool = False,
        reason: str = "asked by the user",
    ) -> CloseReport:
        """Make one market, one signal or everything of ours flat, and return the proof or what is not flat and why.

        Entries of it are cancelled and kept back meanwhile; held quantity is traded in slices, each stop staying until
        its slice is. ``max_slippage_bps`` (from the mid) is a wish for ``close_wish_s``, then it goes at market;
        without it at once. At most the net fills of our own brackets, with ``include_holdings`` all coins of these
        markets' bases. Ends within ``close_bound_s``; cancelled, the close itself goes on. Raises ConfigError for a
        name that nobody knows, VenueUnavailable when the engine ends first (the next start goes on).
        """
        if [symbol is not None, signal_id is not None, everything].count(True) != 1:
            raise ConfigError("close one thing: a symbol, a signal_id or everything")
        scope, name = self._closable(symbol, signal_id)
        return await self._closing.close(
            scope, name, reason, max_slippage_bps=max_slippage_bps, include_holdings=include_holdings
        )

    def _closable(self, symbol: str | None, signal_id: str | None) -> tuple[CloseScope, str]:
        if symbol is not None:
            instrument = self._services.link.instrument(symbol)
            if instrument is None:
                raise ConfigError(f"the venue lists no {symbol!r}; write it as BTC/USD")
            return "symbol", instrument.symbol
        if signal_id is None:
            return "all", ""
        if next(self.journal.rows(signal_id=signal_id, kind="signal"), None) is None:
            raise ConfigError(f"no accepted signal is named {signal_id!r}")
        return "signal", signal_id

    async def amend(
        self, cl_ord_id: str, limit_price: Price, order_qty: Qty | None = None, *, why: str = "asked by the user"
    ) -> Amended:
        """Change a resting entry's limit, and with ``order_qty`` its total quantity, never above its signal's.

        Every check of entries is made again. A change whose answer is lost is looked into as §7 says.
        """
        return await self._amending.entry(cl_ord_id, limit_price, order_qty, why)

    async def move_exits(self, signal_id: str, *, stop: Price | None = None, target: Price | None = None) -> Amended:
        """Move a living bracket's stop, its next target, or both, in place. Journalled; it survives restarts."""
        return await self._amending.exits(signal_id, stop, target)

    async def protect(
        self, symbol: str, qty: Qty, *, stop: Price, target: Price | None = None, side: Side = "buy"
    ) -> Protected:
        """Put coins that are there already into a bracket of their own: a stop, and a watched target.

        ``side`` is how they came. Only what no other bracket holds, by the balance now. Every refusal is a value.
        """
        return await self._protecting.protect(symbol, qty, side, stop, target)

    def halt(self, reason: str, *, strategy_id: str = "", reducing: bool = False) -> bool:
        """Let no entry pass, of one strategy or of all; with ``reducing`` only what reduces. Exits always pass.

        Entries that live are cancelled, what has filled stays protected. It stands, over restarts too, until
        ``resume``. False when a halt of yours stands there already.
        """
        return self._services.trading.halt("COMMAND", reason, strategy_id, reducing=reducing) is not None

    def resume_trading(self, reason: str, *, strategy_id: str = "") -> Resumed:
        """Release a halt, whatever its cause.

        Refused, with the cause, while something would halt it again at once: the halt file, the hook, a link that is
        away, a loss at its limit.
        """
        return release(self._services, reason, strategy_id)

    def rearm(self, strategy_id: str, reason: str) -> bool:
        """Let a strategy that was throttled for repeated executions go on. False when it was not."""
        return self._services.risk.rearm(strategy_id, reason)

    def cancel_order(self, cl_ord_id: str, why: str = "asked by the user") -> bool:
        """Cancel one live order. An entry stays canceled; an exit that is still needed is placed anew by its bracket.

        False when no such order lives.
        """
        handle = self._services.desk.live.get(cl_ord_id)
        if handle is None:
            return False
        if handle.view.role == "entry":
            return self.cancel(handle.signal_id, why)
        return handle.put(Cancel(why))

    def resolve(self, cl_ord_id: str, verdict: Literal["live", "dead"], reason: str) -> bool:
        """Take an operator's word on an order in doubt that the venue cannot be asked about. False for any other.

        "dead" lets its quantity be planned anew; "live" treats it as resting until evidence, or another word, says
        otherwise.
        """
        handle = self._services.desk.live.get(cl_ord_id)
        if handle is None or not handle.view.in_doubt:
            return False
        log.warning("order.resolved", cl_ord_id=cl_ord_id, verdict=verdict, reason=reason)
        why = f"operator: {reason}"
        return handle.put(ProvenDead(why) if verdict == "dead" else DeclaredLive(why))

    def order(self, cl_ord_id: str) -> OrderView | None:
        """Return an order's view: from its scope while it lives, else rebuilt from the journal. None: not ours."""
        handle = self._services.desk.live.get(cl_ord_id)
        if handle is not None:
            return handle.view
        order = rebuild_orders(facts_of(self.journal, cl_ord_id=cl_ord_id)).get(cl_ord_id)
        return None if order is None else order.view()

    def active(self) -> list[BracketView]:
        """Return the brackets that have not ended."""
        return [bracket_view(scope.bracket) for scope in self._scopes.values()]

    def cover(self) -> CoverView:
        """Return the gauge of uncovered quantity: by living bracket, and in total since this engine started."""
        now_ns = self._services.clock.now_ns()
        return self._cover.view([scope.bracket for scope in self._scopes.values()], now_ns)

    async def wait_idle(self) -> None:
        """Return when no bracket is active."""
        while self._scopes:
            await self._idle.wait()

    @contextmanager
    def subscribe(self, capacity: int | None = None) -> Iterator[Subscription]:
        """Receive every execution report from now on; see Subscription for what happens to slow readers."""
        with self._services.bus.subscribe(capacity) as subscription:
            yield subscription

    async def reports(self, after: int | None = None) -> AsyncGenerator[ExecutionReport, None]:
        """Yield execution reports for ever, each once, in journal order.

        With ``after`` (an offset, 0 = from the start) first what the journal holds beyond it. A reader that falls
        behind its queue is taken back to the journal and misses nothing.
        """
        last = self.journal.head[0] if after is None else after
        while True:
            with self.subscribe() as subscription:
                await self._services.bus.flush()
                for report in reports_from(self.journal, last):
                    last = report.offset
                    yield report
                lagged = False
                async for item in subscription:
                    if isinstance(item, Lagged):
                        lagged = True
                    elif item.offset > last:
                        last = item.offset
                        yield item
            if not lagged:
                return

    async def history(self, limit: int = MAX_EXECUTIONS) -> list[ExecutionReport]:
        """Return the reports of the last fills, oldest first, from the journal; at most MAX_EXECUTIONS."""
        return await executions(self.journal, limit)

    async def call_on_report(self, callback: Callable[[ExecutionReport], Awaitable[None] | None]) -> None:
        """Run a callback for every report until the engine ends. Start it in a nursery of yours."""
        with self.subscribe() as subscription:
            await call_each(subscription, callback)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _start(
        self,
        bracket: Bracket,
        opened_row: int,
        *,
        loose: tuple[Loose, ...] | None = None,
        late: OrderReport | None = None,
    ) -> BracketScope:
        scope = BracketScope(self._services, bracket, opened_row, self._progressed, loose=loose, late=late)
        self._scopes[bracket.signal.signal_id] = scope
        self._idle = trio.Event()
        self._nursery.start_soon(self._run_scope, scope, name=f"bracket/{bracket.signal.signal_id[:8]}")
        return scope

    async def _run_scope(self, scope: BracketScope) -> None:
        await scope.run()
        self._cover.ended(scope.bracket)
        self._services.risk.close(scope.bracket)
        del self._scopes[scope.signal_id]  # not after a failure: resting_entries() is asked then
        self._idle.set()
        self._progressed()

    def rebuild(self, left: list[Unfinished]) -> list[BracketScope]:
        """Give the brackets an earlier process left a scope again; they act only after ``resume``."""
        self.resumed = tuple(u.bracket.signal.signal_id for u in left)
        self._left_ns = min((u.opened_ns for u in left), default=0)
        return [self._start(u.bracket, u.opened_row, loose=u.loose) for u in left]

    async def resume(self, scopes: list[BracketScope], strays: LostAndFound) -> None:
        """Ask the venue about every order of rebuilt brackets, give forgotten ones back, then let the brackets act.

        Returns when they act. While the venue cannot be asked it is asked again; with a complete private stream
        protection waits no longer than ``resume_bound_s`` for REST.
        """
        for scope in scopes:
            await scope.begun.wait()
        handles = self._handles(scopes)
        tell_bound(self.restart_bound())
        if scopes:
            await self._reconcile(handles, strays)
        await strays.place()
        await wait_taken(self._handles(scopes))
        for scope in sorted(scopes, key=_bare, reverse=True):  # naked quantity first
            scope.release()
        if scopes:
            log.info("brackets.resumed", brackets=len(scopes), orders=len(handles))

    def _handles(self, scopes: list[BracketScope]) -> list[OrderHandle]:
        return [handle for scope in scopes for handle in scope.handles.values()]

    async def _reconcile(self, handles: list[OrderHandle], strays: LostAndFound) -> None:
        services = self._services
        until_s = trio.current_time() + services.settings.resume_bound_s
        pause_s = 0.5
        while True:
            strays.look_up()  # the snapshot came before the scopes
            bound_s = until_s if services.stream_up() else trio.current_time() + QUERY_BOUND_S
            with trio.move_on_at(max(bound_s, trio.current_time() + pause_s)):
                try:
                    await reconcile(services.desk, services.link, handles, self._left_ns)
                    return
                except VenueError as error:
                    log.warning("reconcile.failed", error=str(error))
                await trio.sleep(pause_s)
            if trio.current_time() >= until_s and services.stream_up():
                log.warning("reconcile.put_off", why="REST does not answer; the stream's snapshot must do")
                return
            pause_s = min(pause_s * 2, 10.0)

    def reopen(self, signal_id: str, report: OrderReport) -> None:
        """Let a bracket look at a report that says something new about an order whose scope has ended."""
        scope = self._scopes.get(signal_id)
        if scope is not None:
            scope.late_report(report)
            return
        bracket = rebuild_bracket(facts_of(self.journal, signal_id=signal_id), self._services.settings.policy)
        if bracket is not None:
            self._start(bracket, self.journal.head[0], late=report)

    def scopes(self) -> list[BracketScope]:
        """Return the brackets that have not ended, oldest first."""
        return list(self._scopes.values())

    def open_adopted(self, bracket: Bracket, opened_row: int) -> BracketScope:
        """Open a bracket made for an order of ours that the journal did not know; it acts once it is released."""
        return self._start(bracket, opened_row, loose=())

    def _end_entries(self, strategy_id: str, why: str) -> None:
        """End the entries that the halt latch does not let pass any more."""
        trading, risk = self._services.trading, self._services.risk
        for scope in self._scopes.values():
            signal = scope.bracket.signal
            if strategy_id in ("", signal.strategy_id):
                reduces = risk.reduces(signal)
                if trading.denial(signal.strategy_id, reduces=reduces) is not None:
                    scope.end_entry(why, urgent=True)

    def living_entries(self, strategy_id: str = "") -> tuple[str, ...]:
        """Return the signals, of one strategy or of all, whose entry lives or is still to be sent."""
        brackets = (scope.bracket for scope in self._scopes.values())
        return tuple(
            one.signal.signal_id
            for one in brackets
            if strategy_id in ("", one.signal.strategy_id)
            and (not one.orders or any(o.role == "entry" and not o.ended for o in one.orders.values()))
        )

    def reopen_to_close(self, bracket: Bracket) -> BracketScope:
        """Give an ended bracket that still holds something a scope again."""
        return self._start(bracket, self.journal.head[0])

    def hold(self, signal: Signal) -> BracketScope:
        """Open a bracket without an entry for coins that are there. The caller has checked that they are."""
        instrument = self._services.link.instrument(signal.symbol)
        if instrument is None:
            raise ConfigError(f"the venue lists no {signal.symbol!r}")
        row = self.journal.append(
            "signal",
            Opened(signal, instrument),
            ts_ns=self._services.clock.now_ns(),
            signal_id=signal.signal_id,
        )
        return self._start(Bracket(signal, instrument, self._services.settings.policy), row)

    async def wait_progress(self) -> None:
        """Return when any bracket has planned or ended."""
        await self._progress.wait()

    def resume_closes(self) -> None:
        """After a start: go on with closes that an earlier process has left unfinished."""
        self._closing.resume()

    def enforce_halt(self) -> None:
        """After a start: end what an earlier process left resting though trading is halted."""
        self._end_entries("", "trading is halted")

    def restart_bound(self) -> RestartBound:
        """Return how long protection may take after a restart now, for the brackets that may need it then.

        Those are the ones that hold quantity without a resting stop, and those whose entry may fill while nobody looks.
        """
        found: dict[str, list[bool]] = defaultdict(list)
        for scope in self._scopes.values():
            orders = scope.bracket.orders.values()
            entering = any(o.role == "entry" and not o.ended for o in orders)
            if scope.bracket.signal.stop_loss is not None and (entering or _bare(scope) > 0):
                found[scope.bracket.instrument.symbol].append(any(o.role == "stop" and o.least for o in orders))
        brackets = {name: Unprotected(bare=some.count(False), short=some.count(True)) for name, some in found.items()}
        return self._services.link.restart_bound(brackets, self._services.settings.resume_bound_s)

    def resting_entries(self) -> list[OrderView]:
        """Return the entries that may rest on the venue and can be named there; also after a failure."""
        views = [view for scope in self._scopes.values() for view in scope.bracket.orders.values()]
        return [view for view in views if view.role == "entry" and not view.ended and view.order_id is not None]

    async def flatten(self) -> None:
        """Close everything before the end, bounded by the close itself; ``detach`` breaks it off."""
        self._intake.closed = True
        if self._detached:
            return
        self._flattening = True
        report = await self._closing.close("all", "", "shutdown")
        self._flattening = False
        log.info("shutdown.flattened", flat=report.flat, took_s=report.took_s)

    def detach(self) -> bool:
        """End by detach after all: a flatten at the end is broken off, or never begun. False when none is under way.

        What is held by then is protected again and left to the next start.
        """
        self._detached = True
        if not self._flattening:
            return False
        log.warning("shutdown.detached", why="the flatten was broken off")
        self._closing.abandon("broken off: detached instead")
        self._flattening = False
        return True

    async def shut_down(self, bound_s: float) -> None:
        """Detach: end entries, wait at most ``bound_s`` until they have ended, leave protection on the venue."""
        self._intake.closed = True
        for scope in list(self._scopes.values()):
            scope.end_entry("shutdown")
        with trio.move_on_after(max(0.0, bound_s)) as bound:
            while any(_has_work(scope.bracket) for scope in self._scopes.values()):
                await self.wait_progress()
        if bound.cancelled_caught:
            log.warning("shutdown.bound_reached", brackets=len(self._scopes))
        for scope in self._scopes.values():
            log.info("bracket.detached", signal_id=scope.signal_id, state=scope.bracket.state)

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


def _bare(scope: BracketScope) -> Decimal:
    """Quantity held without a resting stop: those brackets are let act first."""
    resting = sum((o.least for o in scope.bracket.orders.values() if o.role == "stop"), ZERO)
    return max(ZERO, scope.bracket.exposure - resting)


def _has_work(bracket: Bracket) -> bool:
    """An entry still lives, an answer is out, quantity waits for its stop, or a swap is under way."""
    orders = bracket.orders.values()
    entry_lives = any(o.role == "entry" and o.state != "settled" for o in orders)
    return entry_lives or any(o.busy for o in orders) or bracket.uncovered > 0 or bracket.swap is not None
