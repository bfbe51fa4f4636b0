"""What the rules on exits allow, and no more than that."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
import trio

from engine.sim import SimOrder
from engine.sim.core import Core
from engine.values.time import NS
from tests.chaos.test_oracle import Stage, _say, staged
from tests.chaos.test_oracle_sees import announce, deafen, decide, decide_stop, lose, place, taken_over_by_nobody, watch


async def lose_one(stage: Stage, *, asked_first: bool) -> None:
    """The exchange ends the stop, and the engine asks for its end: before that, or after it."""
    ask = json.dumps({"method": "cancel_order", "params": {"order_id": [stage.ours("stop")]}})
    if asked_first:
        _say(stage.world, ask)
        await trio.sleep(0.1)
    lose(stage)
    await trio.sleep(0.1)
    _say(stage.world, ask)


def put_back(stage: Stage) -> str:
    """The stop rests again, under this id."""
    decide_stop(stage, "again")
    place(stage, "again", "sell", "60000")
    twin = stage.oracle.ledger.orders["again"]
    assert twin.venue is not None
    return twin.venue.order_id


def end(stage: Stage, order_id: str) -> None:
    """The exchange ends it."""
    core = stage.world.exchange._venue.core
    core.cancel(core.orders[order_id])


@pytest.mark.parametrize(("asked_first", "broken"), [(False, False), (True, True)])
async def test_stop_that_had_gone_before_we_asked_for_its_end_was_taken(autojump_clock, asked_first, broken):
    """Storm 820018: the second of two that were taken; one that we have ended ourselves is none of them."""
    async with staged() as stage:
        deafen(stage)
        await lose_one(stage, asked_first=asked_first)
        end(stage, put_back(stage))
        await taken_over_by_nobody(stage)
        assert ("taken_over_truly" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize("by_person", [True, False])
async def test_stop_that_a_person_ends_while_our_cancel_is_on_its_way_was_taken(autojump_clock, by_person):
    """Squall 2000594: ours met an order that was gone; the other of the two had gone without being asked."""
    async with staged() as stage:
        deafen(stage)
        lose(stage)
        order_id = put_back(stage)
        _say(stage.world, json.dumps({"method": "cancel_order", "params": {"order_id": [order_id]}}))
        await trio.sleep(0.001)
        end(stage, order_id)
        if by_person:
            stage.oracle.ledger.taken.add("again")
        await taken_over_by_nobody(stage)
        assert ("taken_over_truly" in stage.broken()) != by_person
        stage.world.kill()


def sell_at_the_target(stage: Stage) -> None:
    """Stop and target both rest, and the target sells all: that alone breaks nothing. The journal has heard of it."""
    deafen(stage)
    (case,) = stage.oracle.ledger.cases.values()
    case.signal = msgspec.structs.replace(case.signal, exits="both-rest")
    decide(stage, "aim", role="target", side="sell", order_type="limit", limit_price="49990")
    place(stage, "aim", "sell", "49990")
    assert "exits_within_position" not in stage.broken()
    stage.oracle.ledger.orders["aim"].cum_qty = Decimal("0.02")


@pytest.mark.parametrize(("points", "broken"), [("0", True), ("124", False)])
async def test_stop_beside_a_target_that_has_sold_may_wait_for_room_alone(autojump_clock, points, broken):
    """Mixed 700042: three seconds after the sale it is too much, unless the counter takes no cancel."""
    async with staged() as stage:
        sell_at_the_target(stage)
        await trio.sleep(3)
        core = stage.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        core.report(core.orders[stage.ours("stop")], "status")
        core.finish()
        assert ("exits_within_position" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(("taken", "asked", "broken"), [(19, True, False), (17, True, True), (19, False, True)])
async def test_stop_beside_a_target_that_has_sold_may_wait_for_a_call(autojump_clock, taken, asked, broken):
    """Squall 1330119: four targets sold by REST alone, and each stop's shrink is a call that leaves two to batches."""
    async with staged() as stage:
        sell_at_the_target(stage)
        await trio.sleep(3)
        (stop,) = (twin for twin in stage.oracle.ledger.orders.values() if twin.role == "stop")
        stop.state = "pending_amend" if asked else "open"
        core = stage.world.exchange._venue.core
        fill_calls(stage, taken)
        core.report(core.orders[stage.ours("stop")], "status")
        core.finish()
        assert ("exits_within_position" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(
    ("waits_s", "state", "broken"), [(60, "pending_cancel", False), (0, "pending_cancel", True), (60, "open", True)]
)
async def test_exit_beside_one_that_has_sold_may_wait_for_word_of_its_cancel(autojump_clock, waits_s, state, broken):
    """Squall 1340241: nobody has answered it, and the question what became of it finds no room by our own count."""
    async with staged() as stage:
        sell_at_the_target(stage)
        (stop,) = (twin for twin in stage.oracle.ledger.orders.values() if twin.role == "stop")
        stop.state, stop.state_since_s = state, stage.oracle.court.now_s
        stage.world.nonces.spend(stage.world.clock.now_ns() + waits_s * NS)
        await watch(stage, 4)
        core = stage.world.exchange._venue.core
        core.report(core.orders[stage.ours("stop")], "status")
        core.finish()
        assert ("exits_within_position" in stage.broken()) == broken
        stage.world.kill()


def fill_calls(stage: Stage, taken: int) -> None:
    """Make calls until the exchange counts so many."""
    exchange = stage.world.exchange
    calls, now_ns = exchange._venue.keys[exchange.api_key].calls, exchange.clock.now_ns()
    while calls.level(now_ns) <= taken - 1:
        calls.take("OpenOrders", now_ns)


async def paid_in_base(stage: Stage, fee: Decimal) -> tuple[Core, SimOrder]:
    """The entry's fill, told long ago, was paid for in base: its stop is for as much too many."""
    deafen(stage)
    await trio.sleep(15)
    core = stage.world.exchange._venue.core
    entry = core.orders[stage.ours("entry")]
    entry.fee, entry.fee_asset = fee, "BTC"
    return core, entry


@pytest.mark.parametrize(("taken", "asked", "broken"), [(19, True, False), (17, True, True), (19, False, True)])
async def test_stop_above_a_base_fee_may_wait_for_a_call_alone(autojump_clock, taken, asked, broken):
    """Mixed 1201215: its shrink is asked for, goes by REST, and the counter of calls is full."""
    async with staged() as stage:
        core, entry = await paid_in_base(stage, Decimal("0.0001"))
        (stop,) = (twin for twin in stage.oracle.ledger.orders.values() if twin.role == "stop")
        stop.state = "pending_amend" if asked else "open"
        fill_calls(stage, taken)
        core.report(entry, "status")
        core.finish()
        assert ("exits_within_position" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(
    ("points", "fee", "broken"), [("120", "0.0001", True), ("124", "0.0001", False), ("124", "0", True)]
)
async def test_stop_above_a_base_fee_may_wait_for_room_in_its_pairs_counter(autojump_clock, points, fee, broken):
    """Squall 1800217: a crowd's stops shrank in turn and kept the counter full; what no fee explains is too much."""
    async with staged() as stage:
        core, entry = await paid_in_base(stage, Decimal(fee))
        core.orders[stage.ours("stop")].order_qty += 0 if Decimal(fee) else Decimal("0.0001")
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), Decimal(points))
        await watch(stage, 0.6)
        core.report(entry, "status")
        core.finish()
        assert ("exits_within_position" in stage.broken()) == broken
        stage.world.kill()


async def test_stop_beside_a_sold_target_goes_once_it_is_known_to_rest(autojump_clock):
    """Storm 1300578: it came back as the target's end was not told in time, and nobody answered for it."""
    async with staged() as stage:
        deafen(stage)
        decide(stage, "aim", role="target", side="sell", order_type="limit", limit_price="49990")
        await trio.sleep(stage.world.settings.policy.swap_bound_s + 0.1)
        place(stage, "aim", "sell", "49990")
        orders, core = stage.oracle.ledger.orders, stage.world.exchange._venue.core
        (stop,) = (twin for twin in orders.values() if twin.role == "stop")
        orders["aim"].cum_qty, orders["aim"].state_since_s = Decimal("0.02"), stage.oracle.court.now_s
        for state, broken in (("unknown", False), ("open", True)):
            stop.state = state
            await watch(stage, 3)
            core.report(core.orders[stage.ours("stop")], "status")
            core.finish()
            assert ("exits_within_position" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(("fee", "broken"), [("0.0001", False), ("0.00005", True)])
async def test_exit_may_grow_by_the_base_fees_that_exits_have_paid(autojump_clock, fee, broken):
    """Mixed 815178: what was bought back and went for a fee is bought once more, and nothing beyond that."""
    async with staged() as stage:
        core = stage.world.exchange._venue.core
        order = core.orders[stage.ours("stop")]
        order.fee, order.fee_asset = Decimal(fee), "BTC"
        order.order_qty += Decimal("0.0001")
        core.report(order, "amended")
        assert ("amends_never_double" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize("turn_first", [True, False])
async def test_entry_that_had_its_turn_before_an_exit_was_decided_may_go(autojump_clock, turn_first):
    """Storm 2100437: it waited for its call by REST, and its points were spent; the close waited for its own."""
    async with staged() as stage:
        deafen(stage)
        if not turn_first:
            decide_stop(stage, "waits")
            await trio.sleep(1)
        decide(stage, "goes")
        announce(stage, "goes")
        entry = stage.oracle.ledger.orders["goes"]
        entry.state, entry.state_since_s = "pending", trio.current_time()
        if turn_first:
            decide_stop(stage, "waits")
            await trio.sleep(1)
        _say(stage.world, json.dumps({"method": "add_order", "params": {"cl_ord_id": "goes"}}))
        assert ("exits_go_first" in stage.broken()) != turn_first
        stage.world.kill()
