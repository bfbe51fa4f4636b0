"""Alarms: raised once however often they come, cleared when over, acknowledged by a person, bounded."""

from __future__ import annotations

import pytest
import trio

from engine.runtime.alarm import AlarmChange, AlarmSettings, Condition
from engine.runtime.alarm_codes import CODES, code_of
from engine.runtime.alarm_desk import MAX_ALARMS, AlarmDesk
from engine.seams.clock import VirtualClock

SLOW = Condition("LINK_SLOW", "private", "a ping took 2 s")


def told_desk(**settings: float) -> tuple[AlarmDesk, list[tuple[str, str, int]]]:
    """A desk, and what its sink is told: change, code, count."""
    desk, told = AlarmDesk(VirtualClock(), AlarmSettings(**settings)), []

    def sink(change: AlarmChange) -> None:
        told.append((change.change, change.alarm.code, change.alarm.count))

    desk.sinks.append(sink)
    return desk, told


async def test_a_condition_is_told_once_while_it_stands_and_once_when_it_is_over(autojump_clock):
    """Ten looks at the same are one alarm; gone for clear_after_s it is cleared, and in the past."""
    desk, told = told_desk(clear_after_s=10)
    for _ in range(10):
        desk.look([SLOW])
        await trio.sleep(1)
    assert told == [("raised", "LINK_SLOW", 1)]
    (alarm,) = desk.alarms()
    assert (alarm.level, alarm.standing, alarm.count) == ("warning", True, 1)
    for _ in range(10):
        desk.look([])
        await trio.sleep(1)
    assert told[1:] == [("cleared", "LINK_SLOW", 1)]
    assert desk.alarms() == ()
    (past,) = desk.past()
    assert past.cleared_ns > past.first_ns
    assert not past.standing


async def test_a_condition_that_comes_back_soon_is_the_same_alarm(autojump_clock):
    """Flapping is counted, not told outside anew."""
    desk, told = told_desk(clear_after_s=10)
    for _ in range(5):
        desk.look([SLOW])
        await trio.sleep(3)
        desk.look([])
        await trio.sleep(3)
    assert [change for change, _, _ in told] == ["raised", "repeated", "repeated", "repeated", "repeated"]
    assert desk.alarms()[0].count == 5


async def test_what_has_happened_stands_until_a_person_has_seen_it(autojump_clock):
    """No look clears it; the same again is counted with first and last time; acknowledged it is over."""
    desk, told = told_desk(clear_after_s=1)
    desk.occurred("OVERFILL", "order-1", "0.03 of 0.02")
    await trio.sleep(60)
    desk.look([])
    desk.occurred("OVERFILL", "order-1", "0.04 of 0.02")
    (alarm,) = desk.alarms()
    assert (alarm.level, alarm.count, alarm.text) == ("critical", 2, "0.04 of 0.02")
    assert alarm.last_ns - alarm.first_ns == 60 * 10**9
    (seen,) = desk.acknowledge("OVERFILL", "looked into it")
    assert (seen.acked_why, seen.standing) == ("looked into it", False)
    assert desk.alarms() == ()
    assert [change for change, _, _ in told] == ["raised", "repeated", "acknowledged"]


async def test_what_still_stands_is_marked_by_an_acknowledgement_and_goes_when_it_is_over(autojump_clock):
    """By number as by code; a second acknowledgement finds nothing."""
    desk, _ = told_desk(clear_after_s=1)
    desk.look([SLOW, Condition("LINK_SLOW", "public", "a ping took 3 s")])
    first, second = sorted(desk.alarms(), key=lambda one: one.number)
    assert [one.subject for one in desk.acknowledge(str(first.number), "seen")] == ["private"]
    assert [one.subject for one in desk.acknowledge("LINK_SLOW", "seen")] == ["public"]
    assert desk.acknowledge(str(second.number), "seen") == ()
    assert [bool(one.acked_ns) for one in desk.alarms()] == [True, True]
    await trio.sleep(2)
    desk.look([])
    assert desk.alarms() == ()


async def test_the_gravest_stands_first_and_the_least_goes_when_there_are_too_many(autojump_clock):
    """The list is bounded; what is pushed out is counted."""
    desk, _ = told_desk()
    desk.occurred("BALANCE_FOREIGN", "BTC", "1")
    for number in range(MAX_ALARMS):
        desk.occurred("OVERFILL", f"order-{number}", "too much")
    assert len(desk.alarms()) == MAX_ALARMS
    assert desk.dropped == 1
    assert {one.code for one in desk.alarms()} == {"OVERFILL"}
    desk.occurred("LINK_SLOW", "private", "slow")
    assert desk.alarms()[0].level == "critical"
    assert desk.alarms()[-1].code == "LINK_SLOW"


async def test_a_reader_gets_every_change_and_a_slow_one_is_cut_off(autojump_clock):
    """The dashboard reads along; one that falls behind costs nobody anything."""
    desk, _ = told_desk()
    with desk.read() as reader, desk.read(capacity=2) as slow:
        for number in range(4):
            desk.occurred("OVERFILL", f"order-{number}", "too much")
        assert [one.alarm.subject for one in reader.take()] == [f"order-{n}" for n in range(4)]
        assert len(slow.take()) == 3  # two, and the marker
        assert slow.closed


async def test_a_code_that_nobody_listed_is_grave(autojump_clock):
    """And does not end by itself."""
    assert code_of("NEVER_HEARD_OF")[:2] == ("critical", False)


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_to_do(code: str):
    """A person who is woken needs to know."""
    assert code == code.upper()
    assert CODES[code].what_to_do
