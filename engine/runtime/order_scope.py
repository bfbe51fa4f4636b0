"""One order's task: the only one that touches it. Takes answers, reports and commands from its inbox, in order."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio

from engine.orders.commands import AmendOrder, CancelOrder, Request
from engine.orders.events import OrderEvent, Role
from engine.orders.execution import Tally
from engine.orders.order import Order
from engine.orders.reports import Answer, OrderReport, Outcome
from engine.orders.signal import Signal
from engine.orders.steps import NOT_APPLIED, UNKNOWN_ORDER
from engine.risk.denials import Denial
from engine.runtime.messages import (
    Amend,
    AmendEntry,
    AmendReply,
    Answered,
    Barrier,
    Cancel,
    DeclaredLive,
    Denied,
    OrderChanged,
    OrderMessage,
    ProvenDead,
    ProvenEnded,
    Sent,
    Shown,
    Withdraw,
)
from engine.runtime.order_desk import OrderHandle
from engine.runtime.recovery import Loose, catch_up
from engine.runtime.sender import Outgoing
from engine.runtime.services import Services
from engine.values.time import NS
from engine.venue.protocol import Lane

log = structlog.get_logger()

MAX_CANCEL_PAUSE_S = 30.0
LOOK_S = 1.0
"""How often an entry's cancel that found no way looks for one."""

LANE_OF_ROLE: dict[Role, Lane] = {
    "entry": Lane.ENTRY,
    "stop": Lane.REDUCING,
    "target": Lane.REDUCING,
    "close": Lane.EMERGENCY,
}


class OrderScope:
    """The shell around one Order. ``intent_row`` is the journal row of its intent (or the row that reopened it).

    ``loose`` is given for an order that an earlier process left unsettled: nothing is sent for it before the venue
    has been asked.
    """

    def __init__(
        self,
        services: Services,
        order: Order,
        signal: Signal,
        intent_row: int,
        tell: Callable[[OrderChanged], Awaitable[None]],
        loose: Loose | None = None,
    ) -> None:
        self._services, self._order, self._signal, self._tell = services, order, signal, tell
        self._loose = loose
        self._cause = intent_row
        self._tally = Tally(order)
        inbox_send, self._inbox = trio.open_memory_channel[OrderMessage](services.settings.order_inbox)
        self.handle = OrderHandle(order.view(), signal.signal_id, inbox_send)
        self._outgoing: Outgoing | None = None
        self._taken = 0
        self._why = ""  # of the change under way
        self._entry_cancels = 0
        self._cancel_at_s = -math.inf  # when one that failed is tried again
        self._urgent = False  # its cancel goes before all else
        self._unwanted = False  # an entry that is to go
        self._wish: AmendEntry | None = None  # an operator's change that is still to be sent
        self._reply: AmendReply | None = None  # who waits for what becomes of an amend
        self._undecided: Loose | None = None  # the venue is being asked whether it was sent after all
        self._deadline_s = math.inf
        services.desk.open(self.handle)

    async def run(self) -> None:
        """Live until the order is settled: send it if it is new, then obey the inbox."""
        structlog.contextvars.bind_contextvars(cl_ord_id=self._order.cl_ord_id)
        try:
            with self._inbox:
                if self._loose is not None:
                    await self._catch_up(self._loose)
                elif self._order.state == "new":
                    self._start(self._order.spec)
                while self._order.state != "settled":
                    await self._turn()
                self._let_pass()
        finally:
            self._services.desk.close(self._order.cl_ord_id)
        self._log_settled()

    async def _turn(self) -> None:
        """Take all that waits, then tell the bracket once."""
        message: OrderMessage | None = None
        with trio.move_on_at(self._deadline_s) as waiting:
            message = await self._inbox.receive()
        events: list[OrderEvent] = []
        barriers: list[Barrier] = []
        if message is None and waiting.cancelled_caught:
            events += self._due()
        while message is not None:
            if isinstance(message, Barrier):
                barriers.append(message)
            events += self._take(message)
            try:
                message = self._inbox.receive_nowait()
            except trio.WouldBlock:
                message = None
        events += self._record(self._order.settle(self._now()))
        self._retry_entry_cancel(events)
        self._answer_amend(events)
        self._try_amend_entry()
        if self._order.cancel_wanted:
            self._try_cancel()
        await self._show(events)
        for barrier in barriers:
            barrier.passed.set()

    def _let_pass(self) -> None:
        """Answer barriers that came after the settlement; reports that did are looked up again as strays."""
        with contextlib.suppress(trio.WouldBlock):
            while True:
                message = self._inbox.receive_nowait()
                if isinstance(message, Barrier):
                    message.passed.set()
                elif isinstance(message, OrderReport):
                    self._services.desk.stray(message)

    async def _show(self, events: list[OrderEvent]) -> None:
        view = self._order.view()
        self._services.desk.update(view)
        await self._tell(OrderChanged(view, tuple(events), self._taken))

    async def _catch_up(self, loose: Loose) -> None:
        """Conclude what the process before could not, and let the venue's answers be waited for."""
        shown = self._order.cl_ord_id in self._services.desk.open_at_snapshot
        self.handle.suspect = loose.order.order_id is not None and not shown
        if self.handle.suspect and self._services.stream_up():
            self.handle.missed()
        if self._order.pending is not None:
            self.handle.change_deadline_ns = self._order.pending.deadline_ns
        if self._order.state == "pending_cancel":
            self.handle.cancel_lost_s = trio.current_time()  # nobody is left who could hear its answer
        self._order.outgoing = None  # whoever sent it is gone: evidence must tell
        self._order.sent_before(self._now())
        if loose.request is not None:
            self.handle.requested(loose.request.request.deadline_ns, loose.request.stamped_ns)
        if self._order.role == "entry" and self._signal.entry_timeout_s is not None and self._order.dispatched_ns:
            elapsed_s = (self._now() - self._order.dispatched_ns) / NS
            self._deadline_s = trio.current_time() + float(self._signal.entry_timeout_s) - elapsed_s
        if loose.undecided:
            self._undecided = loose
            await self._show([])
            return
        events = self._record(catch_up(loose, self._now()))
        events += self._record(self._order.settle(self._now()))
        await self._show(events)

    def _decide(self, *, shown: bool) -> list[OrderEvent]:
        """Conclude whether an order without a request row was sent: by what the venue shows, else it was not."""
        loose, self._undecided = self._undecided, None
        if loose is None:
            return []
        self.handle.suspect = shown  # what else was lost of it is asked for
        return self._record(self._order.dispatched(loose.since_ns) if shown else catch_up(loose, self._now()))

    def _take(self, message: OrderMessage) -> list[OrderEvent]:
        order, now = self._order, self._now()
        match message:
            case Sent():
                return self._sent(message, now)
            case Answered():
                self._cause = message.row
                self._outgoing = order.outgoing = None
                if message.answer.outcome is Outcome.ACCEPTED and not self._services.stream_up():
                    self._services.desk.hurry(self.handle)
                self._note_lost_cancel(message.answer)
                self._note_disowned(message.answer)
                return self._record(order.answered(msgspec.structs.replace(message.answer, ts_ns=now)))
            case Denied():
                self._outgoing = None
                return self._record(self._deny(message.denial, now))
            case OrderReport():
                sent = self._decide(shown=True)
                return sent + self._record(order.reported(msgspec.structs.replace(message, ts_ns=now)))
            case ProvenDead() if order.in_doubt:
                return self._record(order.prove_dead(message.why, now))
            case ProvenEnded():
                return self._record(order.prove_ended(message.why, now))
            case DeclaredLive():
                return self._record(order.declare_live(message.why, now))
            case Shown():
                return self._record(order.shown(msgspec.structs.replace(message.report, ts_ns=now)))
            case Barrier():
                return self._decide(shown=False)  # the barrier itself is answered at the end of the turn
            case ProvenDead():
                return []  # evidence came first
            case Cancel():
                self._taken += 1
                if message.urgent:
                    self._make_haste()
                return self._ask_cancel(message.why)
            case AmendEntry():
                self._amend_entry(message)
                return []
            case Amend():
                self._taken += 1
                self._try_amend(message)
                return []
            case Withdraw():
                self._taken += 1
                return self._withdraw(now)

    def _deny(self, denial: Denial, now: int) -> list[OrderEvent]:
        if self._order.state != "new":
            return []
        return self._order.deny(f"{denial.code}: {denial.reason}", denial.code, now, denial.numbers)

    def _note_lost_cancel(self, answer: Answer) -> None:
        if answer.request == "cancel":
            lost = answer.outcome is Outcome.UNKNOWN
            self.handle.cancel_lost_s = trio.current_time() if lost else None
            self.handle.suspect |= lost

    def _note_disowned(self, answer: Answer) -> None:
        if (answer.request, answer.code) != ("cancel", UNKNOWN_ORDER):
            return
        self.handle.disown()
        if self.handle.disowned:
            self._order.disown()

    def _sent(self, message: Sent, now: int) -> list[OrderEvent]:
        self._cause = message.row
        if isinstance(message.request, AmendOrder | CancelOrder):
            return self._sent_change(message.request, now)
        self.handle.sent_s = trio.current_time()
        self.handle.requested(message.request.deadline_ns, message.stamped_ns)
        if self._order.role == "entry" and self._signal.entry_timeout_s is not None:
            self._deadline_s = trio.current_time() + float(self._signal.entry_timeout_s)
        return self._record(self._order.dispatched(now))

    def _sent_change(self, request: AmendOrder | CancelOrder, now: int) -> list[OrderEvent]:
        if self._order.state not in ("open", "partial"):
            return []  # it ended while the request waited for the limiter: the answer will say so
        self.handle.change_deadline_ns = request.deadline_ns
        return self._record(self._order.ask(request, now, self._why))

    def _ask_cancel(self, why: str) -> list[OrderEvent]:
        """Remember that it must go; what has not been sent yet is withdrawn instead."""
        if self._order.ended:
            return []
        self._order.cancel_wanted, self._why = True, why
        self._unwanted = True
        if self._order.state == "new" and self._outgoing is not None:
            self._outgoing.withdraw()
        log.info("order.cancel_wanted", why=why, state=self._order.state)
        return []

    def _withdraw(self, now: int) -> list[OrderEvent]:
        """Take back the change that waits for the limiter, or that was not even begun."""
        order = self._order
        if order.state not in ("open", "partial"):
            return []
        if order.outgoing is not None and self._outgoing is not None:
            self._outgoing.withdraw()  # its answer, not sent, tells the bracket; a cancel wanted beside it still goes
            order.let_go()
            return []
        if not order.cancel_wanted:
            return []
        order.cancel_wanted = False
        unsent = Answer("cancel", order.cl_ord_id, Outcome.NOT_SENT, now, code="WITHDRAWN", text="before it was begun")
        return self._record(order.answered(unsent))

    def _make_haste(self) -> None:
        """Let its cancel go before all else; a change that still waits for room in its own lane gives way to it."""
        if not self._urgent and self._order.state != "new" and self._outgoing is not None:
            self._outgoing.withdraw()
            self._order.let_go()
        self._urgent = True

    def _try_cancel(self) -> None:
        order = self._order
        if order.state in ("open", "partial") and order.outgoing is None:
            order.cancel_wanted = False  # without an order_id (live by an operator's word) it is canceled by our name
            self._start(CancelOrder(order.cl_ord_id, order.order_id or "", order.spec.symbol))

    def _retry_entry_cancel(self, events: list[OrderEvent]) -> None:
        """A cancel of an entry that was refused, or could not be sent, is looked into and asked again.

        An entry once unwanted stays unwanted; an amend of one that is wanted is asked for once. (Exits are the
        planner's: it may want them again by now.) The pause doubles up to MAX_CANCEL_PAUSE_S, and begins anew when the
        venue was seen to have the order as it was; while the stream is away it ends with its return.
        """
        fell = any(e.move == "refuse_change" or (not e.move and e.code) for e in events)
        unwanted = self._unwanted or any(e.from_state == "pending_cancel" for e in events)
        if fell and unwanted and self._order.role == "entry" and not self._order.ended:
            self.handle.suspect = True
            self._entry_cancels = 0 if any(e.code == NOT_APPLIED for e in events) else self._entry_cancels
            self._cancel_at_s = trio.current_time() + min(2.0**self._entry_cancels, MAX_CANCEL_PAUSE_S)
            self._entry_cancels += 1
            self._wait_to_cancel()

    def _wait_to_cancel(self) -> None:
        """Wait until a failed cancel is tried again; without the stream look each second whether it is back."""
        look_s = math.inf if self._services.stream_up() else trio.current_time() + LOOK_S
        self._deadline_s = min(self._cancel_at_s, look_s)

    def _due(self) -> list[OrderEvent]:
        """The entry has had its time, or its cancel is tried again."""
        if trio.current_time() < self._cancel_at_s and not self._services.stream_up():
            self._wait_to_cancel()
            return []
        self._deadline_s = math.inf
        return self._ask_cancel(self._why or "entry timed out")

    def _try_amend(self, wish: Amend) -> None:
        """Send it; while an amend decided before waits for room, the later one goes in its place."""
        order, outgoing = self._order, self._outgoing
        if order.state not in ("open", "partial") or order.order_id is None:
            return
        terms = wish.order_qty, wish.limit_price, wish.trigger_price
        amend = AmendOrder(order.cl_ord_id, order.order_id, order.spec.symbol, *terms)
        if order.outgoing is None:
            self._why = wish.why
            self._start(amend)
        elif isinstance(order.outgoing, AmendOrder) and outgoing is not None:
            if outgoing.replace(amend):
                self._why, order.outgoing = wish.why, amend
            else:
                order.let_go()

    def _amend_entry(self, wish: AmendEntry) -> None:
        """Take an operator's change of an entry that rests; a second one waits for nobody."""
        order = self._order
        if order.state not in ("open", "partial") or order.order_id is None:
            wish.reply.settle("refused", "NOT_RESTING", f"it is {order.state}, not resting")
        elif self._reply is not None:
            wish.reply.settle("refused", "BUSY", "another change is under way")
        elif self._unwanted or order.cancel_wanted:
            wish.reply.settle("refused", "CANCELING", "its cancel is under way")
        else:
            self._reply, self._wish = wish.reply, wish

    def _try_amend_entry(self) -> None:
        """Send the change that waits, once the answer to the entry itself is in: its frame comes before it."""
        order, wish = self._order, self._wish
        if wish is None or order.outgoing is not None or order.state not in ("open", "partial"):
            return
        self._wish, self._why = None, wish.why
        if order.order_id is None or self._unwanted:
            wish.reply.settle("refused", "CANCELING", "its cancel is under way")
            return
        self._start(
            AmendOrder(order.cl_ord_id, order.order_id, order.spec.symbol, wish.order_qty, limit_price=wish.limit_price)
        )

    def _answer_amend(self, events: list[OrderEvent]) -> None:
        """Tell who asked for an amend what became of it, as soon as that is certain."""
        if self._reply is None:
            return
        ended = self._order.ended
        for event in events:
            if event.move == "amended":
                self._reply.settle("amended")
            elif event.move == "refuse_change" or (not event.move and event.code):
                self._reply.settle("refused", event.code, event.why)
        if ended and not self._reply.done.is_set():
            self._reply.settle("refused", "ENDED", f"it is {self._order.state}: {self._order.reason}")
        if self._reply.done.is_set():
            self._reply = self._wish = None

    def _start(self, request: Request) -> None:
        cancel = Lane.EMERGENCY if self._urgent else Lane.CANCEL
        lane = cancel if isinstance(request, CancelOrder) else LANE_OF_ROLE[self._order.role]
        self._order.outgoing = request
        self._outgoing = self._services.sender.start(lane, request, self.handle, self._signal.signal_id, self._cause)

    def _record(self, events: list[OrderEvent]) -> list[OrderEvent]:
        for event in events:
            row = self._services.journal.append(
                "order",
                event,
                ts_ns=event.ts_ns,
                signal_id=self._signal.signal_id,
                cl_ord_id=self._order.cl_ord_id,
                causation_id=self._cause,
            )
            if event.fill is not None:
                self._services.accounts.journalled()
            self._services.bus.post(self._tally.report(event, self._signal, row))
            if event.alarm:
                log.warning("order.alarm", alarm=event.alarm, why=event.why, state=self._order.state)
        return events

    def _now(self) -> int:
        return self._services.clock.now_ns()

    def _log_settled(self) -> None:
        order = self._order
        age_s = (self._now() - order.dispatched_ns) / NS if order.dispatched_ns else 0.0
        log.info(
            "order.settled",
            role=order.role,
            symbol=order.spec.symbol,
            side=order.spec.side,
            order_id=order.order_id,
            ord_status=order.ord_status,
            cum_qty=str(order.cum_qty),
            avg_px=str(order.fills.avg_px),
            age_s=round(age_s, 3),
            why=order.reason,
        )
