"""Stories of the engine's end: entries go, protection stays, and what was under way is finished first."""

from __future__ import annotations

import trio

from engine.runtime.settings import EngineSettings
from tests.scenarios.story import d


async def test_shutdown_cancels_entries_and_leaves_stops_resting(open_story, autojump_clock):
    """Leaving the engine takes every open entry back and leaves every stop where it is."""
    async with open_story() as story:
        story.market()
        covered = await story.bought("0.02")
        waiting = await story.submit(limit="49980")
        half = await story.submit(qty="0.04")
        await story.until(lambda: half.resting("entry") and waiting.resting("entry"))
        story.ask("50000", "0.01")
        await story.until(lambda: half.covered("0.01"))
    assert [o.status for o in (*waiting.sent("entry"), *half.sent("entry"))] == ["canceled", "canceled"]
    assert [o.leaves_qty for o in (*covered.resting(), *half.resting())] == [d("0.02"), d("0.01")]
    assert waiting.outcome == "abandoned"
    assert covered.closed is half.closed is None


async def test_shutdown_covers_what_has_just_filled(open_story, autojump_clock):
    """A fill that is not covered yet when the engine is left gets its stop first."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
    assert [o.leaves_qty for o in case.resting()] == [d("0.01")]


async def test_shutdown_in_the_middle_of_a_swap_ends_the_swap(open_story, autojump_clock):
    """Left between stop and target, the engine finishes: sold, or under a stop again."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.until(lambda: case.targets() or case.phase == "exiting")
    assert case.outcome == "target" or [o.leaves_qty for o in case.resting("stop")] == [d("0.02")]


async def test_shutdown_of_a_cancelled_program_reaches_the_wire(open_story, autojump_clock):
    """Everything around the engine is cancelled: its entries are still taken back, its stops still rest."""
    async with open_story() as story:
        story.market()
        covered = await story.bought("0.02")
        waiting = await story.submit(limit="49980")
        await story.until(lambda: waiting.resting("entry"))
        with trio.CancelScope() as program:
            program.cancel()
            await story.world.stop()
        await story.world.stop()
    assert [o.status for o in waiting.sent("entry")] == ["canceled"]
    assert [o.leaves_qty for o in covered.resting()] == [d("0.02")]


async def test_shutdown_is_bounded_when_the_venue_is_gone(open_story, autojump_clock):
    """Nobody answers any more: the engine gives up after its bound and its end is still in order."""
    settings = EngineSettings(shutdown_bound_s=5)
    async with open_story(settings=settings) as story:
        story.leaves_entries = True
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        story.world.wire.refuse(3600)
        for connection in story.world.wire.connections:
            connection.stall(3600)
        began_s = trio.current_time()
        await story.world.stop()
        assert trio.current_time() - began_s < 5 + 30 + 1  # its own bound, and what a sender may still wait for
    assert case.closed is None


async def test_signals_are_denied_while_the_engine_ends(open_story, autojump_clock):
    """A signal that comes during the shutdown is denied with a code, not lost."""
    async with open_story(latency_s=0.2) as story:
        story.market()
        await story.until(lambda: True)
        waiting = await story.submit(limit="49980")
        await story.until(lambda: waiting.resting("entry"))
        late = []

        async def submit_late() -> None:
            await trio.sleep(0.05)
            late.append(await story.submit())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(story.world.stop)
            nursery.start_soon(submit_late)
    assert [case.submitted.code for case in late] == ["ENGINE_CLOSING"]
