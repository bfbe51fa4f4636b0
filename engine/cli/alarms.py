"""The verbs of alarms and settings: alarms, ack, reload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, columns, directory_of, show_answer
from engine.cli.exits import Exit
from engine.control.alarm_table import ACK, ALARMS, RELOAD, TEST_ALARM
from engine.control.alarms import Acknowledged, AlarmList, TriedAlarm
from engine.runtime.alarm import Alarm
from engine.runtime.reloading import Difference, Reloaded
from engine.values.time import rfc3339

Reason = Annotated[str | None, Parameter(help="Why, for the journal.")]


def alarms(
    *,
    past: Annotated[bool, Parameter(help="Also what is over.")] = False,
    test: Annotated[bool, Parameter(help="Raise an alarm that means nothing, to see that its ways out work.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """List what is wrong now, how bad it is, since when, and what to do about it.

    Example: python -m engine alarms --past
    """
    if test:
        return show_answer(TEST_ALARM, {}, directory_of(data_dir, config), as_json=as_json, lines=_test_lines)
    return show_answer(
        ALARMS, {"past": past or None}, directory_of(data_dir, config), as_json=as_json, lines=_alarm_lines
    )


def ack(
    alarm: Annotated[str, Parameter(help="Its number, or a code for every alarm of it.")],
    *,
    reason: Annotated[str | None, Parameter(help="What you make of it, for the journal.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Acknowledge an alarm: a person has seen it. What still stands stays in the list, marked.

    Example: python -m engine ack LINK_SLOW --reason "the provider knows"
    """
    given = {"alarm": alarm, "reason": reason}
    return show_answer(ACK, given, directory_of(data_dir, config), as_json=as_json, lines=_ack_lines)


def reload(*, reason: Reason = None, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Read limits and pairs anew from the settings files; a bad file changes nothing and says why.

    The files are those the engine was started from; SIGHUP does the same. Nothing that rests is cancelled, but no
    entry beyond a lowered limit is sent any more.

    Example: python -m engine reload --reason "smaller positions over the weekend"
    """
    given = {"reason": reason}
    return show_answer(RELOAD, given, directory_of(data_dir, config), as_json=as_json, lines=_reload_lines)


def _alarm_lines(found: AlarmList) -> Iterator[str]:
    if not found.alarms:
        yield "nothing is wrong"
    else:
        yield from _table(found.alarms)
    if found.past:
        yield ""
        yield "over:"
        yield from _table(found.past)
    for sink in found.sinks:
        yield (
            f"{sink.name}: {sink.delivered} delivered, {sink.waiting} waiting, {sink.failed} attempts failed, "
            f"{sink.dropped} lost"
        )


def _table(found: tuple[Alarm, ...]) -> list[str]:
    rows = [
        (
            str(one.number),
            one.level,
            one.code,
            one.subject,
            rfc3339(one.first_ns, 0),
            f"{one.count}x{', seen' if one.acked_ns else ''}",
            one.text,
        )
        for one in found
    ]
    return columns(("no", "level", "code", "what", "since", "count", "text"), rows)


def _ack_lines(done: Acknowledged) -> Iterator[str]:
    for one in done.alarms:
        stands = "still stands, marked" if one.standing else "over"
        yield f"{one.number} {one.code} {one.subject}: {stands}"


def _test_lines(done: TriedAlarm) -> Iterator[str]:
    ways = ", ".join(("log", "dashboard", *done.sinks))
    yield f"raised TEST ({done.text}); told to {ways}; alarms shows what became of it"


def _reload_lines(done: Reloaded) -> Iterator[str]:
    if not done.changed:
        yield "no limit and no pair has changed"
    for one in done.changed:
        yield _changed(one)
    for one in done.kept:
        yield f"only after a restart: {_changed(one)}"


def _changed(one: Difference) -> str:
    return f"{one.name}: {one.before or 'not set'} -> {one.after or 'not set'}"
