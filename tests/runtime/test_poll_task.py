"""How often the second opinion asks for fills that nobody tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast

import msgspec
import trio

from engine.errors import VenueUnavailable
from engine.orders.commands import CancelOrder, NewOrder
from engine.orders.order import Order
from engine.orders.reports import OrderReport, ReportType
from engine.runtime.messages import OrderMessage, Shown
from engine.runtime.order_desk import OrderDesk, OrderHandle
from engine.runtime.poll_task import PollTask
from engine.runtime.settings import EngineSettings
from engine.values.money import Price, Qty
from engine.venue.protocol import EnoughFills, VenueLink

QTY = Qty(Decimal("0.02"))
FILLED = OrderReport(ReportType.STATUS, "rest", "O1", "filled", 3, cl_ord_id="x", order_qty=QTY, cum_qty=QTY)


class Lagging:
    """A venue whose list of fills lags far behind its list of orders."""

    def __init__(self, unreachable: int = 0) -> None:
        """The first ``unreachable`` questions for orders find no way there."""
        self._unreachable = unreachable
        self.fills_s: list[float] = []
        self.states_s: list[float] = []

    async def trades_since(self, since_ns: int, enough: EnoughFills | None = None) -> list[OrderReport]:
        """Nothing yet."""
        self.fills_s.append(trio.current_time())
        return []

    async def query_orders(
        self, order_ids: Sequence[str], also: Callable[[int], Sequence[str]] = lambda _most: ()
    ) -> list[OrderReport]:
        """Filled, as it has been."""
        self.states_s.append(trio.current_time())
        if len(self.states_s) <= self._unreachable:
            raise VenueUnavailable("QueryOrders: no connection")
        return [FILLED]


class Full(Lagging):
    """A venue whose counter of calls is full: a question goes out eight seconds after it was put."""

    def __init__(self, *shown: OrderReport) -> None:
        super().__init__()
        self._shown = list(shown)
        self.named: list[list[str]] = []

    async def query_orders(
        self, order_ids: Sequence[str], also: Callable[[int], Sequence[str]] = lambda _most: ()
    ) -> list[OrderReport]:
        """Nothing new of any, or what it shows."""
        await trio.sleep(8)
        self.named.append([*order_ids, *also(50 - len(order_ids))])
        return self._shown


def resting(number: int) -> OrderHandle:
    """One of several entries that rest, known by the venue's id."""
    order = Order(NewOrder(f"x{number}", "BTC/USD", "buy", "limit", QTY, Price(Decimal(50000))), "entry")
    order.dispatched(1)
    order.reported(msgspec.structs.replace(FILLED, order_id=f"O{number}", ord_status="new", cum_qty=None))
    send, _receive = trio.open_memory_channel[OrderMessage](10)
    return OrderHandle(order.view(), "s", send)


async def test_fills_that_rest_does_not_know_yet_are_asked_for_ever_more_rarely(autojump_clock: Any) -> None:
    """A minute of lag costs a dozen questions, and hardly one about a state that is known."""
    order = Order(NewOrder("x", "BTC/USD", "buy", "limit", QTY, Price(Decimal(50000))), "entry")
    order.dispatched(1)
    order.reported(msgspec.structs.replace(FILLED, report_type=ReportType.NEW, ord_status="new", cum_qty=None))
    order.reported(FILLED)
    send, _receive = trio.open_memory_channel[OrderMessage](10)
    desk, link = OrderDesk(), Lagging()
    desk.open(OrderHandle(order.view(), "s", send))
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: True)
    with trio.move_on_after(60):
        await poll.run()
    pauses = [later - earlier for earlier, later in pairwise(link.fills_s)]
    assert pauses == sorted(pauses)
    assert 6 <= len(link.fills_s) <= 12
    assert len(link.states_s) <= 2


async def test_resting_orders_are_asked_for_together_and_within_starters_counter(autojump_clock: Any) -> None:
    """The stream is away for minutes: the first question comes within two seconds, then one call serves them all."""
    desk, link = OrderDesk(), Lagging()
    for number in range(40):
        desk.open(resting(number))
        await trio.sleep(0.1)
    began_s = trio.current_time()
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: False)
    with trio.move_on_after(300):
        await poll.run()
    assert link.states_s[0] <= began_s + 2
    assert len(link.states_s) <= 15 + 300 * 0.33


async def test_change_of_a_resting_order_is_held_against_rest_once_and_soon(autojump_clock: Any) -> None:
    """Five seconds after it changed, then only after half a minute of silence; what changed with it comes along."""
    desk, link = OrderDesk(), Lagging()
    for number in range(3):
        desk.open(resting(number))
        await trio.sleep(0.3)
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: True)
    with trio.move_on_after(29):
        await poll.run()
    assert len(link.states_s) == 1
    assert 5 <= link.states_s[0] <= 6.5


async def test_change_while_a_question_waits_for_room_is_asked_for_with_it(autojump_clock: Any) -> None:
    """Storm 700163: the next one would wait again. Who is named in it already is named once."""
    desk, link = OrderDesk(), Full()
    await trio.sleep(1)
    handles = first, second = resting(0), resting(1)
    desk.open(first)
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: True)
    with trio.move_on_after(29):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll.run)
            await trio.sleep(9)
            desk.open(second)
            for handle in handles:
                desk.update(msgspec.structs.replace(handle.view, changed_ns=2))
    assert link.named == [["O0", "O1"]]


async def test_orders_that_change_all_the_time_are_asked_for_within_starters_counter(autojump_clock: Any) -> None:
    """Whatever changes how often: at most one question in five seconds."""
    desk, link = OrderDesk(), Lagging()
    views = []
    for number in range(20):
        handle = resting(number)
        desk.open(handle)
        views.append(handle.view)
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: True)
    with trio.move_on_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll.run)
            for turn in range(600):
                view = views[turn % len(views)]
                desk.update(msgspec.structs.replace(view, changed_ns=turn + 2))
                await trio.sleep(0.35)
    assert 10 <= len(link.states_s) <= 120 / 5 + 1


async def test_order_whose_changes_put_each_question_off_is_asked_for_all_the_same(autojump_clock: Any) -> None:
    """Lag 1600010: a cancel each second, refused each time, and nobody asked how the order stood."""
    desk, link = OrderDesk(), Lagging()
    handle = resting(1)
    desk.open(handle)
    view = handle.view
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: True)
    with trio.move_on_after(190):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll.run)
            while True:
                for state in ("pending_cancel", "open"):
                    desk.update(msgspec.structs.replace(view, state=state))
                    await trio.sleep(0.5)
    assert len(link.states_s) == 3


async def test_order_that_lost_a_report_is_asked_about_again_soon_when_the_question_fails(autojump_clock: Any) -> None:
    """Its inbox was full: until REST has answered it stays in doubt, and waits out no resting order's silence."""
    order = Order(NewOrder("x", "BTC/USD", "buy", "limit", QTY, Price(Decimal(50000))), "entry")
    order.dispatched(1)
    rests = msgspec.structs.replace(FILLED, ord_status="new", cum_qty=None)
    order.reported(rests)
    send, receive = trio.open_memory_channel[OrderMessage](1)
    desk, link = OrderDesk(), Lagging(unreachable=1)
    desk.open(OrderHandle(order.view(), "s", send))
    desk.route(rests)
    desk.route(FILLED)  # no room
    assert receive.receive_nowait() == rests
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: True)
    with trio.move_on_after(5):
        await poll.run()
    assert len(link.states_s) == 2
    assert receive.receive_nowait() == FILLED


async def test_who_is_left_by_the_stream_while_a_question_waits_is_asked_for_with_it(autojump_clock: Any) -> None:
    """Squall 1310391: one changed and is asked for; behind a full counter the others' fills stayed untold."""
    desk, link = OrderDesk(), Full()
    await trio.sleep(1)
    changed, quiet = resting(0), resting(1)
    desk.open(changed)
    desk.open(quiet)
    quiet.asked_s = trio.current_time()  # what it has told last was held against REST
    up = True
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: up)
    with trio.move_on_after(16):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll.run)
            await trio.sleep(7)
            up = False
    assert link.named[0] == ["O0", "O1"]


async def test_question_that_waited_until_the_stream_was_back_decides_a_cancel_whose_answer_is_lost(
    autojump_clock: Any,
) -> None:
    """Squall 1340241: judged by when it was put, it told nothing, and the next one waited for a call of its own."""
    order = Order(NewOrder("x", "BTC/USD", "buy", "limit", QTY, Price(Decimal(50000))), "target")
    order.dispatched(1)
    rests = msgspec.structs.replace(FILLED, ord_status="new", cum_qty=None)
    order.reported(rests)
    order.ask(CancelOrder("x", "O1", "BTC/USD"), 2, "stop fired")
    send, receive = trio.open_memory_channel[OrderMessage](10)
    desk, link = OrderDesk(), Full(rests)
    handle = OrderHandle(order.view(), "s", send)
    handle.cancel_lost_s = trio.current_time()
    desk.open(handle)
    up = False
    poll = PollTask(EngineSettings(), desk, cast("VenueLink", link), lambda: up)
    with trio.move_on_after(12):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll.run)
            await trio.sleep(5)
            up = True
    assert receive.receive_nowait() == Shown(rests)
