"""Killed at moments spread over whole lives: no order twice, none lost, fills equal, all ended flat or covered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.scenarios.honesty import come
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story, d

Tale = Callable[[Story], Awaitable[None]]


async def bought_in_parts_and_sold_in_two(story: Story) -> None:
    """Three fills, three covers, a target that takes a part first."""
    await story.wait(0.5)
    for part in ("0.005", "0.010", "0.005"):
        story.ask("50000", part)
        await story.wait(0.7)
    story.house.clear("BTC/USD")
    story.ask("51100", "5")
    story.bid("51000", "0.012")
    await story.wait(1)
    story.bid("51001", "1")


async def stopped_out(story: Story) -> None:
    """Filled at once, then the price falls through the stop into a thin market."""
    await story.wait(0.4)
    story.ask("50000", "0.02")
    await story.wait(1.5)
    story.house.clear("BTC/USD")
    story.bid("48990", "0.007")
    story.bid("48980", "1")
    story.ask("49010", "1")
    story.print("48990")


async def taken_back_half_filled(story: Story) -> None:
    """Half fills, the user takes the rest back, the target is reached."""
    await story.wait(0.4)
    story.ask("50000", "0.01")
    await story.wait(0.6)
    if story.world.lives == 1:
        story.engine.cancel(story.cases[0].signal_id)
    await story.wait(1.5)
    story.market("51000", "51010")


MOMENTS: list[tuple[Tale, float]] = [
    (tale, round(first + number * step, 4))
    for tale, spans in (
        (bought_in_parts_and_sold_in_two, ((0.002, 0.006, 6), (0.502, 0.03, 8), (2.602, 0.012, 6))),
        (stopped_out, ((0.402, 0.012, 8), (1.902, 0.008, 10))),
        (taken_back_half_filled, ((0.402, 0.025, 8), (1.002, 0.008, 6), (2.502, 0.008, 8))),
    )
    for first, step, count in spans
    for number in range(count)
]


@pytest.mark.parametrize(("tale", "at_s"), MOMENTS, ids=lambda value: getattr(value, "__name__", value))
async def test_killed_at_any_moment(open_story, autojump_clock, tale, at_s):
    """The story goes on while the engine is dead for half a second; the next one takes everything on."""
    power_loss = round(at_s * 1000) % 4 == 0
    async with open_story() as story, trio.open_nursery() as nursery:
        story.market()
        case = await story.submit(qty="0.02")
        nursery.start_soon(tale, story)
        await story.wait(at_s)
        kill(story, power_loss=power_loss)
        await story.wait(0.5)
        await story.boot()
        await story.wait(4)
        if case.resting("entry"):
            story.engine.cancel(case.signal_id)
            await story.wait(0.5)
        story.market("51000", "51010")
        await come(story, lambda: case.outcome, within_s=150)
    assert story.truth.balances()["BTC"] == d("2")
    assert len(case.sent("entry")) <= 1
