"""Stories of a person who sells the coins that a bracket protects: it says so and lets go, whatever its exits."""

from __future__ import annotations

import pytest

from engine.sim import SimSettings
from tests.scenarios.restart.lives import at_market
from tests.scenarios.story import d
from tests.scenarios.test_contingents import entered, move

EXITS = pytest.mark.parametrize("exits", ["stop-rests", "both-rest", "conditional-close"])
ONLY_CASH = {"client": {"USD": d("100000")}}


@EXITS
async def test_person_takes_the_stop_away_and_sells_the_coins(open_story, autojump_clock, exits):
    """The stop cannot come back for want of coins: one alarm, nothing of ours is left, no endless tries."""
    async with open_story(sim=SimSettings(accounts=ONLY_CASH)) as story:
        story.may_exceed = True  # nothing is held any more by the venue's books
        case = await entered(story, "buy", exits=exits)
        await story.wait(3)
        for order in case.resting():
            story.house.cancel_client(order.order_id)
        at_market(story, "sell", "0.02")
        await story.ended(case, within_s=60)
        requests = len(story.truth.requests)
        await story.wait(60)
        assert len(story.truth.requests) == requests
    assert case.outcome == "taken_over"
    assert case.alarms()[-1] == "TAKEN_OVER"
    assert case.resting() == []


@EXITS
async def test_person_sells_the_coins_under_stops_that_hold_none(open_story, autojump_clock, exits):
    """Where stops hold nothing the coins can go first: the stop that fires then finds none, and that is told."""
    sim = SimSettings(accounts=ONLY_CASH, untriggered_stops_hold_funds=False)
    async with open_story(sim=sim) as story:
        story.may_exceed = True
        case = await entered(story, "buy", exits=exits)
        await story.wait(3)
        for order in case.resting("target"):
            story.house.cancel_client(order.order_id)
        at_market(story, "sell", "0.02")
        await story.wait(5)
        move(story, "buy", -1500)
        await story.ended(case, within_s=60)
    assert case.outcome == "taken_over"
    assert case.resting() == []
