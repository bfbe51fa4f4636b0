"""The verb ``guardian``: a process beside the engine's that watches it, and where told to takes over and closes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
from cyclopts import Parameter

from engine.cli.alarm_ways import alarm_sinks
from engine.cli.asking import Config, DataDir
from engine.cli.complaints import complain
from engine.cli.exchanges import adapter, open_venue, prepare_directory
from engine.cli.exits import Exit, sentences
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output, talk
from engine.cli.silent_sink import SilentSink
from engine.config import Settings, load_credentials, load_settings
from engine.config.guardian_keys import GuardianCredentials, load_guardian_credentials
from engine.errors import ConfigError, JournalError, VenueError
from engine.guardian.guardian import Guardian, PulseReader
from engine.guardian.journal_watch import JournalWatch
from engine.guardian.policy import parse_policy
from engine.guardian.sight import Sight, Watcher, judged_once
from engine.guardian.stand_in import StandIn
from engine.guardian.takeover import Takeover, newest_order_id
from engine.journal.lease import hold_lease
from engine.journal.opening import read_journal
from engine.runtime.alarm import AlarmChange, AlarmSettings
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.alarm_outbox import open_outboxes
from engine.runtime.close_report import CloseReport
from engine.runtime.fence import Fence
from engine.runtime.logs import Logs, configure_logs
from engine.runtime.opening import JOURNAL_FILE
from engine.runtime.pulse import PULSE_FILE, FileSlot
from engine.seams.clock import SteadyClock, SystemClock
from engine.seams.processes import SystemProcesses, boot_id
from engine.seams.uptime import SystemUptime
from engine.venue.protocol import Venue, VenueIdentity

LOCK_FILE = "guardian.lock"


def guardian(
    *,
    policy: Annotated[
        str | None, Parameter(help="alarm (the default), close, or close-after:SECONDS; see the settings' [guardian].")
    ] = None,
    once: Annotated[bool, Parameter(help="Look once, say how the engine is, and end: for cron and systemd.")] = False,
    introduce: Annotated[
        bool, Parameter(help="Print what the key file of a guardian with its own key needs of the engine's key.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print one JSON object a line.")] = False,
    log_level: Annotated[str | None, Parameter(help="debug, info, warning, error or critical; to stderr.")] = None,
    log_file: Annotated[Path | None, Parameter(help="Also write the log into this file, as JSON lines.")] = None,
) -> Exit:
    """Watch an engine from outside; its help stands with the other verbs'.

    Example: python -m engine guardian --policy close-after:300 --data-dir ~/engine
    """
    given = {name: value for name, value in (("level", log_level), ("file", log_file)) if value is not None}
    command_line: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    if policy is not None:
        command_line["guardian"] = {"policy": policy}
    settings = load_settings(config, {**command_line, **({"log": given} if given else {})})
    output = Output()
    if introduce:
        return _introduce(settings, output, as_json=as_json)
    if once:
        return _look_once(settings, output, as_json=as_json)
    logs = configure_logs(sys.stderr, level=settings.log.level, file=settings.log.file)
    return trio.run(partial(_run, settings, logs, output, as_json=as_json))


def _introduce(settings: Settings, output: Output, *, as_json: bool) -> Exit:
    if settings.venue == "embedded":
        raise ConfigError("the embedded exchange has no second key, and dies with its engine")
    venue = adapter(settings.kraken_settings(load_credentials(settings)), settings.directory, lambda _: None)
    if as_json:
        output.json({"engine_account": venue.identity.account, "engine_mark": venue.mark_key.hex()})
    else:
        output.text(f'engine_account = "{venue.identity.account}"\nengine_mark = "{venue.mark_key.hex()}"\n')
    talk("these two recognise the engine's orders and sign nothing; they belong into the guardian's key file (0600)")
    return Exit.DONE


def _look_once(settings: Settings, output: Output, *, as_json: bool) -> Exit:
    processes = SystemProcesses()
    try:
        pulse = PulseReader(settings.directory / PULSE_FILE, processes).pulse()
    except (OSError, ValueError) as error:
        sight = Sight("unreadable", fault=str(error))
    else:
        sight = Sight("absent")
        if pulse is not None:
            uptime_ns, bound_s = SystemUptime().now_ns(), settings.guardian.stale_after_s
            sight = judged_once(pulse, processes.fate(pulse.mark), uptime_ns, boot_id(), bound_s)
    if as_json:
        output.json(_said(sight))
    else:
        hint = "; start one with run, or name another --data-dir" if sight.health == "absent" else ""
        output.text(f"{sight.text}{hint}\n")
    return Exit.DONE if sight.health in ("beating", "silent", "ended") else Exit.NO_ENGINE


async def _run(settings: Settings, logs: Logs, output: Output, *, as_json: bool) -> Exit:
    try:
        watching = _Watching(settings, logs, output, as_json=as_json)
        async with open_interrupts() as stop:
            with stop:
                return await watching.run()
    except Exception as error:
        return complain(error, logs)
    return Exit.DONE


class _Watching:
    """One guardian, from its settings to what it came to."""

    def __init__(self, settings: Settings, logs: Logs, output: Output, *, as_json: bool) -> None:
        self._settings, self._logs, self._output, self._as_json = settings, logs, output, as_json
        self._policy = parse_policy(settings.guardian.policy)
        self._own = load_guardian_credentials(settings) if self._policy.action == "close" else None
        if self._policy.action == "close":
            _require_closable(settings, self._own)

    async def run(self) -> Exit:
        """Watch; returns when it has closed. Raises JournalBusy: another guardian watches there."""
        settings, clock = self._settings, SystemClock()
        directory = prepare_directory(settings.directory)
        lock = hold_lease(
            directory / LOCK_FILE, what=f"the guard of {directory}", now_ns=clock.now_ns(), data_dir=directory
        )
        ways = AlarmSettings()
        alarms = AlarmDesk(SteadyClock(clock), ways)
        alarms.sinks.append(self._tell_alarm)
        sinks = alarm_sinks(settings, self._logs.hide)
        with lock:
            self._say(f"guardian of {directory}, policy {self._policy}", "guarding", {"policy": str(self._policy)})
            async with open_outboxes(
                sinks, ways.tell_from, lambda sink, why: alarms.occurred("ALARMS_LOST", sink, why)
            ) as outboxes:
                alarms.sinks.extend(one.put for one in outboxes)
                await self._prove_key(directory / JOURNAL_FILE, alarms)
                report = await self._guardian(directory, alarms).run()
        self._show_report(report)
        return Exit.DONE if report.flat else Exit.REFUSED

    def _guardian(self, directory: Path, alarms: AlarmDesk) -> Guardian:
        processes, uptime = SystemProcesses(), SystemUptime()
        reader = PulseReader(directory / PULSE_FILE, processes)
        take_over = None
        if self._policy.action == "close":
            take_over = Takeover(
                self._settings.engine_settings(),
                self._open_venue,
                processes,
                SystemClock(),
                policy=str(self._policy),
                may_kill=self._settings.guardian.may_kill,
                look=reader.pulse,
                slot=FileSlot(directory / PULSE_FILE),
            ).run
        return Guardian(
            self._policy,
            Watcher(self._settings.guardian.stale_after_s),
            reader,
            JournalWatch(directory / JOURNAL_FILE),
            alarms,
            uptime,
            take_over,
            self._tell_sight,
        )

    @asynccontextmanager
    async def _open_venue(self, identity: VenueIdentity, fence: Fence, order_id: str) -> AsyncIterator[Venue]:
        """Give the engine's account, by the guardian's own key where it has one."""
        settings, own = self._settings, self._own
        if own is None:
            async with open_venue(settings, settings.directory, self._logs.hide, fence=fence) as venue:
                yield venue
            return
        if own.engine_account != identity.account:
            raise ConfigError(
                f"{settings.guardian.key_file} names the engine's account {own.engine_account}, the journal belongs to"
                f" {identity.account}: run guardian --introduce anew"
            )
        inner = adapter(settings.kraken_settings(own.credentials), settings.directory, self._logs.hide, fence)
        yield StandIn(inner, own.engine_account, own.engine_mark, order_id)

    async def _prove_key(self, journal_file: Path, alarms: AlarmDesk) -> None:
        """Use the guardian's own key once now: that it is good, and of the engine's account, must not turn out later.

        The engine's own key is the engine's while that lives. Raises ConfigError; a venue that is away is an alarm.
        """
        try:
            known = None if self._own is None else _known_account(journal_file)
        except JournalError as error:  # one that is just being made, or damaged: to watch is the more urgent
            alarms.occurred("GUARDIAN_CANNOT_CLOSE", "key", str(error))
            return
        if known is None:
            return
        identity, order_id = known
        try:
            async with self._open_venue(identity, Fence(), order_id) as venue, venue.open(SilentSink()):
                self._say("the guardian's key is good for the engine's account", "key", {"good": True})
        except* VenueError as group:
            alarms.occurred("GUARDIAN_CANNOT_CLOSE", "key", "; ".join(sentences(group)))

    # --- what is said ---------------------------------------------------------------------------------------------

    def _tell_sight(self, sight: Sight) -> None:
        self._say(sight.text, "sight", _said(sight))

    def _tell_alarm(self, change: AlarmChange) -> None:
        alarm = change.alarm
        if change.change in ("raised", "cleared"):
            verb = "ALARM" if change.change == "raised" else "over:"
            self._say(
                f"{verb} {alarm.code}: {alarm.text} ({alarm.what_to_do})",
                "alarm",
                {"change": change.change, "code": alarm.code, "subject": alarm.subject, "level": alarm.level}
                | {"text": alarm.text, "what_to_do": alarm.what_to_do},
            )

    def _show_report(self, report: CloseReport) -> None:
        if self._as_json:
            self._output.json({"type": "closed", "report": report})
        else:
            self._output.text("".join(f"{line}\n" for line in _report_lines(report)))

    def _say(self, line: str, kind: str, members: dict[str, Any]) -> None:
        if self._as_json:
            self._output.json({"type": kind, **members})
        else:
            self._output.text(f"{line}\n")


def _report_lines(report: CloseReport) -> Iterator[str]:
    yield from report.lines()
    yield "trading is halted for the next engine: look into it, then python -m engine resume --reason TEXT"


def _said(sight: Sight) -> dict[str, Any]:
    pulse = sight.pulse
    return {
        "health": sight.health,
        "text": sight.text,
        "silent_s": round(sight.silent_s, 3),
        "process": sight.fate,
        "pid": None if pulse is None else pulse.mark.pid,
        "at": None if pulse is None else pulse.at,
        "brackets": None if pulse is None else pulse.brackets,
    }


def _known_account(journal_file: Path) -> tuple[VenueIdentity, str] | None:
    """Return whose the journal is, and an order of it that the venue knows; None before the first start."""
    if not journal_file.exists():
        return None
    with read_journal(journal_file) as journal:
        return journal.identity, newest_order_id(journal)


def _require_closable(settings: Settings, own: GuardianCredentials | None) -> None:
    """Find out now, and not when it counts, what would keep it from closing. Raises ConfigError."""
    if settings.venue == "embedded":
        raise ConfigError("the embedded exchange dies with its engine: there is nothing to close; use policy alarm")
    settings.engine_settings()
    if own is None:
        load_credentials(settings)
