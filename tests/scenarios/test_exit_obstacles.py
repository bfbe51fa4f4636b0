"""Stories of exits that meet an obstacle: a market that takes nothing, refusals, limits, answers that never come."""

from __future__ import annotations

import pytest

from engine.orders.commands import CancelOrder, kind_of
from engine.orders.replay import Intent, Requested
from engine.sim import ScriptedFaults, SimSettings, lose_answer, lose_request, refuse_with
from engine.values.money import trimmed
from tests.scenarios.story import BTC, Story, d
from tests.scenarios.test_contingents import at, entered, move, stop_at

SIDES = pytest.mark.parametrize("side", ["buy", "sell"])
CLOSED = pytest.mark.parametrize("status", ["cancel_only", "post_only", "maintenance"])


@SIDES
@CLOSED
async def test_touch_while_the_market_takes_nothing_leaves_the_stop(open_story, autojump_clock, side, status):
    """No swap is begun in vain: the stop would be away, and could not come back."""
    async with open_story() as story:
        case = await entered(story, side)
        story.world.exchange.set_status(status, BTC)
        await story.wait(1)
        price = int(at(side, 1000))
        story.market(*((str(price), str(price + 20)) if side == "buy" else (str(price - 20), str(price))))
        await story.wait(20)
        assert case.covered("0.02")
        assert case.targets() == []
        story.world.exchange.set_status("online", BTC)
        move(story, side, 1001)
        await story.ended(case)
    assert case.outcome == "target"


@CLOSED
async def test_fill_that_cannot_be_covered_alarms_and_is_covered_or_closed_once_it_can(
    open_story, autojump_clock, status
):
    """Bare past its bound: the alarm says so, nothing is given up, and the opening market ends it."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.02")
        story.world.exchange.set_status(status, BTC)
        await story.until(lambda: "NAKED" in case.alarms(), within_s=5)
        await story.wait(20)
        story.world.exchange.set_status("online", BTC)
        await story.until(lambda: case.outcome or case.covered("0.02"), within_s=60)
    assert case.outcome in ("flattened", "")


@pytest.mark.parametrize(
    ("fault", "ends"),
    [(refuse_with("EOrder:Invalid price"), "4.9E+4"), (lose_answer(), "5E+4"), (lose_request(), "5E+4")],
    ids=["refused", "done", "lost"],
)
async def test_moved_stop_whose_amend_has_an_obstacle_never_leaves(open_story, autojump_clock, fault, ends):
    """Refused it stays where it was; unanswered it is looked for, and stands where it was moved to in the end."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, fault)
        case = await entered(story, "buy", break_even={"at_price": "50500"})
        since = len(story.standings(case.signal_id))
        move(story, "buy", 600)
        await story.wait(120)
        assert stop_at(case) == [ends]
        assert all(standing.stops == d("0.02") for standing in story.standings(case.signal_id)[since:])
        assert case.phase == "covered"


async def test_open_order_limit_leaves_the_target_watched(open_story, autojump_clock):
    """There is a slot for the stop and none for the target: it is watched, and swaps in when it is touched."""
    async with open_story(sim=SimSettings(max_open_orders=1)) as story:
        story.may_exceed = True
        case = await entered(story, "buy", exits="both-rest")
        await story.wait(5)
        assert case.covered("0.02")
        assert case.resting("target") == []
        move(story, "buy", 1000)
        await story.ended(case)
    assert case.outcome == "target"


@SIDES
async def test_gap_far_through_the_stop_is_sold_where_there_is_somebody(open_story, autojump_clock, side):
    """From above the stop to far below it in one step: the stop sells all of it, once."""
    async with open_story() as story:
        case = await entered(story, side)
        move(story, side, -5000)
        await story.ended(case)
    assert case.outcome == "stop"
    assert [order.cum_qty for order in case.sent("stop")] == [d("0.02")]
    assert case.sent("close") == []


@SIDES
async def test_target_touched_while_the_stop_fills_is_too_late(open_story, autojump_clock, side):
    """A fired stop that still sells has won: no target is sent beside it."""
    async with open_story() as story:
        case = await entered(story, side, stop_loss={"trigger_price": "49000" if side == "buy" else "51000",
                                                     "limit_price": "48900" if side == "buy" else "51100",
                                                     "watchdog_s": 30})  # fmt: skip
        move(story, side, -1500)
        await story.until(lambda: any(order.triggered for order in case.stops()))
        move(story, side, 1000)
        await story.ended(case)
    assert case.targets() == []
    assert case.outcome == "stop"


@pytest.mark.parametrize("exits", ["both-rest", "conditional-close"])
async def test_person_who_cancels_the_stop_once_finds_it_back_twice_is_obeyed(open_story, autojump_clock, exits):
    """Whatever the mode, and whoever made the stop: no tug-of-war, and no target goes on alone."""
    async with open_story(sim=SimSettings(untriggered_stops_hold_funds=False)) as story:
        story.may_exceed = True
        case = await entered(story, "buy", exits=exits)
        story.house.cancel_client(case.resting("stop")[0].order_id)
        await story.wait(15)
        assert case.covered("0.02")
        story.house.cancel_client(case.resting("stop")[0].order_id)
        await story.ended(case)
    assert case.outcome == "taken_over"
    assert case.alarms()[-1] == "TAKEN_OVER"
    assert case.resting() == []


@SIDES
async def test_stop_whose_cancel_is_refused_for_good_is_told_until_it_is_gone(open_story, autojump_clock, side):
    """Its time has run out: the stop stays and protects, nothing is sold beside it, and a person's close asks anew."""
    async with open_story() as story:
        case = await entered(story, side, take_profit=None, exit_after_s=5)
        story.world.exchange.faults = ScriptedFaults().during(
            "cancel_order", 0, 300, refuse_with("EOrder:Invalid order")
        )
        await story.until(lambda: case.phase == "exiting")
        await story.until(lambda: story.stands("EXIT_STUCK"), within_s=5)
        for _ in range(30):
            await story.wait(1)
            assert (case.phase, story.stands("EXIT_STUCK")) == ("exiting", [case.signal_id])
        assert sum(order.leaves_qty for order in case.resting("stop")) == d("0.02")
        assert [row for row in story.truth.requests if row[2] == "cancel_order"][1:] == []
        story.world.exchange.faults = ScriptedFaults()
        report = await story.engine.close(signal_id=case.signal_id)
        assert report.flat
        await story.wait(15)
        assert story.stands("EXIT_STUCK") == []
    assert case.outcome == "flattened"


async def test_close_refused_for_good_is_told_beside_the_bare_quantity(open_story, autojump_clock):
    """The stop has gone and the market close is refused: the alarms say what stands bare, and what does not go."""
    async with open_story() as story:
        case = await entered(story, "buy", take_profit=None, exit_after_s=5)
        story.world.exchange.faults = ScriptedFaults().during("add_order", 0, 300, refuse_with("EOrder:Invalid price"))
        await story.until(lambda: story.stands("EXIT_STUCK") and story.stands("NAKED"), within_s=12)
        await story.wait(30)
        assert story.stands("EXIT_STUCK") == story.stands("NAKED") == [case.signal_id]
        story.world.exchange.faults = ScriptedFaults()
        assert (await story.engine.close(signal_id=case.signal_id)).flat
    assert case.outcome == "flattened"


async def test_shrink_that_waits_for_room_goes_for_what_is_held_by_then(open_story, autojump_clock):
    """Mixed 40173: the counter is full while the resting target trades on. What waits goes once, for what is left."""
    async with open_story(sim=SimSettings(tier="starter"), tier="starter") as story:
        story.may_exceed = True  # by design: each exit alone is within the position
        story.market(ask="51010")
        case = await story.bought("0.02", exits="both-rest")
        await story.until(lambda: case.resting("target"))
        core = story.world.exchange._venue.core
        core.rates.charge("client", BTC, core.clock.now_ns(), d("62"))
        for left in ("0.015", "0.01"):
            story.bid("51000", "0.005")
            await story.until(lambda left=left: case.targets()[0].leaves_qty == d(left))
        assert [stop.order_qty for stop in case.resting("stop")] == [d("0.02")]
        await story.until(lambda: case.covered("0.01"), within_s=60)
        assert asked_of_stops(story) == ["new 0.02", "amend 0.01"]
        story.bid("51000", "0.01")
        await story.ended(case)
    assert case.outcome == "target"


def asked_of_stops(story: Story) -> list[str]:
    """The requests for stops that place or change one, with their quantities, in the order in which they went."""
    names = {row.cl_ord_id for row in story.journal.rows(kind="intent") if row.decode(Intent).role == "stop"}
    rows = [row for row in story.journal.rows(kind="request") if row.cl_ord_id in names]
    asked = [row.decode(Requested).request for row in rows]
    return [f"{kind_of(one)} {trimmed(one.order_qty)}" for one in asked if not isinstance(one, CancelOrder)]
