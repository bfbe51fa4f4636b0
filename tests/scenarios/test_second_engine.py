"""Stories of a second engine on the first one's journal."""

from __future__ import annotations

import pytest

from engine.errors import JournalBusy
from engine.journal.opening import seeded_journal
from tests.scenarios.story import d


async def test_second_engine_takes_the_detached_bracket_on(open_story, autojump_clock):
    """A bracket that was left covered goes on where it stood, and reaches its target under the next engine."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        await story.world.stop()
        await story.boot()
        await story.until(lambda: case.covered("0.02"))
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"
    assert len(case.sent("entry")) == len(case.sent("stop")) == 1


async def test_stop_that_fired_between_two_engines_is_found(open_story, autojump_clock):
    """The stop did its work while nobody watched: the next engine reads it and ends the bracket."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        await story.world.stop()
        story.market("48990", "49010")
        story.print("48990")
        await story.wait(3600)
        await story.boot()
        await story.ended(case)
    assert case.outcome == "stop"
    assert story.truth.balances()["BTC"] == d("2")


async def test_journal_of_a_running_engine_is_busy(open_story, autojump_clock):
    """Two engines never write one journal: the second opener is refused by name."""
    async with open_story() as story:
        with pytest.raises(JournalBusy, match="journal"):
            seeded_journal(story.world.disk, story.world.journal.identity, story.world.clock)
