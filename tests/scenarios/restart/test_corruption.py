"""A journal broken in its middle: kept, and its sound beginning goes on halted; exits and cancels pass."""

from __future__ import annotations

import pytest

from engine.journal.salvage import CORRUPTION, Corruption
from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import damage, judge_by_truth, kill, open_cut_story
from tests.scenarios.story import Story, d


async def _halted(story: Story) -> str:
    story.market("2990", "3010", symbol="ETH/USD")
    denied = await story.submit(symbol="ETH/USD", limit="3000", stop="2900", target="3100")
    assert denied.submitted.code == "TRADING_HALTED"
    return denied.submitted.reason


@pytest.mark.parametrize("row", [2, 3, 5, 7, 9, 11, 13, 15])
async def test_damage_in_the_middle_halts_entries_and_protects(seed, autojump_clock, row):
    """What the sound rows and the venue tell is protected; nothing new begins until somebody says so."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        kill(story)
        damaged = damage(story, row)
        await story.boot()
        (news,) = story.journal.rows(kind=CORRUPTION)
        kept = news.decode(Corruption)
        assert (kept.row, news.seq) == (row, row)
        assert bytes(story.world.disk.content(kept.kept_as).durable) == damaged
        await story.wait(30)
        reason = await _halted(story)
        assert kept.kept_as in reason
        assert "engine resume --reason" in reason
        assert story.truth.balances()["BTC"] == d("2.02")
        if row > 2:  # else not even the signal is known: its stop stays, as that of any forgotten bracket
            judge_by_truth(story)
            story.market("51000", "51010")
            await story.ended(case, within_s=60)
            assert story.truth.balances()["BTC"] == d("2")


async def test_halt_for_damage_outlives_restarts_until_it_is_released(seed, autojump_clock):
    """Killed, stopped in order, started again: halted; one word ends it, for good."""
    async with open_cut_story(seed) as story:
        story.market()
        case = await story.bought("0.02")
        kill(story, power_loss=True)
        damage(story, 12)
        await story.boot()
        await _halted(story)
        kill(story)
        await story.boot()
        await _halted(story)
        await story.world.stop()
        await story.boot()
        await _halted(story)
        assert len(list(story.journal.rows(kind="trading"))) == 1
        story.engine.services.trading.resume("looked at it")
        await story.world.stop()
        await story.boot()
        story.market()
        more = await story.submit()
        assert more.submitted.status == "accepted"
        await come(story, lambda: more.resting("entry"), within_s=10)
        story.engine.cancel(more.signal_id)
        story.market("51000", "51010")
        await come(story, lambda: case.outcome and more.outcome, within_s=60)
        assert story.truth.balances()["BTC"] == d("2")


async def test_killed_before_the_halt_was_written_halts_all_the_same(seed, autojump_clock):
    """The row that tells of the damage is enough: every start that finds it without a halt behind it halts."""
    async with open_cut_story(seed) as story:
        story.market()
        await story.bought("0.02")
        kill(story)
        damage(story, 12)
        story.world._nursery.start_soon(story.world.boot)
        await story.wait(0.005)
        story.world.kill(power_loss=True)
        await story.boot()
        await _halted(story)
        assert len(list(story.journal.rows(kind=CORRUPTION))) == 1
