"""Where a tier's counters cannot hold ten seconds, the engine says at its start how long protection may take."""

from __future__ import annotations

import structlog

from engine.sim import SimSettings
from tests.scenarios.restart.lives import back, kill, to_the_end
from tests.scenarios.story import d


async def test_starter_says_how_long_protection_may_take(open_story, autojump_clock):
    """Killed with a covered bracket and a resting entry that may fill: the entry counts, in words and in status."""
    async with open_story(sim=SimSettings(tier="starter"), tier="starter") as story:
        story.market()
        case = await story.bought("0.02")
        waiting = await story.submit(limit="49980")
        await story.until(lambda: waiting.entry_is("open"))
        now = story.engine.restart_bound()
        assert (now.tier, now.brackets, now.seconds) == ("starter", 1, 12.1)
        kill(story)
        with structlog.testing.capture_logs() as told:
            await back(story, case)
        (said,) = [line["text"] for line in told if line["event"] == "protection.bound"]
        assert said == "tier starter: protection of 1 bracket may take up to 12.1 s after a restart"
        story.engine.cancel(waiting.signal_id)
        await story.ended(waiting)
        assert story.engine.restart_bound().brackets == 0
        await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")


async def test_intermediate_with_one_bracket_says_nothing(open_story, autojump_clock):
    """Ten seconds hold: no word of it."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        kill(story)
        with structlog.testing.capture_logs() as told:
            await back(story, case)
        assert "protection.bound" not in [line["event"] for line in told]
        await to_the_end(story, case)
