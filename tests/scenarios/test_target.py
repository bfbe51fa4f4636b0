"""Stories of the target: watched by the engine, swapped in for the stop, the stop back for whatever is left."""

from __future__ import annotations

import pytest

from engine.orders.reports import Answer, Outcome
from engine.sim import ScriptedFaults, SimSettings, lose_answer, lose_request, refuse_with
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, Story, d

SWAP_BOUND_S = 2.0
WAY_S = 0.3
"""Room for the way to the exchange and back on the default wire."""


async def test_target_path_ends_flat_with_the_profit(open_story, autojump_clock):
    """A touched target takes the stop's place, sells everything, and nothing rests any more."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"
    assert case.walk() == ["covering", "covered", "exiting", "flat"]
    (target,) = case.sent("target")
    assert (target.cum_qty, target.avg_price, target.time_in_force) == (d("0.02"), d("51000"), "ioc")
    assert story.truth.balances()["BTC"] == d("2")
    assert case.longest_bare_s() < WAY_S


async def test_touch_by_a_single_print_without_a_bid_does_nothing(open_story, autojump_clock):
    """A last price at the target is nobody who buys: stop and position stay."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.print("51000", "5")
        await story.wait(10)
        assert case.covered("0.02")
        assert case.targets() == []


async def test_target_touched_for_a_part_sells_that_part(open_story, autojump_clock):
    """Only what the bid shows leaves the stop's protection; the rest stays under it, then follows."""
    async with open_story() as story:
        story.market(ask="51010")
        case = await story.bought("0.02")
        story.bid("51000", "0.012")
        await story.until(lambda: case.targets() and case.covered("0.008"))
        assert sum(t.cum_qty for t in case.sent("target")) == d("0.012")
        await story.wait(10)
        story.bid("51000", "1")
        await story.ended(case)
    assert case.outcome == "target"
    assert case.longest_bare_s() < WAY_S


async def test_target_half_filled_gets_its_stop_back_for_the_rest(open_story, autojump_clock):
    """Half of the bid is gone when the target arrives: the other half is under a stop again within the bound."""
    async with open_story(latency_s=0.1) as story:
        story.market(ask="51010")
        case = await story.bought("0.02")
        bid = story.bid("51000", "0.02")
        await story.until(lambda: case.targets())
        story.house.cancel(bid)
        story.bid("51000", "0.01")
        await story.until(lambda: case.covered("0.01"), within_s=SWAP_BOUND_S)
    (target,) = case.sent("target")
    assert (target.status, target.cum_qty) == ("canceled", d("0.01"))
    assert case.longest_bare_s() < SWAP_BOUND_S


async def test_refused_target_gets_its_stop_back(open_story, autojump_clock):
    """The venue refuses the target: the stop rests again at once, and the same command is not repeated."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 3, refuse_with("EOrder:Invalid price"))
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.until(lambda: case.targets() and case.covered("0.02"), within_s=SWAP_BOUND_S)
        await story.wait(60)
        assert case.covered("0.02")
    assert [t.states()[-2] for t in case.targets()] == ["rejected"]
    assert case.longest_bare_s() < WAY_S


async def test_price_that_turns_during_the_swap_finds_the_stop_back(open_story, autojump_clock):
    """The bid is gone when the target arrives: nothing sells, the stop rests again within the bound."""
    async with open_story(latency_s=0.1) as story:
        story.market(ask="51010")
        case = await story.bought("0.02")
        bid = story.bid("51000", "0.02")
        await story.until(lambda: case.targets())
        story.house.cancel(bid)
        await story.until(lambda: case.covered("0.02"), within_s=SWAP_BOUND_S)
        assert [t.cum_qty for t in case.sent("target")] == [0]
        await story.wait(10)
        story.bid("51000", "1")
        await story.ended(case)
    assert case.outcome == "target"
    assert case.longest_bare_s() < SWAP_BOUND_S


async def test_bid_gone_before_the_stop_left_finds_the_stop_back(open_story, autojump_clock):
    """The bid goes while the stop is being canceled: the stop rests again, with or without a target sent in vain."""
    async with open_story(latency_s=0.1) as story:
        story.market(ask="51010")
        case = await story.bought("0.02")
        bid = story.bid("51000", "0.02")
        await story.until(lambda: case.stops()[0].state == "pending_cancel")
        story.house.cancel(bid)
        await story.until(lambda: len(case.stops()) == 2 and case.covered("0.02"), within_s=SWAP_BOUND_S)
    assert [t.cum_qty for t in case.sent("target")] in ([], [0])
    assert case.longest_bare_s() < SWAP_BOUND_S


@pytest.mark.parametrize("killed", [False, True])
async def test_cancel_of_a_stop_that_finds_no_room_is_withdrawn_with_its_swap(open_story, autojump_clock, killed):
    """Calm 400017: the counter is full, the swap is given up, the stop stays; once there is room the target sells."""
    async with open_story(sim=SimSettings(tier="starter"), tier="starter") as story:
        story.market(ask="51010")
        case = await story.bought("0.02")
        core = story.world.exchange._venue.core
        core.rates.charge("client", BTC, core.clock.now_ns(), d("70"))
        await story.wait(1)
        story.bid("51000", "0.02")
        await story.until(lambda: unsent(story) == ["WITHDRAWN"], within_s=SWAP_BOUND_S + 1)
        assert [stop.state for stop in case.stops()] == ["open"]
        if killed:
            kill(story)
            await story.boot()
            assert [stop.state for stop in case.stops()] == ["open"]
        await story.ended(case, within_s=120)
    assert case.outcome == "target"
    assert len(case.sent("stop")) == 1
    assert case.longest_bare_s() < WAY_S


def unsent(story: Story) -> list[str]:
    """Why requests were not sent."""
    answers = (row.decode(Answer) for row in story.journal.rows(kind="answer"))
    return [answer.code for answer in answers if answer.outcome is Outcome.NOT_SENT]


async def test_price_through_the_stop_during_the_swap_is_closed_at_market(open_story, autojump_clock):
    """The market falls below the stop while the target is out: what is left is sold at market."""
    async with open_story(latency_s=0.1) as story:
        story.market(ask="51010")
        case = await story.bought("0.02")
        story.bid("51000", "0.02")
        await story.until(lambda: case.targets())
        story.market("48500", "48510")
        story.print("48500")
        await story.ended(case)
    assert case.outcome in ("stop", "flattened")
    assert [c.cum_qty for c in case.sent("close")] == [d("0.02")]
    assert case.longest_bare_s() < SWAP_BOUND_S


@pytest.mark.parametrize("fate", [lose_request, lose_answer])
async def test_unanswered_target_gets_its_stop_back_within_the_bound(open_story, autojump_clock, fate):
    """No answer to the target: sold or not, the bracket is never bare for longer than the swap's bound."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 3, fate())
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.until(lambda: case.outcome == "target" or (case.targets() and case.covered("0.02")))
        await story.wait(60)
    assert case.longest_bare_s() < SWAP_BOUND_S + WAY_S
    assert fate is not lose_answer or case.outcome == "target"


async def test_target_without_a_stop_is_still_watched(open_story, autojump_clock):
    """A signal that asks for no stop sells at its target."""
    async with open_story() as story:
        story.market()
        case = await story.submit(stop=None)
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.02")
        await story.until(lambda: case.entry_is("settled"))
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"
    assert case.sent("stop") == []


async def test_touched_target_takes_the_entrys_rest_back_first(open_story, autojump_clock):
    """A target touched while the entry still works ends the entry; what it had filled is sold."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.01"))
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"
    assert case.sent("entry")[0].status == "canceled"
    assert story.truth.balances()["BTC"] == d("2")
