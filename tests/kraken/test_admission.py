"""The queue in front of the counters: lanes, fairness, the reserve, slots."""

from contextlib import ExitStack
from functools import partial

import pytest
import trio
import trio.lowlevel
import trio.testing

from engine.errors import VenueUnavailable
from engine.kraken.admission import Admission
from engine.kraken.limits import Counter, EngineCounters
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.reports import Answer, OrderReport, Outcome, ReportType
from engine.venue.protocol import Lane

from .conftest import dec

BTC, ETH = "BTC/USD", "ETH/USD"


def new(name="c", symbol=BTC, order_type="limit") -> NewOrder:
    """A new order."""
    return NewOrder(name, symbol, "buy", order_type, dec("1"), dec("1"))


def cancel(name="c", order_id="O", symbol=BTC) -> CancelOrder:
    """A cancel of an order of unknown age, the dearest: 8 points."""
    return CancelOrder(name, order_id, symbol)


def answer(outcome, code="", order_id=None) -> Answer:
    """An answer."""
    return Answer("new", "c", outcome, 0, order_id, code)


class Desk:
    """A limiter, and what happened in which order."""

    def __init__(self, tier="starter", timeout_s=10, **more) -> None:
        self.counters = EngineCounters(tier)
        self.limiter = Admission(self.counters, timeout_s, **more)
        self.log: list[tuple[str, float]] = []
        self.began = trio.current_time()

    @property
    def now(self) -> float:
        return round(trio.current_time() - self.began, 3)

    def fill(self, points, symbol=BTC) -> None:
        """Use points up."""
        self.counters.of(symbol).charge(points, trio.current_time())

    def resting(self, count, order_type="limit") -> None:
        """Let foreign orders rest."""
        for number in range(count):
            self.counters.note(
                OrderReport(ReportType.NEW, "stream", f"F{number}", "new", 0, None, BTC, order_type=order_type),
                trio.current_time(),
            )

    async def go(self, name, lane, *requests, bracket="", batch=False, outcome=Outcome.ACCEPTED) -> None:
        """Wait for leave, note the moment, and be answered at once."""
        leave = await self.limiter.enter(lane, requests, bracket, batch=batch)
        self.log.append((name, self.now))
        self.limiter.settle(leave, [answer(outcome) for _ in requests])


@pytest.fixture
async def desk():
    """A limiter of the smallest tier: 60 points, one a second."""
    return Desk()


async def test_waiting_requests_go_by_lane_then_by_arrival(desk, autojump_clock):
    """With no room at all: the emergency first, entries last, though they came first."""
    desk.fill(60)
    async with trio.open_nursery() as nursery:
        for name, lane in [
            ("entry", Lane.ENTRY),
            ("cancel", Lane.CANCEL),
            ("stop 1", Lane.REDUCING),
            ("stop 2", Lane.REDUCING),
            ("close", Lane.EMERGENCY),
        ]:
            nursery.start_soon(desk.go, name, lane, cancel() if lane is Lane.CANCEL else new(name))
            await trio.sleep(0.01)
        await trio.sleep(9.5)
        nursery.cancel_scope.cancel()
    assert [name for name, _ in desk.log] == ["close", "stop 1", "stop 2"]
    assert [at for _, at in desk.log] == pytest.approx([1, 2, 3])


async def test_cancel_is_not_starved_by_a_stream_of_amends(autojump_clock):
    """After three seconds a cancel goes with the exits: those that came later wait behind it."""
    desk = Desk(timeout_s=20)
    desk.fill(60)

    async def amends() -> None:
        for _ in range(40):
            await desk.go("amend", Lane.REDUCING, AmendOrder("c", "O", BTC, dec("1")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(amends)
        await trio.sleep(0.1)
        await desk.go("cancel", Lane.CANCEL, cancel(order_id="P"))
        nursery.cancel_scope.cancel()
    assert desk.log == [("amend", 4), ("cancel", pytest.approx(12))]


async def test_new_stop_goes_before_cancels_that_have_waited_long(autojump_clock):
    """It costs a point and is for what stands bare; what a cancel takes away is covered as long as it waits."""
    desk = Desk(timeout_s=20)
    desk.fill(60)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.go, "cancel", Lane.CANCEL, cancel(order_id="P"))
        await trio.sleep(4)
        nursery.start_soon(desk.go, "amend", Lane.REDUCING, AmendOrder("c", "O", BTC, dec("1")))
        await trio.sleep(0.5)
        nursery.start_soon(desk.go, "stop", Lane.REDUCING, new())
    assert [name for name, _ in desk.log] == ["stop", "cancel", "amend"]
    assert desk.log[0] == ("stop", 4.5)


async def test_cancel_without_haste_leaves_room_for_cover_until_it_has_aged(autojump_clock):
    """It stands aside for what protects; after three seconds it takes what there is."""
    desk = Desk(timeout_s=20)
    desk.fill(50)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.go, "cancel", Lane.CANCEL, cancel(order_id="P"))
        await trio.sleep(0.5)
        await desk.go("amend", Lane.REDUCING, AmendOrder("c", "O", BTC, dec("1")))
    assert desk.log == [("amend", 0.5), ("cancel", 3)]


async def test_cancel_without_haste_leaves_a_point_for_each_entry_that_may_fill(autojump_clock):
    """Squall 200110: seven entries filled while targets took young stops away, and two found no point for theirs."""
    desk = Desk(timeout_s=20)
    desk.fill(39)
    with ExitStack() as stack:
        for number in range(9):
            stack.enter_context(desk.limiter.protection(BTC, f"b{number}", held=True))
        async with trio.open_nursery() as nursery:
            for order_id in ("P", "Q"):
                nursery.start_soon(desk.go, order_id, Lane.CANCEL, cancel(order_id=order_id))
            await trio.sleep(0.5)
            for number in range(9):
                await desk.go("stop", Lane.REDUCING, new(f"s{number}"))
            assert [name for name, _ in desk.log].count("stop") == 9
            assert desk.now == 0.5
            nursery.cancel_scope.cancel()


async def test_entry_that_lacks_its_reserve_does_not_hold_up_exits(desk, autojump_clock):
    """Points for one more request are there, those for its protection are not: the entry stands aside."""
    desk.fill(55)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.go, "entry", Lane.ENTRY, new())
        await trio.sleep(1)
        await desk.go("stop", Lane.REDUCING, new("s"))
        await desk.go("cancel", Lane.CANCEL, cancel("d"))
        nursery.cancel_scope.cancel()
    assert [name for name, _ in desk.log] == ["stop", "cancel"]
    assert desk.log[0][1] == 1


async def test_refusal_says_the_numbers(desk, autojump_clock):
    """The wait is bounded; then certainly nothing was sent, and nothing is charged."""
    desk.fill(200)
    with pytest.raises(VenueUnavailable, match=r"BTC/USD: no leave in 10 s: rate counter at 190.0 of 60, 8 wanted"):
        await desk.go("cancel", Lane.CANCEL, cancel())
    desk.counters.of(BTC).correct(50, trio.current_time())
    desk.limiter = Admission(desk.counters, 0.5)
    with pytest.raises(VenueUnavailable, match="1 wanted, 12 kept for protection"):
        await desk.go("entry", Lane.ENTRY, new())
    assert desk.counters.of(BTC).level(trio.current_time()) == 49.5


async def test_entry_waits_until_a_bracket_gives_its_protection_back(desk, autojump_clock):
    """Two points a bracket and one swap a pair: beside 24 of them a 25th entry does not fit into 60 points."""
    held = [desk.limiter.protection(BTC, f"b{number}", held=True) for number in range(24)]
    for one in held:
        one.__enter__()
    async with trio.open_nursery() as nursery:
        with desk.limiter.protection(BTC, "late", held=False):
            nursery.start_soon(lambda: desk.go("entry", Lane.ENTRY, new(), bracket="late"))
            await trio.sleep(4)
            assert desk.log == []
            held[2].__exit__(None, None, None)
            await trio.testing.wait_all_tasks_blocked()
            assert desk.log == [("entry", 4)]
    for one in (*held[:2], *held[3:]):
        one.__exit__(None, None, None)


async def test_covered_brackets_make_room_for_a_waiting_entry(desk, autojump_clock):
    """Beside 24 young brackets a 25th entry does not fit; once one of them has been covered for a while, it does."""
    with ExitStack() as held:
        for number in range(24):
            held.enter_context(desk.limiter.protection(BTC, f"b{number}", held=number > 0))
        await desk.go("first", Lane.ENTRY, new("e"), bracket="b0")
        await desk.go("stop", Lane.REDUCING, new("s"), bracket="b0")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: desk.go("late", Lane.ENTRY, new(), bracket="late"))
            await trio.sleep(3)
            filled = OrderReport(ReportType.FILLED, "stream", "O", "filled", 0, "e", BTC)
            desk.counters.note(filled, trio.current_time())
    assert [name for name, _ in desk.log] == ["first", "stop", "late"]
    assert 8 <= desk.log[-1][1] <= 9


async def test_next_attempt_of_a_bracket_books_nothing_more(desk, autojump_clock):
    """Its protection is booked once, however many entries it takes."""
    with desk.limiter.protection(BTC, "a", held=False):
        await desk.go("first", Lane.ENTRY, new("c1"), bracket="a")
        await desk.go("second", Lane.ENTRY, new("c2"), bracket="a")
        desk.fill(60 - 13 - desk.counters.of(BTC).level(trio.current_time()))
        await desk.go("third", Lane.ENTRY, new("c3"), bracket="a")
    assert [name for name, _ in desk.log] == ["first", "second", "third"]


async def test_exits_may_use_what_is_kept(desk, autojump_clock):
    """The reserve is for them: they pass up to the threshold itself."""
    with desk.limiter.protection(BTC, "a", held=True), desk.limiter.protection(BTC, "b", held=True):
        desk.fill(59)
        await desk.go("stop", Lane.REDUCING, new(), bracket="a")
    assert desk.log == [("stop", 0)]


async def test_waiting_brackets_do_not_block_each_other(desk, autojump_clock):
    """Only what was admitted has booked: ten open brackets without an entry keep nobody out."""
    for number in range(10):
        desk.limiter.protection(BTC, f"b{number}", held=False).__enter__()
    await desk.go("entry", Lane.ENTRY, new(), bracket="b9")
    assert desk.log == [("entry", 0)]


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.REFUSED])
async def test_entry_that_does_not_rest_gives_its_booking_back(desk, autojump_clock, outcome):
    """Refused or never sent: its bracket needs no protection until its next attempt."""
    with desk.limiter.protection(BTC, "a", held=False):
        await desk.go("entry", Lane.ENTRY, new(), bracket="a", outcome=outcome)
        desk.fill(60 - 13 - desk.counters.of(BTC).level(trio.current_time()))
        await desk.go("other", Lane.ENTRY, new("d"))
    assert desk.log[-1] == ("other", 0)
    assert desk.counters.open_orders.taken(BTC, trio.current_time()).orders == 1


async def test_slots_of_all_orders_count_and_protection_keeps_two(autojump_clock):
    """Foreign orders fill the pair: an entry leaves its stop and one more free, exits are the venue's to judge."""
    desk = Desk(timeout_s=3)
    desk.resting(57)
    await desk.go("entry", Lane.ENTRY, new())
    with pytest.raises(VenueUnavailable, match="58 of 60 orders open, 1 wanted, 2 kept for protection"):
        await desk.go("entry", Lane.ENTRY, new("d"))
    await desk.go("stop", Lane.REDUCING, new("s", order_type="stop-loss"))
    await desk.go("eth", Lane.ENTRY, new("e", ETH))


async def test_targets_that_rest_beside_the_stop_keep_their_slots_too(autojump_clock):
    """Two targets: four slots stay free for its own entry, and three, once its stop rests, from another's."""
    desk = Desk(timeout_s=3)
    desk.resting(56)
    refused = pytest.raises(VenueUnavailable, match="56 of 60 orders open, 1 wanted, 4 kept for protection")
    with desk.limiter.protection(BTC, "a", held=False, targets=2), refused:
        await desk.go("entry", Lane.ENTRY, new(), bracket="a")
    desk = Desk(timeout_s=3)
    desk.resting(55)
    with desk.limiter.protection(BTC, "a", held=False, targets=2):
        await desk.go("entry", Lane.ENTRY, new("e"), bracket="a")
        await desk.go("stop", Lane.REDUCING, new("s", order_type="stop-loss"), bracket="a")
        with pytest.raises(VenueUnavailable, match="57 of 60 orders open, 1 wanted, 5 kept for protection"):
            await desk.go("other", Lane.ENTRY, new("d"))


async def test_targets_that_rest_beside_the_stop_keep_their_points_too(desk, autojump_clock):
    """A point each, until the bracket is covered: an entry beside it waits where without them it would pass."""
    with desk.limiter.protection(BTC, "a", held=True, targets=3):
        desk.fill(60 - 16 - desk.counters.of(BTC).level(trio.current_time()))
        desk.limiter._timeout_s = 0.5
        with pytest.raises(VenueUnavailable, match="1 wanted, 17 kept for protection"):
            await desk.go("entry", Lane.ENTRY, new())


async def test_freed_slot_lets_the_waiting_entry_go(autojump_clock):
    """It goes in the very moment the report arrives."""
    desk = Desk()
    desk.resting(58)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.go, "entry", Lane.ENTRY, new())
        await trio.sleep(2)
        gone = OrderReport(ReportType.CANCELED, "stream", "F1", "canceled", 0, symbol=BTC)
        desk.counters.note(gone, trio.current_time())
    assert desk.log == [("entry", 2)]


async def test_trigger_slots_have_a_bound_of_their_own(autojump_clock):
    """Where one is set: Kraken publishes none."""
    desk = Desk(timeout_s=1, most_triggers=5)
    desk.resting(3, "stop-loss")
    await desk.go("entry", Lane.ENTRY, new())
    desk.resting(4, "stop-loss")
    with pytest.raises(VenueUnavailable, match="4 of 5 trigger orders open, 2 kept"):
        await desk.go("entry", Lane.ENTRY, new("d"))


async def test_emergency_batch_cancel_goes_above_the_threshold(desk, autojump_clock):
    """Kraken accepts it; a batch in another lane, and a single emergency cancel, wait for room."""
    desk.fill(100)
    await desk.go("batch", Lane.EMERGENCY, cancel("a", "O1"), cancel("b", "O2"), batch=True)
    assert desk.log == [("batch", 0)]
    assert desk.counters.of(BTC).level(trio.current_time()) == 116
    for lane, requests, batch in [
        (Lane.CANCEL, [cancel("a", "O1"), cancel("b", "O2")], True),
        (Lane.EMERGENCY, [cancel()], False),
    ]:
        with pytest.raises(VenueUnavailable):
            await desk.go("single", lane, *requests, batch=batch)


@pytest.mark.parametrize(
    ("points", "order"),
    [(60.5, [("exit", 0.5), ("batch", 0.5)]), (62, [("batch", 0.01)]), (40, [("exit", 0), ("batch", 0.01)])],
    ids=["soon", "not soon", "room"],
)
async def test_batch_that_passes_the_counter_lets_an_exit_go_first(desk, autojump_clock, points: float, order):
    """Squall 1200606: behind it a target waited for twelve seconds, its stop already smaller. A kill has three."""
    desk.fill(points - 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.go, "exit", Lane.REDUCING, new())
        await trio.sleep(0.01)
        nursery.start_soon(partial(desk.go, "batch", Lane.EMERGENCY, cancel("a", "O1"), cancel("b", "O2"), batch=True))
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert desk.log == order


@pytest.mark.parametrize(
    ("points", "order"),
    [(59.5, [("exit", 0.5), ("cancel", 8.5)]), (61, [("cancel", 9), ("exit", 10)])],
    ids=["soon", "not soon"],
)
async def test_cancel_in_an_emergency_that_waits_for_room_lets_an_exit_go_first(desk, autojump_clock, points, order):
    """Squall 2000886: an entry that was taken back needed four points, and a stop of one stood behind it."""
    desk.fill(points)
    desk.limiter._timeout_s = 30
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.go, "cancel", Lane.EMERGENCY, cancel("a", "O1"))
        nursery.start_soon(desk.go, "exit", Lane.REDUCING, new())
    assert desk.log == order


@pytest.mark.parametrize(
    ("points", "exit_comes", "order"),
    [
        (59.5, True, [("exit", 0.5), ("batch", 0.5)]),
        (59.5, False, [("batch", 1)]),
        (62, True, [("batch", 0), ("exit", 19)]),
        (40, True, [("batch", 0), ("exit", 0.05)]),
    ],
    ids=["soon", "nothing follows", "not soon", "room"],
)
async def test_batch_that_passes_the_counter_lets_the_exit_of_a_swap_go_first(
    desk, autojump_clock, points: float, exit_comes: bool, order
):
    """Squall 1300584: a stop was being canceled for a close that was not asked for yet, and stood behind a batch."""
    with desk.limiter.protection(BTC, "a", held=False):
        await desk.go("stop", Lane.REDUCING, new("stop"), bracket="a")
        await desk.go("cancel", Lane.CANCEL, cancel("stop"), bracket="a")
        desk.log.clear()
        desk.fill(points - 9)
        desk.limiter._timeout_s = 30
        async with trio.open_nursery() as nursery:
            many = [cancel("x", "O1"), cancel("y", "O2")]
            nursery.start_soon(partial(desk.go, "batch", Lane.EMERGENCY, *many, batch=True))
            await trio.sleep(0.05)
            if exit_comes:
                nursery.start_soon(partial(desk.go, "exit", Lane.EMERGENCY, new("close"), bracket="a"))
    assert desk.log == order


async def test_batch_over_pairs_is_charged_on_each(desk, autojump_clock):
    """Cancels of two pairs cost on two counters; a batch of orders half a point each."""
    await desk.go("cancels", Lane.CANCEL, cancel("a", "O1"), cancel("b", "O2", ETH), batch=True)
    assert [desk.counters.of(s).level(trio.current_time()) for s in (BTC, ETH)] == [8, 8]
    await desk.go("adds", Lane.REDUCING, new("a"), new("b"), new("d"), batch=True)
    assert desk.counters.of(BTC).level(trio.current_time()) == 9.5


async def test_amend_below_the_filled_quantity_costs_as_a_cancel(desk, autojump_clock):
    """It ends the order: §5.2 charges it so."""
    partial = OrderReport(ReportType.TRADE, "stream", "O", "partially_filled", 0, "c", BTC, cum_qty=dec("2"))
    desk.counters.note(partial, trio.current_time())
    await desk.go("less", Lane.REDUCING, AmendOrder("c", "O", BTC, dec("2")))
    assert desk.counters.of(BTC).level(trio.current_time()) == 8
    await desk.go("more", Lane.REDUCING, AmendOrder("c", "O", BTC, dec("3")))
    assert desk.counters.of(BTC).level(trio.current_time()) == 12


async def test_unsent_request_costs_nothing_and_a_refused_rate_fills_the_counter(desk, autojump_clock):
    """The venue's own word: when it says the rate is passed, then it is."""
    await desk.go("unsent", Lane.REDUCING, new(), outcome=Outcome.NOT_SENT)
    assert desk.counters.of(BTC).level(trio.current_time()) == 0
    leave = await desk.limiter.enter(Lane.REDUCING, [new()])
    desk.limiter.settle(leave, [answer(Outcome.REFUSED, "RATE_LIMIT")])
    assert desk.counters.of(BTC).level(trio.current_time()) == 60


async def test_request_of_unknown_outcome_keeps_its_points_and_its_slot(desk, autojump_clock):
    """It may have arrived: the venue may have counted it, and the order may rest. Only what was not sent is free."""
    await desk.go("lost", Lane.REDUCING, new("lost"), outcome=Outcome.UNKNOWN)
    assert desk.counters.of(BTC).level(trio.current_time()) == 1
    assert desk.counters.open_orders.taken(BTC, trio.current_time()).orders == 1


async def test_refusals_in_a_row_leave_the_counter_time_to_run_empty(autojump_clock):
    """The venue stands thirty points above the threshold and charges refusals: tries must not keep it there."""
    desk, venue = Desk(timeout_s=100), Counter(60, 1.0)
    venue.charge(90, trio.current_time())
    tries, left = 0, 12
    while left > tries:
        tries += 1
        leave = await desk.limiter.enter(Lane.EMERGENCY, [new()])
        venue.charge(1, trio.current_time())
        if venue.level(trio.current_time()) <= venue.threshold:
            break
        desk.limiter.settle(leave, [answer(Outcome.REFUSED, "RATE_LIMIT")])
    desk.limiter.settle(leave, [answer(Outcome.ACCEPTED)])
    assert tries == 7
    assert desk.now <= 2 * (30 + tries)
    refused_again = await desk.limiter.enter(Lane.EMERGENCY, [new()])
    desk.limiter.settle(refused_again, [answer(Outcome.REFUSED, "RATE_LIMIT")])
    assert desk.counters.of(BTC).level(trio.current_time()) == 60


async def test_withdrawn_waiter_leaves_no_trace(desk, autojump_clock):
    """A scope that loses interest while it waits frees its place at once."""
    desk.fill(60)
    with trio.move_on_after(0.5):
        await desk.go("close", Lane.EMERGENCY, cancel())
    await desk.go("stop", Lane.REDUCING, new())
    assert desk.log == [("stop", pytest.approx(1))]


async def test_leave_that_is_never_settled_is_counted_as_used(desk, autojump_clock):
    """A sender that dies with its answer does not hold points for ever."""
    await desk.limiter.enter(Lane.REDUCING, [new()])
    await trio.sleep(200)
    assert desk.counters.of(BTC).level(trio.current_time()) == 1
    await desk.go("next", Lane.REDUCING, new("d"))
    await trio.sleep(2)
    assert desk.counters.of(BTC).level(trio.current_time()) == 0


async def test_headroom_tells_what_is_used(desk, autojump_clock):
    """One row per pair: what status shows."""
    desk.fill(12)
    desk.resting(3, "stop-loss")
    (row,) = desk.limiter.headroom()
    assert (row.symbol, row.level, row.threshold, row.open_orders, row.most_open_orders) == (BTC, 12, 60, 3, 60)
    assert (row.trigger_orders, row.waiting) == (3, 0)
