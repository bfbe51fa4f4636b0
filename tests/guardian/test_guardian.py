"""The guardian's own loop: whatever it meets, it goes on watching."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import trio

from engine.guardian.guardian import RETRY_S, Guardian
from engine.guardian.journal_watch import Heard, JournalWatch
from engine.guardian.policy import Policy
from engine.guardian.sight import Sight, Watcher
from engine.journal.opening import open_journal
from engine.risk.trading_state import TRADING_ROW, TradingEvent
from engine.runtime.alarm import AlarmChange, AlarmSettings
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.close_report import CloseReport
from engine.seams.clock import SystemClock
from engine.seams.uptime import VirtualUptime
from engine.venue.protocol import VenueIdentity
from tests.guardian.test_sight import pulse

IDENTITY = VenueIdentity(venue="kraken", account="a", mode="simulated")


class DeadEngine:
    """A reader that sees one for long."""

    def look(self, watcher: Watcher, now_s: float) -> Sight:
        return Sight("gone", 3600, "gone", pulse())


async def test_takeover_that_fails_in_an_unforeseen_way_is_told_and_tried_again(tmp_path: Path, autojump_clock) -> None:
    """A full disk, a bug: a guardian that ended by it would leave nobody."""
    tries: list[float] = []
    told: list[AlarmChange] = []

    async def take_over(sight: Sight) -> CloseReport:
        tries.append(trio.current_time())
        raise ExceptionGroup("nursery", [OSError(28, "No space left on device")])

    alarms = AlarmDesk(SystemClock(), AlarmSettings())
    alarms.sinks.append(told.append)
    watcher, journal = Watcher(15), JournalWatch(tmp_path / "none")
    guardian = Guardian(Policy("close"), watcher, DeadEngine(), journal, alarms, VirtualUptime(), take_over)
    with trio.move_on_after(2 * RETRY_S + 5):
        await guardian.run()
    assert [after - before for before, after in pairwise(tries)] == [RETRY_S, RETRY_S]
    (cannot,) = [one.alarm for one in told if one.alarm.code == "GUARDIAN_CANNOT_CLOSE" and one.change == "raised"]
    assert cannot.text == "OSError: [Errno 28] No space left on device"


async def test_row_of_another_version_is_told_and_those_behind_it_are_heard(tmp_path: Path) -> None:
    """An engine that was updated before its guardian."""
    path = tmp_path / "journal.sqlite"
    with open_journal(path, IDENTITY, SystemClock(), durability="process") as journal:
        watch = JournalWatch(path)
        assert watch.look() == []
        journal.append("order", {"moves": ["of", "tomorrow"]}, ts_ns=1, signal_id="s")
        journal.append(TRADING_ROW, TradingEvent("halt", "ACTIVE", "HALTED", 2, "COMMAND", "enough"), ts_ns=2)
        await journal.sync()
        unread, heard = watch.look()
    assert (unread.code, unread.subject) == ("JOURNAL_UNREADABLE", "s")
    assert heard == Heard("TRADING_HALTED", "trading", "COMMAND: enough")
    assert (watch.look(), watch.fault) == ([], "")
