"""One bracket's task: its inbox, its turns, and the nursery its orders live in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import msgspec
import structlog
import trio

from engine.orders.bracket_events import MarketFacts
from engine.orders.brackets import Bracket
from engine.orders.plans import Plan
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.orders.slices import NO_TAKING, CloseWish
from engine.orders.steps import CancelEntry
from engine.runtime.bracket_adoption import BracketAdoption
from engine.runtime.bracket_close import BracketClose
from engine.runtime.bracket_entry import BracketEntry
from engine.runtime.bracket_journal import BracketJournal
from engine.runtime.bracket_orders import BracketOrders
from engine.runtime.child_search import ChildSearch
from engine.runtime.messages import (
    Adopted,
    BracketMessage,
    ChildrenAsked,
    EndEntry,
    LateReport,
    MarketMoved,
    OrderChanged,
)
from engine.runtime.recovery import Loose, opened_ns
from engine.runtime.services import Services
from engine.values.money import NO_QTY, Price
from engine.values.time import NS


class BracketScope:
    """The shell around one Bracket. ``opened_row`` is the journal row of its signal.

    ``progressed`` is called after every plan. ``loose`` are the unsettled orders of a resumed bracket: it plans
    nothing before ``release`` (after the venue was asked). ``late`` reopens an ended bracket: a report that says
    something new about one of its orders. Whoever finds an order of the bracket gives it to ``adoption``.
    """

    def __init__(
        self,
        services: Services,
        bracket: Bracket,
        opened_row: int,
        progressed: Callable[[], None],
        *,
        loose: tuple[Loose, ...] | None = None,
        late: OrderReport | None = None,
    ) -> None:
        self._services, self.bracket = services, bracket
        self._progressed, self._loose = progressed, loose or ()
        self._inbox_send, self._inbox = trio.open_memory_channel[BracketMessage](services.settings.bracket_inbox)
        self._journal = BracketJournal(services, bracket, opened_row)
        self.orders = BracketOrders(services, bracket, self._journal, self._inbox_send.send)
        self.adoption = BracketAdoption(services, bracket, self._journal, self.orders, self._inbox_send)
        self._entry = BracketEntry(services, bracket, self._journal, self.orders)
        self._close = BracketClose(services, bracket)
        self._children = ChildSearch(services, bracket, self.adoption.child, self._inbox_send.send)
        self.begun = trio.Event()
        self.unheard = deque([] if late is None else [late])
        """Late reports that it has still to look at; those left at its end are another scope's. No more than come in
        one turn: it waits for nothing but its inbox, and for the row of its end."""
        self._released = loose is None
        self._market_waiting = False
        self._moved = trio.Event()  # set once the stops stand where they are wanted
        resumed = loose is not None or late is not None
        born_ns = opened_ns(services.journal, self.signal_id) if resumed else self._now()
        services.risk.open(bracket, born_ns)

    @property
    def signal_id(self) -> str:
        """Which signal this is."""
        return self.bracket.signal.signal_id

    # --- called by others, without blocking -----------------------------------------------------------------------

    def market_moved(self) -> None:
        """Wake the bracket: its market facts differ. Conflated, one message waits at most."""
        if not self._market_waiting:
            self._market_waiting = self._put(MarketMoved())

    def end_entry(self, why: str, *, urgent: bool = False, again: bool = False) -> None:
        """Cancel what is left of the entry; what has filled stays protected. ``urgent`` cancels wait for no room.

        ``again``: asked anew, by a person or a halt. A cancel that failed and waits for its next try is not waited for.
        """
        self._entry.end(why, urgent=urgent, again=again)  # survives a full inbox: the next turn sees it
        self._put(EndEntry(why))

    def close(self, why: str, wish: CloseWish | None = None) -> None:
        """End the entry and trade everything held away, slice by slice; each stop stays until its slice is traded.

        Asked twice, the more urgent wish counts: none at all before any. What was refused is asked for once more.
        """
        self._close.ask(why, wish)
        self.end_entry(why, urgent=True)

    def move_exits(self, stop: Price | None, target: Price | None) -> None:
        """Move the stop, the next target, or both. Raises ValueError, and changes nothing, when they cannot move so."""
        self.bracket.move_exits(stop, target)
        self._moved = trio.Event()
        self.market_moved()

    async def wait_moved(self) -> None:
        """Return once every resting stop stands where it was moved to."""
        await self._moved.wait()

    async def wait_covered(self) -> None:
        """Return once the bracket is covered, or has ended."""
        while self.bracket.state != "covered" and not self.bracket.ended:
            self._moved = trio.Event()
            await self._moved.wait()

    def stay(self) -> None:
        """Take a close back: what is held is protected again."""
        self._close.take_back()
        self.bracket.keep()
        self.market_moved()

    def release(self) -> None:
        """Let a resumed bracket act: the venue has been asked about its orders."""
        self._released = True
        self.market_moved()

    def late_report(self, report: OrderReport) -> None:
        """Reopen an order whose scope has ended."""
        self.unheard.append(report)  # survives a full inbox: the next turn sees it
        self._put(LateReport())

    def _put(self, message: BracketMessage) -> bool:
        try:
            self._inbox_send.send_nowait(message)
        except (trio.WouldBlock, trio.BrokenResourceError):
            return False
        return True

    # --- the task -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until the bracket has ended and its orders are settled."""
        structlog.contextvars.bind_contextvars(signal_id=self.signal_id)
        signal = self.bracket.signal
        beside = len(signal.targets) if signal.exits == "both-rest" else 0
        protection = self._services.link.protection(
            signal.symbol, self.signal_id, held=bool(self.bracket.orders), targets=beside
        )
        with self._inbox, protection:
            async with trio.open_nursery() as order_nursery:
                order_nursery.start_soon(self._watch_market, name=f"watch/{self.bracket.instrument.symbol}")
                await self._live(order_nursery)
                order_nursery.cancel_scope.cancel("the bracket has ended")

    async def _watch_market(self) -> None:
        """Hold the symbol's subscription until the bracket ends. Protection never waits for it, entries do."""
        signal, market = self.bracket.signal, self._services.market
        async with self._services.link.watch(signal.symbol, f"bracket/{self.signal_id}") as book:
            market.watch(signal.symbol, self.bracket.watched, book, self.market_moved)
            self.market_moved()
            try:
                await trio.sleep_forever()
            finally:
                market.leave(signal.symbol, signal.signal_id)

    async def _live(self, order_nursery: trio.Nursery) -> None:
        for loose in self._loose:
            self.orders.start(order_nursery, loose.order, self._journal.cause, loose)
        if not self.bracket.orders and not self.bracket.closing and self.bracket.signal.entered:
            self._entry.attempts.want(self._now())
        self._hear_late(order_nursery)
        self.begun.set()
        while not self._released:
            await self._listen(order_nursery, None)
        while True:
            wake_ns = self._act(order_nursery)
            if self._over():
                break
            await self._listen(order_nursery, wake_ns)
        self.adoption.end()
        self._journal.close(self._entry.attempts.denial)
        await self._services.journal.sync()

    async def _listen(self, order_nursery: trio.Nursery, wake_ns: int | None) -> None:
        """Wait for news or for the plan's next moment; take all that has come."""
        wait_s = math.inf if wake_ns is None else max(0.0, (wake_ns - self._now()) / NS)
        with trio.move_on_after(wait_s):
            self._take(order_nursery, await self._inbox.receive())
        for _ in range(self._inbox.statistics().current_buffer_used):
            self._take(order_nursery, self._inbox.receive_nowait())
        self._hear_late(order_nursery)

    def _hear_late(self, order_nursery: trio.Nursery) -> None:
        while self.unheard:
            self.orders.reopen(order_nursery, self.unheard.popleft())

    def _take(self, order_nursery: trio.Nursery, message: BracketMessage) -> None:
        match message:
            case OrderChanged():
                self._learn(message)
            case MarketMoved():
                self._market_waiting = False
            case ChildrenAsked():
                self._children.asked(message, self._now())
            case EndEntry() | LateReport():
                pass  # what it is about is remembered; this only woke us
            case Adopted():
                self._run_adopted(order_nursery, message.cl_ord_id)

    def _learn(self, change: OrderChanged) -> None:
        view = self.orders.view_of(change)
        self.bracket.learn(view, list(change.events), self._now())
        self._services.risk.learned(self.bracket, view, change.events)
        if view.role == "entry":
            self._entry.learn(view, change.events)

    def _run_adopted(self, order_nursery: trio.Nursery, cl_ord_id: str) -> None:
        handle = self.adoption.run(order_nursery, cl_ord_id)
        if handle.view.role == "entry":
            self._entry.attempts.drop()  # this is the attempt that was forgotten

    def _act(self, order_nursery: trio.Nursery) -> int | None:
        """Plan until nothing is missing; returns the moment to look again."""
        watched, symbol = self.bracket.watched, self.bracket.instrument.symbol
        self._services.market.rewatch(symbol, watched)
        market = self._market_facts(symbol, watched)
        self._entry.judge()
        self._close.judge_holding()
        self._close.judge_close()
        self._entry.enter(order_nursery)
        self.bracket.entry_pending = self._entry.attempts.due_ns is not None
        plan, events = self.bracket.think(market, self._now())
        self._journal.record(events)
        self._do(order_nursery, plan)
        if self._children.due(self._now()):
            order_nursery.start_soon(self._children.ask, name=f"children/{symbol}")
        self._services.risk.moved(self.bracket)
        if not plan.steps and not any(one.busy for one in self.bracket.orders.values()):
            self._moved.set()  # nothing is missing and nothing under way
        self._progressed()
        moments = [self.bracket.wake_ns(self._now()), self._entry.attempts.due_ns, self._children.due_ns]
        moments += self._close.moments()
        return min((at for at in moments if at is not None and at > self._now()), default=None)

    def _do(self, order_nursery: trio.Nursery, plan: Plan) -> None:
        for step in plan.steps:
            if isinstance(step, CancelEntry):
                self._entry.cancel(step)
            else:
                self.orders.do(order_nursery, step, plan.closing or plan.phase)

    def _market_facts(self, symbol: str, watched: Signal) -> MarketFacts:
        """What the plan may act on: no touch while the market takes no order, or the stop would leave in vain."""
        facts, listed = self._services.market.facts(symbol, watched), self._services.link.instrument(symbol)
        if listed is not None and listed.status in NO_TAKING:
            facts = msgspec.structs.replace(facts, touch_qty=NO_QTY)
        return msgspec.structs.replace(facts, crowded=self._crowded())

    def _crowded(self) -> bool:
        """Whether the counter of the pair is short for what cover there is to place."""
        if self.bracket.state != "covering":
            return False
        rows = (row for row in self._services.link.headroom() if row.symbol == self.bracket.instrument.symbol)
        return any(row.level > row.threshold / 2 for row in rows)

    def _over(self) -> bool:
        return self.bracket.ended and all(o.state == "settled" for o in self.bracket.orders.values())

    def _now(self) -> int:
        return self._services.clock.now_ns()
