"""Stories of a private stream that breaks in a busy hour, or dies without a word."""

from __future__ import annotations

import pytest
import trio

from engine.sim import ScriptedFaults, SimSettings, http_error
from tests.scenarios.story import BTC, d

PACE_S = 0.02


@pytest.mark.parametrize("tier", ["intermediate", "starter"])
async def test_gap_and_kick_while_fifty_fills_a_second_run(open_story, autojump_clock, tier):
    """One frame lost, then a kick: the stream is complete again in less than five seconds each time, and 900 fills
    are reported once each, in the order they were made."""
    async with open_story(sim=SimSettings(tier=tier, rest_history_cost=4), tier=tier) as story:
        story.market()
        case = await story.submit(qty="1", stop=None, target=None)
        await story.until(lambda: case.entry_is("open"))
        up = story.engine.services.stream_up

        async def fills():
            for _ in range(900):
                assert story.house.take(BTC, "sell", d("0.001")) == d("0.001")
                await trio.sleep(PACE_S)

        async def breaks():
            for fault in ("gap", "kick"):
                await story.wait(4)
                if fault == "gap":
                    story.world.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
                else:
                    story.world.exchange.kick(private=True)
                await story.until(lambda: not up(), within_s=1)
                await story.until(up, within_s=5)

        story.house.clear(BTC)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fills)
            nursery.start_soon(breaks)
        await story.wait(2)
        assert up()
        told = [report.exec_id for report in story.of(case, "trade", "entry")]
    assert told == [trade.exec_id for trade in story.truth.trades]
    assert len(told) == 900


async def test_poll_takes_over_from_a_private_stream_that_died_silently(open_story, autojump_clock):
    """Half-open and not to be replaced: noticed within the heartbeat bound, the fill read by REST two seconds later."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        await story.wait(8)  # heartbeats have come: only then does silence count; and REST was asked once
        story.world.exchange.faults = ScriptedFaults().always("connect", http_error(503))
        story.connection("executions").stall(3600)
        await story.wait(0.1)
        story.ask("50000", "0.02")
        await story.until(lambda: not story.engine.services.stream_up(), within_s=10 + 1.1)
        await story.until(lambda: bool(story.of(case, "trade", "entry")), within_s=2 + 0.2)
        await story.until(lambda: case.covered("0.02"), within_s=1)
        story.world.exchange.faults = ScriptedFaults()
        await story.until(story.engine.services.stream_up, within_s=120)
    assert len(story.of(case, "trade", "entry")) == 1


async def test_half_open_private_stream_that_can_be_replaced_is_back_with_every_fill(open_story, autojump_clock):
    """Fills made while nobody noticed come with the next snapshot, once each and covered."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        await story.wait(3)
        story.connection("executions").stall(3600)
        await story.wait(0.1)
        for _ in range(4):
            story.ask("50000", "0.005")
            await story.wait(1)
        await story.until(lambda: not story.engine.services.stream_up(), within_s=10 + 1.1)
        await story.until(story.engine.services.stream_up, within_s=5)
        await story.until(lambda: case.covered("0.02"), within_s=1)
    assert len(story.of(case, "trade", "entry")) == 4
