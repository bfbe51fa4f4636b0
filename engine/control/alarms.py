"""The verbs of alarms and of settings: show, acknowledge, try the ways out, read the files anew."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.refusal import no_engine, refused
from engine.errors import ConfigError
from engine.runtime.alarm import Alarm
from engine.runtime.alarm_outbox import OutboxView
from engine.runtime.engine import Engine
from engine.runtime.reloading import Reloaded

log = structlog.get_logger()

ACK_ROW: Final = "alarm_ack"
"""The journal's kind for an Acknowledged: who saw what, and when. No start reads it: what still stands alarms anew."""


class AlarmList(msgspec.Struct, frozen=True):
    """``alarms`` are not over, the gravest first; ``past`` are, the newest first. ``sinks`` are the ways out."""

    alarms: tuple[Alarm, ...]
    past: tuple[Alarm, ...]
    sinks: tuple[OutboxView, ...]


class Acknowledged(msgspec.Struct, frozen=True):
    """Alarms that a person has seen."""

    alarms: tuple[Alarm, ...]
    reason: str


class TriedAlarm(msgspec.Struct, frozen=True):
    """A test alarm was raised; ``sinks`` will be told, as fast as they take it."""

    text: str
    sinks: tuple[str, ...]


async def list_alarms(desk: Desk, arguments: Arguments) -> AlarmList:
    """Return what is wrong now; with ``past`` also what is over."""
    engine = _engine(desk)
    past = engine.alarms.past() if arguments.get("past") else ()
    return AlarmList(engine.alarms.alarms(), past, tuple(one.view() for one in engine.services.outboxes))


async def acknowledge(desk: Desk, arguments: Arguments) -> Acknowledged:
    """Mark one alarm, or every alarm of a code, as seen. Durable when it is answered."""
    engine, what, reason = _engine(desk), str(arguments["alarm"]), str(arguments.get("reason", "seen"))
    found = engine.alarms.acknowledge(what, reason)
    if not found:
        raise refused("NO_ALARM", f"no alarm that waits for a person is {what!r}", "alarms lists numbers and codes")
    done = Acknowledged(found, reason)
    engine.journal.append(ACK_ROW, done, ts_ns=engine.services.clock.now_ns())
    await engine.journal.sync()
    return done


async def raise_test_alarm(desk: Desk, arguments: Arguments) -> TriedAlarm:
    """Raise an alarm that means nothing, so that its way to people is seen to work."""
    engine, text = _engine(desk), str(arguments.get("text", "a test: nothing is wrong"))
    engine.alarms.acknowledge("TEST", "another test")  # or the second would only be counted
    engine.alarms.occurred("TEST", "test", text)
    return TriedAlarm(text, tuple(one.view().name for one in engine.services.outboxes))


async def reload(desk: Desk, arguments: Arguments) -> Reloaded:
    """Read limits and pairs anew. A bad file changes nothing and says why."""
    try:
        return await _engine(desk).reload(str(arguments.get("reason", "asked by the operator")))
    except ConfigError as error:
        raise refused("SETTINGS_NO_GOOD", str(error), "mend the files; nothing has changed") from None


def _engine(desk: Desk) -> Engine:
    if desk.engine is None:
        raise no_engine("this journal")
    return desk.engine
