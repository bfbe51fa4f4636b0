"""Stories of a bracket's rarer ways: what becomes of it while nothing covers what it holds."""

from __future__ import annotations

from engine.orders.bracket_events import Policy
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, SimSettings, refuse_with
from tests.scenarios.restart.lives import at_market
from tests.scenarios.story import d

ONLY_CASH = SimSettings(accounts={"client": {"USD": d("100000")}})


async def test_coins_sold_by_a_person_while_naked_are_let_go(open_story, autojump_clock):
    """No stop is taken for minutes and the policy is to tell: a person sells, and the bracket says so and ends."""
    policy = Policy(naked_action="alert")
    async with open_story(sim=ONLY_CASH, settings=EngineSettings(policy=policy)) as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.resting("entry"))
        story.world.exchange.faults = ScriptedFaults().during(
            "add_order", 0, 30, refuse_with("EOrder:Rate limit exceeded")
        )
        story.ask("50000", "0.02")
        await story.until(lambda: case.phase == "naked")
        assert case.alarms()[-1] == "NAKED"
        assert case.closes() == []
        await story.wait(10)
        assert case.phase == "naked"
        at_market(story, "sell", "0.02")
        await story.ended(case, within_s=60)
        requests = len(story.truth.requests)
        await story.wait(60)
        assert len(story.truth.requests) == requests
    assert (case.outcome, case.walk()[-2:]) == ("taken_over", ["naked", "taken_over"])
    assert case.alarms()[-1] == "TAKEN_OVER"
    assert case.sent("stop") == []
