"""Stories of those who listen: every report once, in journal order, however late or slow they are."""

from __future__ import annotations

import trio

from engine.orders.events import ExecutionReport
from engine.runtime.bus import Lagged
from engine.runtime.settings import EngineSettings


async def test_reports_after_an_offset_come_once_each(open_story, autojump_clock):
    """Who resumes in the middle of a bracket gets the rest of it, nothing twice and nothing left out."""
    resumed: list[ExecutionReport] = []
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        offset = story.reports[2].offset

        async def resume() -> None:
            async for report in story.engine.reports(after=offset):
                resumed.append(report)  # noqa: PERF401 - the stream never ends

        async with trio.open_nursery() as nursery:
            nursery.start_soon(resume)
            story.market("51000", "51010")
            await story.ended(case)
            await story.wait(1)
            nursery.cancel_scope.cancel()
    assert resumed == story.reports[3:]


async def test_reports_without_an_offset_begin_now(open_story, autojump_clock):
    """Who asks for no offset gets what comes, not what was."""
    heard: list[ExecutionReport] = []
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        before = len(story.reports)

        async def listen() -> None:
            async for report in story.engine.reports():
                heard.append(report)  # noqa: PERF401 - the stream never ends

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await story.wait(1)
            story.market("51000", "51010")
            await story.ended(case)
            await story.wait(1)
            nursery.cancel_scope.cancel()
    assert heard == story.reports[before:]


async def test_slow_reader_misses_nothing(open_story, autojump_clock):
    """A reader slower than the market falls behind its queue, is taken back to the journal and misses nothing."""
    read: list[ExecutionReport] = []
    async with open_story(settings=EngineSettings(subscriber_queue=3)) as story:

        async def read_slowly() -> None:
            async for report in story.engine.reports(after=0):
                read.append(report)
                await trio.sleep(0.7)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_slowly)
            story.market()
            case = await story.bought("0.02")
            story.market("51000", "51010")
            await story.ended(case)
            await story.wait(60)
            nursery.cancel_scope.cancel()
    assert read == story.reports


async def test_lagging_subscriber_is_cut_off_with_the_offset_to_resume_from(open_story, autojump_clock):
    """A bare subscription that nobody reads ends with a marker; the journal has everything behind it."""
    async with open_story() as story:
        with story.engine.subscribe(capacity=2) as subscription:
            story.market()
            await story.bought("0.02")
            got = [item async for item in subscription]
        *reports, marker = got
        assert isinstance(marker, Lagged)
        assert reports == story.reports[:2]
        assert marker.offset == reports[-1].offset


async def test_callbacks_hear_every_report(open_story, autojump_clock):
    """A callback, plain or async, is called once for each report."""
    plain: list[ExecutionReport] = []
    waited: list[ExecutionReport] = []

    async def wait(report: ExecutionReport) -> None:
        await trio.sleep(0.001)
        waited.append(report)

    async with open_story() as story, trio.open_nursery() as nursery:
        nursery.start_soon(story.engine.call_on_report, plain.append)
        nursery.start_soon(story.engine.call_on_report, wait)
        story.market()
        await story.bought("0.02")
        await story.wait(1)
        nursery.cancel_scope.cancel()
    assert plain == waited == story.reports


async def test_report_whose_row_is_not_durable_yet_is_told_to_nobody_who_comes(open_story, autojump_clock):
    """Squall 910009: a reader that began in the midst of a start was told of rows that a loss of power would take."""
    early: list[int] = []
    told: set[int] = set()
    async with open_story() as story, trio.open_nursery() as nursery:

        async def begin() -> None:
            async for report in story.engine.reports(after=0):
                told.add(report.offset)
                if report.offset > story.engine.journal.durable:
                    early.append(report.offset)

        story.engine.journal.taps.append(lambda *_: nursery.start_soon(begin))
        story.market()
        for _ in range(12):
            nursery.start_soon(story.hand_in, story.signal(limit=None))
        await story.until(lambda: len(story.cases) == 12 and all(case.covered("0.02") for case in story.cases))
        story.engine.journal.taps.pop()
        nursery.cancel_scope.cancel()
    assert not early
    assert told == {report.offset for report in story.reports}
