"""One bracket's task: plans whenever anything changed, and owns the nursery its orders live in."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import structlog
import trio

from engine.accounts.pnl import money_of
from engine.orders.brackets import Bracket, BracketEvent, MarketFacts, Outcome
from engine.orders.commands import NewOrder
from engine.orders.contingents import (
    AmendStop,
    CancelEntry,
    CancelExit,
    PlaceClose,
    PlaceStop,
    PlaceTarget,
    Plan,
    Step,
    WithdrawChange,
)
from engine.orders.events import Role
from engine.orders.order import Order
from engine.orders.replay import Closed, Intent, rebuild_orders
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.orders.slices import NO_TAKING, CloseWish, slice_terms
from engine.orders.specs import (
    child_order,
    close_order,
    entry_order,
    liquidation_order,
    made_by_venue,
    stop_order,
    target_order,
)
from engine.orders.view import OrderView
from engine.runtime.child_search import ChildSearch
from engine.runtime.denying import deny_signal
from engine.runtime.entry_attempts import EntryAttempts
from engine.runtime.history import facts_of
from engine.runtime.messages import (
    Adopted,
    Amend,
    BracketMessage,
    Cancel,
    ChildrenAsked,
    EndEntry,
    LateReport,
    MarketMoved,
    OrderChanged,
    Withdraw,
)
from engine.runtime.order_desk import OrderHandle
from engine.runtime.order_scope import OrderScope
from engine.runtime.recovery import WHY_ADOPTED, Loose, opened_ns
from engine.runtime.services import Services
from engine.values.money import NO_QTY, ZERO, Price, Qty, other_side, sign
from engine.values.time import NS

log = structlog.get_logger()

COINS_LOOK_NS = NS
"""How often a bracket whose exits lack funds looks at the balance."""
COINS_LAG_NS = 2 * NS
"""The stream's balance follows our fills by less; only then does it count against a refusal."""
SLICE_LOOK_NS = NS // 4
"""How often a close looks again at the book: no book message tells it that a slice fits now."""


class BracketScope:
    """The shell around one Bracket. ``opened_row`` is the journal row of its signal.

    ``progressed`` is called after every plan. ``loose`` are the unsettled orders of a resumed bracket: it plans
    nothing before ``release`` (after the venue was asked). ``late`` reopens an ended bracket: a report that says
    something new about one of its orders.
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
        self._progressed, self._loose, self._late = progressed, loose or (), late
        self._cause = opened_row
        self._inbox_send, self._inbox = trio.open_memory_channel[BracketMessage](services.settings.bracket_inbox)
        self.handles: dict[str, OrderHandle] = {}
        self.begun = trio.Event()
        self._released = loose is None
        self._commands: dict[str, int] = {}  # sent to each order; a view that has taken fewer is not news enough
        self._market_waiting = False
        self._entry_ends = bracket.unwanted  # why the entry is to be canceled, once anybody asked or the plan said so
        self._moved = trio.Event()  # set once the stops stand where they are wanted
        self._urgent = False  # its cancels go before all else
        self._cancel_again = False  # whatever was asked of its entry before
        self._close_why = ""  # why all of it is to go, once anybody asked
        self._wish: CloseWish | None = None
        self._attempts = EntryAttempts(bracket.signal, services.pauses)
        self._adopted: dict[str, OrderScope] = {}
        self._children = ChildSearch(services, bracket, self.adopt_child, self._inbox_send.send)
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
        self.bracket.unwant_entry(why)
        self._entry_ends = self._entry_ends or why  # survives a full inbox: the next turn sees it
        self._urgent |= urgent
        self._cancel_again |= again
        self._put(EndEntry(why))

    def close(self, why: str, wish: CloseWish | None = None) -> None:
        """End the entry and trade everything held away, slice by slice; each stop stays until its slice is traded.

        Asked twice, the more urgent wish counts: none at all before any. What was refused is asked for once more.
        """
        if not self._close_why:
            self._wish = wish
        elif self._wish is not None:
            self._wish = None if wish is None else min(wish, self._wish, key=_until)
        self._close_why = self._close_why or why
        self.bracket.ask_again()
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
        self._close_why, self._wish = "", None
        self.bracket.keep()
        self.market_moved()

    def release(self) -> None:
        """Let a resumed bracket act: the venue has been asked about its orders."""
        self._released = True
        self.market_moved()

    def late_report(self, report: OrderReport) -> bool:
        """Reopen an order whose scope has ended; False when the inbox is full."""
        return self._put(LateReport(report))

    def adopt(self, spec: NewOrder, role: Role, since_ns: int) -> OrderHandle | None:
        """Take an order of this bracket in that the journal had lost; its reports go to the handle.

        None when the bracket has ended or its inbox is full.
        """
        inbox = self._inbox_send.statistics()
        if not inbox.open_receive_channels or inbox.current_buffer_used >= inbox.max_buffer_size:
            return None
        row = self._intend(spec, role, WHY_ADOPTED)
        order = Order(spec, role)
        scope = self._scope(order, row, Loose(order, None, (), since_ns))
        self._adopted[spec.cl_ord_id] = scope
        self._put(Adopted(spec.cl_ord_id))
        return scope.handle

    def adopt_child(self, report: OrderReport) -> bool:
        """Take in a stop that the venue has made of a fill of this bracket's entry; later reports find it by its id.

        False when it is none of this bracket's, or nobody is there to take it.
        """
        desk, entries = self._services.desk, [o for o in self.bracket.orders.values() if o.role == "entry"]
        ref = report.ord_ref_id or ""
        named = desk.name_of(ref)  # known a turn before the entry's own view has its id
        parent = next((o for o in entries if ref and (o.order_id == ref or o.cl_ord_id == named)), None)
        if parent is None or desk.name_of(report.order_id) is not None:
            return False
        spec = child_order(self.bracket.signal, self.bracket.instrument, self._services.new_cl_ord_id(), report)
        handle = None if spec is None else self.adopt(spec, "stop", parent.dispatched_ns)
        if spec is None or handle is None:
            return False
        desk.name(report.order_id, spec.cl_ord_id)
        log.info("child.adopted", cl_ord_id=spec.cl_ord_id, order_id=report.order_id, entry=parent.cl_ord_id)
        return handle.put(msgspec.structs.replace(report, cl_ord_id=spec.cl_ord_id))

    def adopt_liquidation(self, report: OrderReport) -> bool:
        """Take in the order by which the venue has closed some of this margin position; its fills are the bracket's.

        False when nobody is there to take it.
        """
        entries = [o.dispatched_ns for o in self.bracket.orders.values() if o.role == "entry"]
        spec = liquidation_order(self.bracket.signal, self.bracket.instrument, self._services.new_cl_ord_id(), report)
        handle = None if spec is None else self.adopt(spec, "close", min(entries, default=0))
        if spec is None or handle is None:
            return False
        self._services.desk.name(report.order_id, spec.cl_ord_id)
        log.error("position.liquidated", alarm="LIQUIDATED", order_id=report.order_id, qty=str(report.cum_qty))
        return handle.put(msgspec.structs.replace(report, cl_ord_id=spec.cl_ord_id))

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
            self._start(order_nursery, loose.order, self._cause, loose)
        if not self.bracket.orders and not self.bracket.closing and self.bracket.signal.entered:
            self._attempts.want(self._now())
        if self._late is not None:
            self._reopen(order_nursery, self._late)
        self.begun.set()
        while not self._released:
            await self._listen(order_nursery, None)
        while True:
            wake_ns = self._act(order_nursery)
            if self._over():
                break
            await self._listen(order_nursery, wake_ns)
        self._close()
        await self._services.journal.sync()

    async def _listen(self, order_nursery: trio.Nursery, wake_ns: int | None) -> None:
        """Wait for news or for the plan's next moment; take all that has come."""
        wait_s = math.inf if wake_ns is None else max(0.0, (wake_ns - self._now()) / NS)
        message: BracketMessage | None = None
        with trio.move_on_after(wait_s):
            message = await self._inbox.receive()
        while message is not None:
            self._take(order_nursery, message)
            try:
                message = self._inbox.receive_nowait()
            except trio.WouldBlock:
                return

    def _take(self, order_nursery: trio.Nursery, message: BracketMessage) -> None:
        match message:
            case OrderChanged():
                self._learn(message)
            case MarketMoved():
                self._market_waiting = False
            case LateReport():
                self._reopen(order_nursery, message.report)
            case ChildrenAsked():
                self._children.asked(message, self._now())
            case EndEntry():
                pass  # the wish is remembered; this only woke us
            case Adopted():
                self._run_adopted(order_nursery, self._adopted.pop(message.cl_ord_id))

    def _learn(self, change: OrderChanged) -> None:
        view = change.view
        if change.taken < self._commands.get(view.cl_ord_id, 0) and not view.ended:
            view = msgspec.structs.replace(view, busy=True, waits=False)  # it has not yet looked at our last command
        self.bracket.learn(view, list(change.events), self._now())
        self._services.risk.learned(self.bracket, view, change.events)
        if view.role == "entry":
            self._attempts.after(view, change.events, self._now())
            if any(event.alarm == "REFUSED_BUT_LIVE" for event in change.events):
                self._revived(view)

    def _revived(self, view: OrderView) -> None:
        """An entry held for dead rests after all: it is the entry, or too much when another attempt took its place."""
        self._attempts.drop()
        entries = [o for o in self.bracket.orders.values() if o.role == "entry" and o.cl_ord_id != view.cl_ord_id]
        if not view.ended and any(o.done_qty or not o.ended for o in entries):
            why = "held for dead, and another attempt has taken its place"
            self._command(view.cl_ord_id, Cancel(why), CancelEntry(why))

    def _act(self, order_nursery: trio.Nursery) -> int | None:
        """Plan until nothing is missing; returns the moment to look again."""
        watched, symbol = self.bracket.watched, self.bracket.instrument.symbol
        self._services.market.rewatch(symbol, watched)
        market = self._market_facts(symbol, watched)
        if self._entry_ends:
            self._cancel_entries(CancelEntry(self._entry_ends))
        if self._entry_ends or self.bracket.closing:
            self._attempts.drop()
        self._judge_coins()
        self._judge_close()
        self._enter(order_nursery)
        self.bracket.entry_pending = self._attempts.due_ns is not None
        plan, events = self.bracket.think(market, self._now())
        self._record(events)
        for step in plan.steps:
            self._do(order_nursery, step, plan)
        if self._children.due(self._now()):
            order_nursery.start_soon(self._children.ask, name=f"children/{symbol}")
        self._services.risk.moved(self.bracket)
        if not plan.steps and not any(one.busy for one in self.bracket.orders.values()):
            self._moved.set()  # nothing is missing and nothing under way
        self._progressed()
        moments = [self.bracket.wake_ns(self._now()), self._attempts.due_ns, self._children.due_ns]
        if self.bracket.close_all and not self.bracket.ended:
            moments.append(self._now() + SLICE_LOOK_NS)
        if self.bracket.short_of_coins_ns() is not None:
            moments.append(self._now() + COINS_LOOK_NS)
        return min((at for at in moments if at is not None and at > self._now()), default=None)

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

    def _judge_coins(self) -> None:
        """Let go when the venue refuses to trade what the account, by its balance, does not hold any more."""
        bracket, services = self.bracket, self._services
        since_ns, instrument = bracket.short_of_coins_ns(), bracket.instrument
        if bracket.signal.margin:
            self._judge_position(since_ns)
            return
        if since_ns is None or self._now() < since_ns + COINS_LAG_NS or not services.stream_up():
            return
        if not services.balances:
            return  # after a start nobody has told them yet: silence is no empty account
        asset, needed = instrument.base, bracket.exposure
        if bracket.signal.side == "sell":  # what was sold is bought back
            book = services.link.book(bracket.signal.symbol)
            best = book.best("sell") if book is not None and book.usable else None
            asset, needed = instrument.quote, needed * best if best is not None else ZERO
        balance = services.balances.get(asset)
        if needed and (balance is None or balance.total < needed):
            self._close_why, self._wish = "", None
            bracket.let_go()

    def _judge_position(self, refused_ns: int | None) -> None:
        """Let go when the venue has no margin position left to protect: a liquidation of ours would have been told."""
        bracket, services, refused = self.bracket, self._services, refused_ns is not None
        if refused_ns is not None:
            services.margin.hurry_past(refused_ns)
        held = bracket.exposure > 0 and not bracket.taken
        if held and services.stream_up() and services.margin.gone(bracket.instrument.symbol, refused=refused):
            self._close_why, self._wish = "", None
            bracket.let_go()

    def _judge_close(self) -> None:
        """Latch what was asked, and say how much of it the market takes now."""
        bracket, services = self.bracket, self._services
        if self._close_why and not bracket.close_all:
            bracket.close(self._close_why)
        if not bracket.close_all:
            return
        instrument = services.link.instrument(bracket.signal.symbol) or bracket.instrument
        slices = sum(one.role == "close" for one in bracket.orders.values())
        book, held = services.link.book(bracket.signal.symbol), Qty(max(bracket.exposure, ZERO))
        side = other_side(bracket.signal.side)
        bracket.slice_terms = slice_terms(book, instrument, side, held, slices, self._wish, self._now())

    def _enter(self, order_nursery: trio.Nursery) -> None:
        """Make the entry attempt that is due, if every check passes at today's price.

        It waits for a verified book, for a complete private stream, and for unknown orders on its symbol.
        """
        signal, instrument, services = self.bracket.signal, self.bracket.instrument, self._services
        if self._attempts.due_ns is None or self._now() < self._attempts.due_ns:
            return
        denial, book = services.risk.early(signal), services.link.book(signal.symbol)
        if denial is None:
            if book is None or not book.usable or not services.stream_up() or services.desk.doubtful(signal.symbol):
                self._attempts.later(self._now())
                return
            if signal.margin and services.margin.known is None:
                services.margin.hurry()
                self._attempts.later(self._now())
                return
            denial = services.risk.entry(signal, services.link.instrument(signal.symbol), book)
        if denial is not None:
            deny_signal(services.journal, services.bus, services.clock, signal, denial, self._cause)
            self._attempts.refuse(denial)
            return
        if not services.breaker.allows(trio.current_time()):  # the last check: it hands out the one probe
            self._attempts.later(self._now())
            return
        self._attempts.begun(self._now())
        spec = entry_order(signal, instrument, services.new_cl_ord_id())
        why = "signal accepted" if self._attempts.made == 1 else f"attempt {self._attempts.made}"
        self._open(order_nursery, spec, "entry", why)

    def _do(self, order_nursery: trio.Nursery, step: Step, plan: Plan) -> None:
        signal, instrument, name = self.bracket.terms, self.bracket.instrument, self._services.new_cl_ord_id
        why = plan.closing or plan.phase
        match step:
            case PlaceStop():
                self._open(order_nursery, stop_order(signal, instrument, name(), step.qty), "stop", why, step)
            case PlaceTarget():
                order = target_order(signal, instrument, name(), step.qty, step.place, rest=step.rest)
                self._open(order_nursery, order, "target", why if step.rest else "target touched", step)
            case PlaceClose():
                order = close_order(instrument, name(), step.side, step.qty, step.limit_price, leverage=signal.leverage)
                self._open(order_nursery, order, "close", step.why, step)
            case AmendStop():
                amend = Amend(step.order_qty, why, step.trigger_price, step.limit_price)
                self._command(step.cl_ord_id, amend, step)
            case CancelExit():
                self._command(step.cl_ord_id, Cancel(step.why, self.bracket.close_all), step)
            case WithdrawChange():
                self._command(step.cl_ord_id, Withdraw(), step)
            case CancelEntry():
                self._entry_ends = step.why
                self._cancel_entries(step)

    def _cancel_entries(self, step: CancelEntry) -> None:
        again, self._cancel_again = self._cancel_again, False
        for view in list(self.bracket.orders.values()):
            asked = self._commands.get(view.cl_ord_id) and not again
            if view.role == "entry" and not view.ended and not asked:
                self._command(view.cl_ord_id, Cancel(step.why, self._urgent), step)

    def _open(
        self, order_nursery: trio.Nursery, spec: NewOrder, role: Role, why: str, step: Step | None = None
    ) -> None:
        """Decide an order: its intent row, its scope, its task. Nothing is sent before both rows are synced."""
        row = self._intend(spec, role, why)
        if step is not None:
            self.bracket.commanded(spec.cl_ord_id, step)
        self._start(order_nursery, Order(spec, role), row)

    def _intend(self, spec: NewOrder, role: Role, why: str) -> int:
        return self._services.journal.append(
            "intent",
            Intent(spec, role, why),
            ts_ns=self._now(),
            signal_id=self.signal_id,
            cl_ord_id=spec.cl_ord_id,
            causation_id=self._cause,
        )

    def _start(self, order_nursery: trio.Nursery, order: Order, row: int, loose: Loose | None = None) -> OrderScope:
        scope = self._scope(order, row, loose)
        self._run_order(order_nursery, scope)
        return scope

    def _scope(self, order: Order, row: int, loose: Loose | None) -> OrderScope:
        return OrderScope(self._services, order, self.bracket.signal, row, self._inbox_send.send, loose)

    def _run_order(self, order_nursery: trio.Nursery, scope: OrderScope) -> None:
        view = scope.handle.view
        self.handles[view.cl_ord_id] = scope.handle
        self.bracket.learn(view, [], self._now())
        order_nursery.start_soon(scope.run, name=f"order/{view.cl_ord_id[:8]}")

    def _run_adopted(self, order_nursery: trio.Nursery, scope: OrderScope) -> None:
        if scope.handle.view.role == "entry":
            self._attempts.drop()  # this is the attempt that was forgotten
        self._run_order(order_nursery, scope)

    def _command(self, cl_ord_id: str, message: Cancel | Amend | Withdraw, step: Step) -> None:
        handle = self.handles.get(cl_ord_id)
        if handle is None or not handle.put(message):
            return  # ended or overfull: its next view brings a new plan
        self._commands[cl_ord_id] = self._commands.get(cl_ord_id, 0) + 1
        self.bracket.commanded(cl_ord_id, step)
        view = msgspec.structs.replace(self.bracket.orders[cl_ord_id], busy=True)
        self.bracket.learn(view, [], self._now())

    def _reopen(self, order_nursery: trio.Nursery, report: OrderReport) -> None:
        """Give a settled order a scope again, because the venue has more to say about it."""
        cl_ord_id = report.cl_ord_id or ""
        running = self._services.desk.live.get(cl_ord_id)
        if running is not None:
            running.put(report)
            return
        order = rebuild_orders(facts_of(self._services.journal, cl_ord_id=cl_ord_id))[cl_ord_id]
        if order.state == "settled":
            order.reopen()
        scope = self._start(order_nursery, order, self._cause)
        scope.handle.put(report)

    # --- its end --------------------------------------------------------------------------------------------------

    def _over(self) -> bool:
        return self.bracket.ended and all(o.state == "settled" for o in self.bracket.orders.values())

    def _close(self) -> None:
        outcome = outcome_of(self.bracket)
        money = money_of(self.bracket.signal, self.bracket.instrument, self.bracket.orders.values())
        left = Qty(sign(self.bracket.signal.side) * self.bracket.exposure)
        denial = self._attempts.denial
        reason = f"{denial.code}: {denial.reason}" if denial else end_reason(self.bracket)
        self._services.journal.append(
            "closed",
            Closed(outcome, left, reason),
            ts_ns=self._now(),
            signal_id=self.signal_id,
            causation_id=self._cause,
        )
        log.info("bracket.ended", outcome=outcome, net_qty=str(left), pnl=str(money.realized_pnl), why=reason)

    def _record(self, events: list[BracketEvent]) -> None:
        for event in events:
            self._cause = self._services.journal.append(
                "bracket", event, ts_ns=event.ts_ns, signal_id=self.signal_id, causation_id=self._cause
            )
            if event.alarm:
                log.warning("bracket.alarm", alarm=event.alarm, why=event.why, uncovered=str(event.uncovered))

    def _now(self) -> int:
        return self._services.clock.now_ns()


def _until(wish: CloseWish) -> int:
    return wish.until_ns


def outcome_of(bracket: Bracket) -> Outcome:
    """Name how a bracket ended: by the exit of ours that traded last, or that the venue alone has closed it."""
    if bracket.state == "taken_over":
        return "taken_over"
    exits = [o for o in bracket.orders.values() if o.role != "entry" and o.done_qty]
    if not exits:
        return "abandoned"
    ours = [o for o in exits if o.role != "close" or not made_by_venue(o.spec)]
    if not ours:
        return "liquidated"
    last = ours[-1]
    if last.role == "close":
        return "stop" if "stop" in bracket.closing else "flattened"
    return "target" if last.role == "target" else "stop"


def end_reason(bracket: Bracket) -> str:
    """Say why it ended, in the words of the order that ended it."""
    if bracket.state == "abandoned":
        entries = [o for o in bracket.orders.values() if o.role == "entry"]
        return entries[-1].reason if entries else "no entry"
    return bracket.closing
