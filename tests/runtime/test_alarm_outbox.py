"""Ways out for alarms: told within seconds, tried again, bounded, and never anybody's hold-up."""

from __future__ import annotations

import pytest
import trio

from engine.runtime.alarm import Alarm, AlarmChange
from engine.runtime.alarm_outbox import ATTEMPTS, GOODBYE_S, QUEUE, Outbox, SinkFailed, open_outboxes


def change(number: int = 1, level: str = "critical", what: str = "raised") -> AlarmChange:
    alarm = Alarm(
        number=number, code="NAKED", subject="s", level=level, text="t", what_to_do="w", first_ns=1, last_ns=1
    )
    return AlarmChange(what, alarm)


class Sink:
    """Takes alarms as it is told to: at once, after failures, or never."""

    name, bound_s = "sink", 5.0

    def __init__(self, *, failures: int = 0, silent: bool = False, error: type[Exception] = SinkFailed) -> None:
        self.failures, self.silent, self.error = failures, silent, error
        self.told: list[tuple[int, int, float]] = []  # number, dropped before it, when
        self.attempts = 0

    async def deliver(self, change: AlarmChange, dropped: int) -> None:
        self.attempts += 1
        if self.silent:
            await trio.sleep_forever()
        if self.attempts <= self.failures:
            raise self.error("answered 500")
        self.told.append((change.alarm.number, dropped, trio.current_time()))


async def test_an_alarm_is_told_at_once_and_in_order(autojump_clock):
    """Raised and cleared; what is below the level, and what only counts, stays inside."""
    sink = Sink()
    async with open_outboxes([sink], "warning", lambda *_: None) as (outbox,):
        start_s = trio.current_time()
        for one in (change(1), change(2, "info"), change(3, what="repeated"), change(4, what="cleared")):
            outbox.put(one)
        await outbox.wait_empty()
    assert [(number, at) for number, _, at in sink.told] == [(1, start_s), (4, start_s)]
    assert outbox.view().delivered == 2


async def test_a_failed_delivery_is_tried_again_with_growing_pauses(autojump_clock):
    """One and two seconds later, whatever the error was."""
    sink = Sink(failures=2, error=RuntimeError)
    async with open_outboxes([sink], "info", lambda *_: None) as (outbox,):
        start_s = trio.current_time()
        outbox.put(change())
        await outbox.wait_empty()
        assert [at - start_s for _, _, at in sink.told] == [3.0]
    assert (outbox.view().failed, outbox.view().dropped) == (2, 0)


async def test_what_nobody_takes_is_given_up_counted_and_told_with_the_next(autojump_clock):
    """The next delivery says how many were lost before it, and an alarm of its own says so here."""
    sink, lost = Sink(failures=ATTEMPTS), []
    async with open_outboxes([sink], "info", lambda *said: lost.append(said)) as (outbox,):
        outbox.put(change(1))
        outbox.put(change(2))
        await outbox.wait_empty()
    assert [(number, dropped) for number, dropped, _ in sink.told] == [(2, 1)]
    assert lost == [("sink", "answered 500")]
    assert outbox.view().dropped == 1


async def test_a_full_queue_drops_the_oldest_and_never_makes_anybody_wait(autojump_clock):
    """A sink that never answers: ``put`` is a plain call, and the newest are kept."""
    sink = Sink(silent=True)
    async with open_outboxes([sink], "info", lambda *_: None) as (outbox,):
        for number in range(QUEUE + 100):
            outbox.put(change(number))
        assert (outbox.view().waiting, outbox.view().dropped) == (QUEUE, 100)
        await trio.sleep(1)
        start_s = trio.current_time()
    assert trio.current_time() - start_s == pytest.approx(GOODBYE_S)  # the end is bounded whatever waits


async def test_a_delivery_without_an_end_is_cut_off_at_its_bound(autojump_clock):
    """Then it counts as failed, and is tried again."""
    sink = Sink(silent=True)
    async with open_outboxes([sink], "info", lambda *_: None) as (outbox,):
        outbox.put(change())
        await trio.sleep(5.5)
        sink.silent = False
        await outbox.wait_empty()
    assert (sink.attempts, len(sink.told), outbox.view().failed) == (2, 1, 1)


async def test_last_words_are_told_before_the_end_and_an_error_passes_as_it_is(autojump_clock):
    """The block's own error is not wrapped in a group."""
    sink = Sink()

    async def live() -> None:
        async with open_outboxes([sink], "info", lambda *_: None) as (outbox,):
            outbox.put(change(7))
            raise KeyError("as it is")

    with pytest.raises(KeyError):
        await live()
    assert [number for number, _, _ in sink.told] == [7]


def test_an_outbox_without_sinks_costs_no_task():
    """Nothing runs where nobody is to be told."""
    assert Outbox(Sink(), "info", lambda *_: None).view().waiting == 0
