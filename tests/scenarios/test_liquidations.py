"""Stories of liquidations that come together, or that nothing proves to be anybody's."""

from __future__ import annotations

from engine.runtime.liquidations import OWNER_BOUND_S, SEARCH_EVERY_S
from engine.runtime.settings import EngineSettings
from tests.scenarios.margin_story import SETTLED_S, by_hand, lending, lent, never_opened
from tests.scenarios.story import BTC, d
from tests.scenarios.wire_tap import WireTap


async def test_two_liquidations_of_one_position_in_one_silence_are_its_own(open_story, autojump_clock):
    """Neither alone is what the bracket lacks; both together are, and the other bracket lacks nothing."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        first = await lent(story)
        story.market()
        second = await story.bought("0.01", leverage="5")
        await story.wait(SETTLED_S)
        story.connection("executions").reset()
        story.house.liquidate(BTC, d("0.008"))
        story.house.liquidate(BTC, d("0.003"))
        await story.until(lambda: first.covered("0.009"), within_s=120)
        assert second.covered("0.01")
        await story.wait(SETTLED_S)
        assert story.engine.money.positions().mismatch == {}
        never_opened(story)


async def test_liquidation_that_nothing_proves_leaves_the_counter_of_calls_to_others(open_story, autojump_clock):
    """A person has closed a part as well: whose the rest was is asked for a minute, then once by each search."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        await story.wait(SETTLED_S)
        story.connection("executions").reset()
        by_hand(story, "sell", "0.005")
        story.house.liquidate(BTC, d("0.008"))
        await story.wait(OWNER_BOUND_S + SETTLED_S)
        assert (await story.submit(leverage="5")).submitted.code == "LIQUIDATED"
        tap = WireTap(story.world)
        await story.wait(5 * SEARCH_EVERY_S)
        searches, looks = tap.calls("TradesHistory"), 5 * SEARCH_EVERY_S / EngineSettings().margin.poll_s
        assert 4 <= searches <= 5
        assert tap.calls("OpenPositions") <= looks + 2 * searches
        assert case.covered("0.02")
        never_opened(story)


async def test_of_two_like_liquidations_one_of_a_persons_position_neither_is_guessed(open_story, autojump_clock):
    """Either could be the bracket's, which lacks as much as one of them: a person must look."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        story.market()
        by_hand(story, "buy", "0.02")
        await story.wait(SETTLED_S)
        case = await lent(story)
        await story.wait(SETTLED_S)
        story.connection("executions").reset()
        story.house.liquidate(BTC, d("0.008"))
        by_hand(story, "sell", "0.012")
        story.house.liquidate(BTC, d("0.008"))
        await story.wait(OWNER_BOUND_S + SETTLED_S)
        assert case.covered("0.02")
        assert (await story.submit(leverage="5")).submitted.code == "LIQUIDATED"
        never_opened(story)
