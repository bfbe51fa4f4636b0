"""The verbs of alarms and settings, as the door's table has them."""

from __future__ import annotations

from engine.control.alarms import (
    Acknowledged,
    AlarmList,
    TriedAlarm,
    acknowledge,
    list_alarms,
    raise_test_alarm,
    reload,
)
from engine.control.command import Command, Parameter
from engine.runtime.reloading import Reloaded

_ENDS = {2: "the command line is no good", 6: "no engine runs"}

ALARMS = Command(
    name="alarms",
    method="GET",
    path="/api/alarms",
    doc="List what is wrong now, how bad it is, since when, and what to do about it.",
    parameters=(Parameter(name="past", kind="flag", doc="also what is over"),),
    result=AlarmList,
    exits={**_ENDS, 0: "told"},
    needs_engine=True,
    answer=list_alarms,
)
ACK = Command(
    name="ack",
    method="POST",
    path="/api/ack",
    doc="Acknowledge an alarm: a person has seen it. What still stands stays in the list, marked.",
    parameters=(
        Parameter(name="alarm", required=True, doc="its number, or a code for every alarm of it"),
        Parameter(name="reason", doc="what you make of it, for the journal"),
    ),
    result=Acknowledged,
    exits={**_ENDS, 0: "acknowledged, in the journal", 4: "no such alarm waits for a person"},
    needs_engine=True,
    answer=acknowledge,
)
TEST_ALARM = Command(
    name="alarm_test",
    method="POST",
    path="/api/alarms/test",
    doc="Raise an alarm that means nothing, to see that the webhook and the messengers work.",
    parameters=(Parameter(name="text", doc="what it shall say"),),
    result=TriedAlarm,
    exits={**_ENDS, 0: "raised; alarms tells what became of it"},
    needs_engine=True,
    on_command_line=False,  # it is alarms --test there
    answer=raise_test_alarm,
)
RELOAD = Command(
    name="reload",
    method="POST",
    path="/api/reload",
    doc="Read limits and pairs anew from the settings files; a bad file changes nothing and says why.",
    parameters=(Parameter(name="reason", doc="why, for the journal"),),
    result=Reloaded,
    exits={**_ENDS, 0: "they hold, in the journal", 4: "the files are no good: nothing has changed"},
    needs_engine=True,
    answer=reload,
)

WATCHING: tuple[Command, ...] = (ALARMS, ACK, TEST_ALARM, RELOAD)
