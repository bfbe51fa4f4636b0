"""The venue counts on while nobody runs: the next engine begins with what the journal says it may have counted."""

from __future__ import annotations

from engine.sim import SimSettings
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, Story

STARTER = SimSettings(tier="starter")


def venues_count(story: Story) -> float:
    """Points of ours that stand in the exchange's own counter."""
    core = story.world.exchange._venue.core
    return float(core.rates.level("client", BTC, core.clock.now_ns()))


def own_count(story: Story) -> float | None:
    """What the engine takes them for; None where it knows nothing."""
    return next((row.level for row in story.engine.services.link.headroom() if row.symbol == BTC), None)


async def fill_the_counter(story: Story, entries: int) -> None:
    """Place entries far from the market and take them back at once: nine points each."""
    cases = [await story.submit(limit="40000", stop="39000", qty="0.001") for _ in range(entries)]
    await story.until(lambda: all(case.entry_is("open") for case in cases))
    for case in cases:
        story.engine.cancel(case.signal_id)
    await story.ended(*cases)


async def test_engine_that_comes_up_knows_how_full_the_counter_is(open_story, autojump_clock):
    """Forty-five points were spent a moment before the end: no frame has told the next engine, and it knows."""
    async with open_story(sim=STARTER, tier="starter") as story:
        story.market()
        await fill_the_counter(story, 5)
        kill(story)
        await story.wait(3)
        await story.boot()
        own, venues = own_count(story), venues_count(story)
        assert venues > 35
        assert own is not None
        assert venues <= own < venues + 1.1  # a second, which REST does not tell


async def test_counter_is_empty_for_an_engine_that_comes_up_later(open_story, autojump_clock):
    """What has run down blocks nobody: a minute and a half later nothing is left of it."""
    async with open_story(sim=STARTER, tier="starter") as story:
        story.market()
        await fill_the_counter(story, 5)
        kill(story)
        await story.wait(90)
        await story.boot()
        assert own_count(story) is None
        assert venues_count(story) == 0


async def test_clock_set_back_between_two_engines_does_not_fill_the_counter(open_story, autojump_clock):
    """Our clock stands an hour behind when the next engine starts: the venue's clock tells how long it was."""
    async with open_story(sim=STARTER, tier="starter", clock_skew_bound_s=7200) as story:
        story.market()
        await fill_the_counter(story, 5)
        kill(story)
        story.world.clock.skew_ns -= 3_600_000_000_000
        await story.wait(20)
        await story.boot()
        own = own_count(story)
        assert own is not None
        assert venues_count(story) - 0.1 <= own < venues_count(story) + 3


async def test_close_after_a_restart_leaves_nothing_bare_behind_a_full_counter(open_story, autojump_clock):
    """Mixed 701088: a close of everything takes away only as many young stops as leave it room.

    The engine before had filled most of the smallest tier's counter. The next one, which took it for empty, filled it
    beyond its bound by one batch of cancels, and what they had covered stood bare for 25 s while it ran down.
    """
    async with open_story(sim=STARTER, tier="starter") as story:
        story.market()
        cases = [await story.bought("0.001", target=None) for _ in range(8)]
        await fill_the_counter(story, 3)
        kill(story)
        await story.boot()
        await story.engine.close(BTC)
        await story.ended(*cases)
    assert max(case.longest_bare_s() for case in cases) < 2
