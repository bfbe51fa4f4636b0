"""The sender: what has not gone can be withdrawn, what has gone is never dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from engine.errors import VenueUnavailable
from engine.journal.journal import Journal
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.order import Order
from engine.orders.replay import Requested
from engine.orders.reports import Answer, Outcome
from engine.orders.view import OrderView
from engine.risk.breaker import Breaker
from engine.risk.denials import Denial
from engine.runtime.fence import Fence
from engine.runtime.messages import Answered, Denied, OrderMessage, Sent
from engine.runtime.order_desk import OrderHandle
from engine.runtime.sender import Sender
from engine.values.money import Price, Qty
from engine.venue.protocol import Headroom, Lane, Ticket

SPEC = NewOrder("c1", "BTC/USD", "buy", "limit", Qty(Decimal("0.02")), limit_price=Price(Decimal(50000)))
BOUND_S = 5.0


class SlowVenue:
    """A link whose limiter and answers take as long as the test says."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.leave, self.answer = trio.Event(), trio.Event()
        self.refuses_leave = False
        self.sent: list[NewOrder] = []
        self.durable_when_sent = 0
        self.level: float | None = 0.0
        self.batches: list[list[str]] = []
        self.given_back: list[Ticket] = []
        self.room = trio.Event()
        self.room.set()

    async def admit(self, lane: Lane, request: Any, bracket: str) -> Ticket:
        """Wait for the test's leave."""
        if self.refuses_leave:
            raise VenueUnavailable("no way for orders")
        await self.leave.wait()
        return Ticket("ws", 123)

    def give_back(self, ticket: Ticket) -> None:
        """Note a leave that nothing was sent with."""
        self.given_back.append(ticket)

    def headroom(self) -> list[Headroom]:
        """A counter as full as the test says; None: nothing was sent in this pair yet."""
        return [] if self.level is None else [Headroom("BTC/USD", self.level, 125, 3, 80, 0, 0)]

    async def admit_batch(self, lane: Lane, requests: Any) -> Ticket:
        """Let a batch go once there is room; the test may take it away."""
        await self.room.wait()
        return Ticket("ws", 123)

    async def cancel_batch(self, ticket: Ticket, cancels: Any) -> list[Answer]:
        """Note what is cancelled together."""
        self.batches.append([cancel.cl_ord_id for cancel in cancels])
        return [Answer("cancel", cancel.cl_ord_id, Outcome.ACCEPTED, 1, transport="ws") for cancel in cancels]

    async def cancel(self, ticket: Ticket, cancel: CancelOrder) -> Answer:
        """Note what is cancelled alone."""
        self.batches.append([cancel.cl_ord_id])
        return Answer("cancel", cancel.cl_ord_id, Outcome.ACCEPTED, 1, transport="ws")

    async def amend(self, ticket: Ticket, amend: AmendOrder) -> Answer:
        """Wait as for a call, until the test says, and ask then whether the amend stands."""
        await self.answer.wait()
        outcome = Outcome.ACCEPTED if ticket.stands() else Outcome.NOT_SENT
        return Answer("amend", amend.cl_ord_id, outcome, 1, transport="rest")

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        """Note the order and wait for the test's answer."""
        self.sent.append(order)
        self.durable_when_sent = self._journal.durable
        await self.answer.wait()
        return Answer("new", order.cl_ord_id, Outcome.ACCEPTED, 1, order_id="O1", transport="ws")


class Checks:
    """The checks before the wire: they let pass what the test does not want to be denied."""

    def __init__(self) -> None:
        self.first: Denial | None = None
        self.last: Denial | None = None

    def last_look(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Judge as the test says."""
        return self.first

    def still(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Judge as the test says, once the row is synced."""
        return self.last


class Desk:
    """A sender, its slow venue, and the inbox of one order."""

    def __init__(self, journal: Journal, nursery: trio.Nursery, clock: Any) -> None:
        self.journal, self.link = journal, SlowVenue(journal)
        link: Any = self.link
        self.checks = Checks()
        self.sender = Sender(journal, link, clock, Breaker(), self.checks, nursery, BOUND_S, Fence())
        send, self.inbox = trio.open_memory_channel[OrderMessage](8)
        self.handle = OrderHandle(Order(SPEC, "entry").view(), "s1", send)

    def start(self) -> Any:
        """Hand the request over."""
        return self.sender.start(Lane.ENTRY, SPEC, self.handle, "s1", 1)

    def kinds(self) -> list[str]:
        """Kinds of all rows but the header."""
        return [row.kind for row in self.journal.rows(after=1)]


@asynccontextmanager
async def open_desk(open_place: Any) -> AsyncIterator[Desk]:
    """A desk on a simulated disk."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            async with trio.open_nursery() as nursery:
                yield Desk(journal, nursery, place.clock)


async def test_withdrawn_before_the_limiter_lets_it_go_was_not_sent(open_place, autojump_clock):
    """Taken back in time: the answer is NOT_SENT, there is no request row and nothing on the wire."""
    async with open_desk(open_place) as desk:
        outgoing = desk.start()
        await trio.testing.wait_all_tasks_blocked()
        assert outgoing.withdraw()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert (answered.answer.outcome, answered.answer.code) == (Outcome.NOT_SENT, "WITHDRAWN")
        desk.link.leave.set()
        await trio.sleep(1)
        assert (desk.link.sent, desk.kinds()) == ([], ["answer"])


async def test_withdrawn_before_it_ran_at_all_was_not_sent(open_place, autojump_clock):
    """Taken back in the very tick it was handed over, with the limiter wide open."""
    async with open_desk(open_place) as desk:
        desk.link.leave.set()
        assert desk.start().withdraw()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert answered.answer.outcome is Outcome.NOT_SENT
        await trio.sleep(1)
        assert (desk.link.sent, desk.kinds()) == ([], ["answer"])


async def test_gone_request_cannot_be_withdrawn(open_place, autojump_clock):
    """Once the limiter has let it go it is written, and its answer comes."""
    async with open_desk(open_place) as desk:
        desk.link.leave.set()
        outgoing = desk.start()
        sent = await desk.inbox.receive()
        assert isinstance(sent, Sent)
        assert not outgoing.withdraw()
        desk.link.answer.set()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert answered.answer.outcome is Outcome.ACCEPTED
        assert desk.kinds() == ["request", "answer"]


async def test_bytes_leave_after_the_request_row_is_durable(open_place, autojump_clock):
    """The row carries the stamped deadline and is synced before the order is written."""
    async with open_desk(open_place) as desk:
        desk.link.leave.set()
        desk.link.answer.set()
        desk.start()
        await trio.testing.wait_all_tasks_blocked()
        (row,) = desk.journal.rows(kind="request")
        assert desk.link.durable_when_sent >= row.seq
        assert row.decode(Requested).request.deadline_ns == 123 == desk.link.sent[0].deadline_ns


async def test_no_way_to_the_venue_was_not_sent(open_place, autojump_clock):
    """The limiter finds no way: certainly not sent, with its words."""
    async with open_desk(open_place) as desk:
        desk.link.refuses_leave = True
        desk.start()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert (answered.answer.outcome, answered.answer.code) == (Outcome.NOT_SENT, "VENUE_UNAVAILABLE")
        assert "no way for orders" in answered.answer.text


async def test_limiter_that_never_answers_is_given_up(open_place, autojump_clock):
    """No leave within the bound: not sent."""
    async with open_desk(open_place) as desk:
        desk.start()
        answered = await desk.inbox.receive()
        assert trio.current_time() == BOUND_S
        assert isinstance(answered, Answered)
        assert (answered.answer.outcome, answered.answer.code) == (Outcome.NOT_SENT, "NO_LEAVE")


async def test_venue_that_never_answers_leaves_the_outcome_unknown(open_place, autojump_clock):
    """Written and not answered within the bound: unknown, never a refusal."""
    async with open_desk(open_place) as desk:
        desk.link.leave.set()
        desk.start()
        await desk.inbox.receive()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert (answered.answer.outcome, answered.answer.code) == (Outcome.UNKNOWN, "NO_ANSWER")
        assert trio.current_time() == BOUND_S


async def test_cancelling_the_senders_nursery_does_not_drop_an_answer(open_place, autojump_clock):
    """Everything around a written request is cancelled: its answer is still taken and journalled."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            async with trio.open_nursery() as nursery:
                desk = Desk(journal, nursery, place.clock)
                desk.link.leave.set()
                desk.start()
                await desk.inbox.receive()
                nursery.cancel_scope.cancel()
                desk.link.answer.set()
            assert desk.kinds() == ["request", "answer"]
            assert desk.sender.in_flight == 0


async def test_order_that_has_ended_does_not_hold_its_sender(open_place, autojump_clock):
    """Nobody reads the inbox any more: the answer stands in the journal and the sender ends."""
    async with open_desk(open_place) as desk:
        desk.link.leave.set()
        desk.link.answer.set()
        desk.inbox.close()
        desk.start()
        await trio.testing.wait_all_tasks_blocked()
        assert desk.kinds() == ["request", "answer"]
        assert desk.sender.in_flight == 0


async def test_denied_request_is_told_to_its_order_and_leaves_no_row(open_place, autojump_clock):
    """What the checks deny after the limiter has let it go is neither journalled as a request nor written."""
    async with open_desk(open_place) as desk:
        desk.checks.first = Denial("ORDER_QTY_LIMIT", "too much")
        desk.link.leave.set()
        desk.start()
        assert await desk.inbox.receive() == Denied(desk.checks.first)
        await trio.testing.wait_all_tasks_blocked()
        assert (desk.kinds(), desk.link.sent, desk.sender.in_flight) == ([], [], 0)


async def test_halt_that_falls_while_the_row_is_synced_keeps_the_bytes_back(open_place, autojump_clock):
    """The request row stands, so the answer that nothing was sent stands behind it."""
    async with open_desk(open_place) as desk:
        desk.checks.last = Denial("TRADING_HALTED", "COMMAND: enough")
        desk.link.leave.set()
        desk.start()
        await desk.inbox.receive()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert (answered.answer.outcome, answered.answer.code) == (Outcome.NOT_SENT, "WITHDRAWN")
        assert "TRADING_HALTED" in answered.answer.text
        assert (desk.kinds(), desk.link.sent) == (["request", "answer"], [])


@pytest.mark.parametrize(("state", "outcome"), [("pending_amend", Outcome.ACCEPTED), ("settled", Outcome.NOT_SENT)])
async def test_amend_of_an_order_that_ends_while_it_waits_for_a_call_does_not_go(
    open_place, autojump_clock, state, outcome
):
    """Squall 1341292: a sold target's amend took the call that the shrink of the stop beside it waited for."""
    async with open_desk(open_place) as desk:
        desk.link.leave.set()
        desk.sender.start(Lane.REDUCING, AmendOrder("c1", "O1", "BTC/USD", SPEC.order_qty), desk.handle, "s1", 1)
        await trio.testing.wait_all_tasks_blocked()
        desk.handle.view = msgspec.structs.replace(desk.handle.view, state=state)
        desk.link.answer.set()
        await desk.inbox.receive()
        answered = await desk.inbox.receive()
        assert isinstance(answered, Answered)
        assert answered.answer.outcome is outcome


@pytest.mark.parametrize(("state", "kinds"), [("open", ["request"]), ("settled", ["answer"])])
async def test_cancel_of_an_order_that_ends_while_it_waits_for_room_does_not_go(
    open_place, autojump_clock, state, kinds
):
    """Squall 1600084: nine seconds after a stop had sold its cancel took the points that the close after it needed."""
    async with open_desk(open_place) as desk:
        desk.sender.start(Lane.CANCEL, CancelOrder("c1", "O1", "BTC/USD"), desk.handle, "s1", 1)
        await trio.testing.wait_all_tasks_blocked()
        desk.handle.view = msgspec.structs.replace(desk.handle.view, state=state)
        desk.link.leave.set()
        await desk.inbox.receive()
        assert desk.kinds() == kinds


@pytest.mark.parametrize("stopped", ["by the checks", "right before the bytes", "as its leave came"])
async def test_leave_that_nothing_was_sent_with_is_given_back(open_place, autojump_clock, stopped):
    """What is denied or taken back behind the limiter holds none of the venue's budgets."""
    async with open_desk(open_place) as desk:
        denial = Denial("EXIT_BELOW_MINIMUM", "too little")
        desk.checks.first = denial if stopped == "by the checks" else None
        desk.checks.last = denial if stopped == "right before the bytes" else None
        outgoing = desk.start()
        await trio.testing.wait_all_tasks_blocked()
        desk.link.leave.set()
        if stopped == "as its leave came":
            outgoing.withdraw()
        await trio.testing.wait_all_tasks_blocked()
        assert (desk.link.sent, desk.link.given_back) == ([], [Ticket("ws", 123)])


async def test_many_cancels_go_in_parts_that_leave_room_behind_them(open_place, autojump_clock):
    """Of a counter that takes 125 points fifteen young orders leave room for a close; twenty-two would not."""
    async with open_desk(open_place) as desk:
        send, _ = trio.open_memory_channel[OrderMessage](100)
        handle = OrderHandle(Order(SPEC, "stop").view(), "s1", send)
        for number in range(22):
            name = f"c{number:02}"
            desk.sender.start(Lane.EMERGENCY, CancelOrder(name, f"O-{name}", "BTC/USD"), handle, "s1", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(len(batch) for batch in desk.link.batches) == [7, 15]


async def test_many_cancels_go_in_parts_of_what_the_counter_takes_now(open_place, autojump_clock):
    """With 73 points taken of 125, five young orders leave room for a close; more at once would wait for it."""
    async with open_desk(open_place) as desk:
        send, _ = trio.open_memory_channel[OrderMessage](100)
        handle, desk.link.level = OrderHandle(Order(SPEC, "stop").view(), "s1", send), 73.0
        for number in range(12):
            name = f"c{number:02}"
            desk.sender.start(Lane.CANCEL, CancelOrder(name, f"O-{name}", "BTC/USD"), handle, "s1", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(len(batch) for batch in desk.link.batches) == [2, 5, 5]


async def test_cancels_of_stops_leave_room_in_a_pair_in_which_nothing_was_sent_yet(open_place, autojump_clock):
    """Mixed 701088: after a restart 35 cancels went at once, and a close waited for two minutes for its one point."""
    async with open_desk(open_place) as desk:
        send, _ = trio.open_memory_channel[OrderMessage](100)
        handle, desk.link.level = OrderHandle(Order(SPEC, "stop").view(), "s1", send), None
        for number in range(12):
            name = f"c{number:02}"
            desk.sender.start(Lane.CANCEL, CancelOrder(name, f"O-{name}", "BTC/USD"), handle, "s1", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(len(batch) for batch in desk.link.batches) == [6, 6]


@pytest.mark.parametrize(("stay", "sent"), [(12, []), (11, [["c00"]]), (5, [[f"c{number:02}" for number in range(7)]])])
async def test_cancels_withdrawn_while_their_batch_waits_are_not_sent(open_place, autojump_clock, stay, sent):
    """Lag 830055: a batch of a swap that was over stood in the way of the stop that was to come back."""
    async with open_desk(open_place) as desk:
        desk.link.room, names = trio.Event(), [f"c{number:02}" for number in range(12)]
        send, inbox = trio.open_memory_channel[OrderMessage](100)
        handle = OrderHandle(Order(SPEC, "stop").view(), "s1", send)
        started = [
            desk.sender.start(Lane.CANCEL, CancelOrder(name, f"O-{name}", "BTC/USD"), handle, "s1", 1) for name in names
        ]
        await trio.testing.wait_all_tasks_blocked()
        for outgoing in started[12 - stay :]:
            assert outgoing.withdraw()
        await trio.testing.wait_all_tasks_blocked()
        assert inbox.statistics().current_buffer_used == stay
        desk.link.room.set()
        desk.link.leave.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (desk.link.batches, desk.sender.in_flight) == (sent, 0)
        answers = [row.decode(Answer) for row in desk.journal.rows(kind="answer")]
        assert sorted(one.cl_ord_id for one in answers if one.code == "WITHDRAWN") == names[12 - stay :]


@pytest.mark.parametrize(
    ("level", "lane", "sent"),
    [
        (0.0, Lane.EMERGENCY, [["c1"], ["c2"]]),
        (115.0, Lane.EMERGENCY, [["c1", "c2"]]),
        (115.0, Lane.CANCEL, [["c1"], ["c2"]]),
    ],
)
async def test_emergency_cancels_without_room_go_as_a_batch(open_place, autojump_clock, level, lane, sent):
    """Two are enough: the venue takes a batch above its threshold. With room each goes alone and has its own answer."""
    async with open_desk(open_place) as desk:
        desk.link.level = level
        desk.link.leave.set()
        for name in ("c1", "c2"):
            desk.sender.start(lane, CancelOrder(name, f"O-{name}", "BTC/USD"), desk.handle, "s1", 1)
        await trio.sleep(0.1)
        assert sorted(desk.link.batches) == sent


async def test_emergency_cancel_that_comes_a_moment_later_goes_with_the_batch(open_place, autojump_clock):
    """Squall 810227: its own time-out's cancel had waited for room and was withdrawn first; alone it would wait on."""
    async with open_desk(open_place) as desk:
        desk.link.level = 120.0
        desk.link.leave.set()
        for name in ("c1", "c2", "c3"):
            desk.sender.start(Lane.EMERGENCY, CancelOrder(name, f"O-{name}", "BTC/USD"), desk.handle, "s1", 1)
            await trio.sleep(0.005)
        await trio.sleep(0.1)
        assert desk.link.batches == [["c1", "c2", "c3"]]
