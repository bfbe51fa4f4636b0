"""The running engine: the few calls a program needs. ``engine.runtime.opening`` opens it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal

import structlog
import trio

from engine.errors import ConfigError
from engine.journal.journal import Journal
from engine.orders.events import ExecutionReport
from engine.orders.replay import Refused, rebuild_bracket, rebuild_orders
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.risk.trading_state import TradingStateName
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.amending import Amended, Amending
from engine.runtime.bracket_scopes import BracketScopes
from engine.runtime.bus import Lagged, Subscription, call_each, reports_from
from engine.runtime.close_report import CloseReport, CloseScope
from engine.runtime.closing import CloseDesk
from engine.runtime.cover import CoverView
from engine.runtime.executions import MAX_EXECUTIONS, executions
from engine.runtime.history import facts_of
from engine.runtime.intake import Intake, Submitted, known_signal
from engine.runtime.market_data import MarketData
from engine.runtime.messages import Cancel, DeclaredLive, ProvenDead
from engine.runtime.money_desk import MoneyDesk
from engine.runtime.protecting import Protected, Protecting
from engine.runtime.recovery import Unfinished
from engine.runtime.releasing import Resumed, release
from engine.runtime.reloading import Reloaded, Reloading, SettingsSource
from engine.runtime.services import Services
from engine.runtime.views import BracketView, SignalView, bracket_view
from engine.values.money import Price, Qty, Side
from engine.venue.protocol import Headroom, RestartBound

log = structlog.get_logger()

NOTED_S = 2.0
"""The most that ``noted`` waits for a bracket's next thought."""


class Engine:
    """A running engine. Use ``open_engine``."""

    def __init__(
        self,
        services: Services,
        bracket_nursery: trio.Nursery,
        left: list[Unfinished],
        source: SettingsSource | None = None,
    ) -> None:
        self._services = services
        self.brackets = BracketScopes(services, bracket_nursery)
        """The brackets that have not ended, for the engine's own parts."""
        self._intake = Intake(services, self.brackets.start)
        self._amending = Amending(services, self.brackets.active.get)
        self._protecting = Protecting(services, self.brackets.scopes, self.brackets.hold)
        self._flattening = False
        self._detached = False
        self._closing = CloseDesk(services, self.brackets, bracket_nursery)
        self._reloading = Reloading(services, source, services.halt_watch.look)
        services.trading.on_tightened = self.brackets.end_entries
        self.resumed = tuple(one.bracket.signal.signal_id for one in left)
        """Signals whose brackets an earlier process had left unfinished."""

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

    @property
    def alarms(self) -> AlarmDesk:
        """Everything that is or was wrong; read along, acknowledge."""
        return self._services.alarms

    async def reload(self, cause: str = "asked by the user") -> Reloaded:
        """Read limits and pairs anew from the files the engine was started from; everything else takes a restart.

        Raises ConfigError with every fault, and then nothing has changed.
        """
        return await self._reloading.reload(cause)

    @property
    def ending(self) -> bool:
        """Whether it shuts down: no new signal is taken any more."""
        return self._intake.closed

    async def submit(self, signal: Signal) -> Submitted:
        """Judge a signal; returns once the verdict is durable. The same id with the same content starts nothing."""
        return await self._intake.submit(signal)

    def cancel(self, signal_id: str, why: str = "asked by the user", *, urgent: bool = False) -> bool:
        """Cancel what is left of a signal's entry; what has filled stays protected. False when it is not active.

        ``urgent``: a person says so; its cancel goes before all else that waits for the venue's counter. Whoever
        promises it to somebody awaits ``noted`` first.
        """
        scope = self.brackets.active.get(signal_id)
        if scope is not None:
            scope.end_entry(why, urgent=urgent, again=True)
        return scope is not None

    async def noted(self) -> None:
        """Return once what was asked of the brackets so far outlives this process.

        Waits for brackets two seconds at most: one that a restart has resumed thinks only when the venue was asked.
        """
        with trio.move_on_after(NOTED_S):
            while any(scope.bracket.untold for scope in self.brackets.scopes()):
                await self.brackets.wait_progress()
        await self.journal.sync()

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
            return self.cancel(handle.signal_id, why, urgent=True)
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

    def signal(self, signal_id: str) -> SignalView | None:
        """Return what became of a signal: its bracket from its scope while it lives, else from the journal.

        None when it never came.
        """
        known = known_signal(self.journal, signal_id)
        if known is None:
            return None
        if isinstance(known, Refused):
            return SignalView(known.signal, "denied", known.code, known.reason)
        scope = self.brackets.active.get(signal_id)
        policy = self._services.settings.policy
        bracket = scope.bracket if scope else rebuild_bracket(facts_of(self.journal, signal_id=signal_id), policy)
        return SignalView(known.signal, "accepted", bracket=None if bracket is None else bracket_view(bracket))

    def headroom(self, symbol: str) -> Headroom | None:
        """Return how full the venue's counters of a market are; None while nothing was sent on it."""
        return next((one for one in self._services.link.headroom() if one.symbol == symbol), None)

    def trading_state(self, strategy_id: str = "") -> TradingStateName:
        """Return what the halt latch lets pass of a strategy: everything, what reduces, or nothing."""
        return self._services.trading.state_of(strategy_id)

    def active(self) -> list[BracketView]:
        """Return the brackets that have not ended."""
        return [bracket_view(scope.bracket) for scope in self.brackets.scopes()]

    def cover(self) -> CoverView:
        """Return the gauge of uncovered quantity: by living bracket, and in total since this engine started."""
        return self.brackets.cover()

    async def wait_idle(self) -> None:
        """Return when no bracket is active."""
        await self.brackets.wait_idle()

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
                for report in reports_from(self.journal, last, self._services.journal.durable):
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

    def resume_closes(self) -> None:
        """After a start: go on with closes that an earlier process has left unfinished."""
        self._closing.resume()

    def enforce_halt(self) -> None:
        """After a start: end what an earlier process left resting though trading is halted."""
        self.brackets.end_entries("", "trading is halted")

    def restart_bound(self) -> RestartBound:
        """Return how long protection may take after a restart now, for the brackets that may need it then."""
        return self.brackets.restart_bound()

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
        self._protecting.end()
        await self.brackets.end_all(bound_s)
        self._closing.end()
