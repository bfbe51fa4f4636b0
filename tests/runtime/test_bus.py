"""The bus: durable before published, in order, never slowed by a reader."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import pytest
import trio
import trio.testing

from engine.journal.journal import Journal
from engine.orders.events import ExecutionReport
from engine.runtime.bus import Bus, Lagged, call_each
from engine.values.money import Qty


def report(offset: int) -> ExecutionReport:
    """Any report with this offset."""
    none = Qty(Decimal(0))
    return ExecutionReport(
        offset, 0, "trade", "open", "s", "t", "c", None, "entry", "BTC/USD", "buy", "limit", none, none, none, none
    )


def post(bus: Bus, journal: Journal) -> int:
    """Append a row and post its report."""
    offset = journal.append("note", {}, ts_ns=0)
    bus.post(report(offset))
    return offset


async def test_reports_are_published_once_their_rows_are_durable(open_place, autojump_clock):
    """Nobody hears of a step that a crash could still undo."""
    async with open_place() as place, trio.open_nursery() as nursery:
        with closing(place.journal()) as journal:
            bus = Bus(journal, queue=10)
            with bus.subscribe() as subscription:
                first, second = post(bus, journal), post(bus, journal)
                assert journal.durable < first
                nursery.start_soon(bus.run)
                async for heard in subscription:
                    assert journal.durable >= heard.offset
                    if heard.offset == second:
                        break
            nursery.cancel_scope.cancel()


async def test_slow_subscriber_gets_what_it_was_promised_then_the_marker(open_place, autojump_clock):
    """A queue of three holds three reports and the marker with the offset of the last of them."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            bus = Bus(journal, queue=3)
            with bus.subscribe() as slow, bus.subscribe(capacity=100) as fast:
                offsets = [post(bus, journal) for _ in range(7)]
                await bus.flush()
                bus.close()
                *got, marker = [item async for item in slow]
                assert [item.offset for item in got] == offsets[:3]
                assert marker == Lagged(offsets[2])
                assert [item.offset async for item in fast] == offsets


async def test_closing_the_bus_lets_queued_reports_be_read(open_place, autojump_clock):
    """The end of the engine ends the subscription after its last report."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            bus = Bus(journal, queue=3)
            with bus.subscribe() as subscription:
                offsets = [post(bus, journal) for _ in range(2)]
                await bus.flush()
                bus.close()
                assert [item.offset async for item in subscription] == offsets


async def test_reports_posted_during_the_flush_wait_for_the_next_one(open_place, autojump_clock):
    """A report whose row came after the sync began is not published by it."""
    async with open_place() as place, trio.open_nursery() as nursery:
        with closing(place.journal()) as journal:
            bus = Bus(journal, queue=10)
            with bus.subscribe() as subscription:
                post(bus, journal)
                nursery.start_soon(bus.flush)
                await trio.lowlevel.checkpoint()
                late = post(bus, journal)
                await trio.testing.wait_all_tasks_blocked()
                assert bus.published <= late - 2 or journal.durable >= late
                await bus.flush()
                assert bus.published == 2
                bus.close()
                assert len([item async for item in subscription]) == 2


async def test_report_is_told_once_by_flushes_at_once(open_place, autojump_clock):
    """Both wait for the same sync: the faster one tells, and the other finds nothing left to tell."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            bus = Bus(journal, queue=10)
            with bus.subscribe() as subscription:
                offsets = [post(bus, journal) for _ in range(2)]
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(bus.flush)
                    nursery.start_soon(bus.flush)
                bus.close()
                assert [item.offset async for item in subscription] == offsets


async def test_report_that_comes_between_two_flushes_waits_for_its_own_row(open_place, autojump_clock):
    """Squall 910009: the slower flush took it for one of those it had waited for, and told what a crash undid."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            bus, told = Bus(journal, queue=10), []

            def published(one: ExecutionReport) -> None:
                told.append((one.offset, journal.durable >= one.offset))
                if len(told) == 1:
                    post(bus, journal)

            bus.on_published = published
            first = post(bus, journal)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bus.flush)
                nursery.start_soon(bus.flush)
            assert told == [(first, True)]
            await bus.flush()
            assert told == [(first, True), (first + 1, True)]


async def test_failing_callback_is_the_callers_failure(open_place, autojump_clock):
    """An error in a callback rises in the task that runs it; the bus goes on for others."""

    def fail(_: ExecutionReport) -> None:
        raise ValueError("callback")

    async with open_place() as place:
        with closing(place.journal()) as journal:
            bus = Bus(journal, queue=10)
            with bus.subscribe() as other:
                with bus.subscribe() as subscription:
                    post(bus, journal)
                    await bus.flush()
                    with pytest.raises(ValueError, match="callback"):
                        await call_each(subscription, fail)
                post(bus, journal)
                await bus.flush()
                bus.close()
                assert len([item async for item in other]) == 2
