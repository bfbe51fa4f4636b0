"""Stories of the end by flatten: everything closed before the engine goes, bounded, and broken off when asked."""

from __future__ import annotations

import pytest
import trio

from engine.errors import VenueUnavailable
from engine.runtime.close_report import CLOSED_ROW, CloseReport
from engine.runtime.settings import EngineSettings
from tests.scenarios.story import BTC, Story, d

FLATTEN = EngineSettings(on_stop="flatten")


def last_report(story: Story) -> CloseReport:
    """The newest close's report."""
    return [row.decode(CloseReport) for row in story.journal.rows(kind=CLOSED_ROW)][-1]


async def test_flatten_sells_everything_before_the_end(open_story, autojump_clock):
    """What is held is sold, what rests is canceled, and the report says so."""
    async with open_story(settings=FLATTEN) as story:
        story.market()
        held = await story.bought(limit="49995", target=None)
        waiting = await story.submit(limit="49980")
        await story.until(lambda: bool(waiting.resting("entry")))
        await story.world.stop()
    report = last_report(story)
    assert (report.flat, report.reason) == (True, "shutdown")
    assert (held.outcome, waiting.outcome) == ("flattened", "abandoned")


async def test_signals_are_denied_while_the_engine_flattens(open_story, autojump_clock):
    """The end has begun: nothing new is taken in."""
    async with open_story(settings=FLATTEN, latency_s=0.2) as story:
        story.market()
        await story.bought(target=None)
        codes: list[str] = []

        async def submit_late() -> None:
            await trio.sleep(0.1)
            codes.append((await story.submit()).submitted.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(story.world.stop)
            nursery.start_soon(submit_late)
    assert codes == ["ENGINE_CLOSING"]


async def test_flatten_is_bounded_when_the_venue_says_nothing(open_story, autojump_clock):
    """Half open: both streams and REST stand and are silent. It ends within its own bound and the close's."""
    settings = EngineSettings(on_stop="flatten", close_bound_s=20)
    async with open_story(settings=settings) as story:
        story.leaves_entries = True
        story.market()
        case = await story.bought(target=None)
        story.world.wire.refuse(3600)
        for connection in story.world.wire.connections:
            connection.stall(3600)
        began_s = trio.current_time()
        await story.world.stop()
        assert trio.current_time() - began_s <= 15 + 20
    assert not last_report(story).flat
    assert case.resting("stop")


async def test_flatten_broken_off_leaves_the_rest_under_its_stop(open_story, autojump_clock):
    """Detach in the middle: what is left is covered again, and no later start goes on selling."""
    async with open_story(settings=FLATTEN) as story:
        story.market()
        case = await story.bought("0.1", stop="40000", target=None)
        story.world.exchange.set_status("cancel_only", BTC)
        await story.wait(1)

        async def break_off() -> None:
            await trio.sleep(3)
            assert story.engine.detach()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(story.world.stop)
            nursery.start_soon(break_off)
        story.world.exchange.set_status("online", BTC)
        left = [o for o in story.truth.orders.values() if o.is_open and o.cl_ord_id]
        assert [(o.order_type, o.leaves_qty) for o in left] == [("stop-loss", d("0.1"))]
        story.world.settings = EngineSettings()
        await story.boot()
        await story.until(lambda: case.covered("0.1"))
        await story.wait(20)
        assert case.covered("0.1")
        assert [one.code for one in last_report(story).not_flat][-1] == "ABANDONED"


async def test_detach_before_the_end_keeps_the_flatten_from_beginning(open_story, autojump_clock):
    """Said early, nothing is sold at the end."""
    async with open_story(settings=FLATTEN) as story:
        story.market()
        case = await story.bought(target=None)
        assert not story.engine.detach()
        await story.world.stop()
    assert [o.leaves_qty for o in case.resting("stop")] == [d("0.02")]


async def test_close_asked_of_an_engine_that_has_ended_says_so(open_story, autojump_clock):
    """Squall 72: its brackets are over: it writes no row, and starts no task that nobody runs."""
    async with open_story() as story:
        story.market()
        await story.bought(target=None)
        await story.world.stop()
        with pytest.raises(VenueUnavailable, match="the engine has ended: ask the next one"):
            await story.engine.close(everything=True)
