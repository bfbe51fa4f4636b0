"""The guardian's loop: look, tell, and where the policy says so take over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import structlog
import trio

from engine.errors import EngineError
from engine.guardian.journal_watch import JournalWatch
from engine.guardian.policy import Policy
from engine.guardian.sight import Sight, Watcher
from engine.guardian.takeover import StoodDown
from engine.runtime.alarm import Condition
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.close_report import CloseReport
from engine.runtime.pulse import Pulse, read_pulse
from engine.seams.processes import Processes
from engine.seams.uptime import Uptime
from engine.values.time import NS

log = structlog.get_logger()

LOOK_S: Final = 1.0
RETRY_S: Final = 15.0
"""Between two tries to take over: the venue may be away, or a lease held by somebody who is not dead yet."""
AWAY_S: Final = 30.0
"""An engine without its venue for so long is told of: its stops rest there, its targets sleep."""

_CODES: Final = {"gone": "ENGINE_GONE", "still": "ENGINE_STILL", "failed": "ENGINE_FAILED"}

TakeOver = Callable[[Sight], Awaitable[CloseReport]]


class PulseReader:
    """The pulse's file, and whether its process lives."""

    def __init__(self, path: Path, processes: Processes) -> None:
        self._path, self._processes = path, processes

    def pulse(self) -> Pulse | None:
        """Return what lies there. Raises ValueError, OSError."""
        return read_pulse(self._path)

    def look(self, watcher: Watcher, now_s: float) -> Sight:
        """Take one look."""
        try:
            pulse = self.pulse()
        except (OSError, ValueError) as error:
            return watcher.look(None, "unknown", now_s, str(error))
        return watcher.look(pulse, "unknown" if pulse is None else self._processes.fate(pulse.mark), now_s)


class Guardian:
    """Watches one data directory. ``take_over`` None: it only tells. ``tell`` is given every sight that is news."""

    def __init__(
        self,
        policy: Policy,
        watcher: Watcher,
        reader: PulseReader,
        journal: JournalWatch,
        alarms: AlarmDesk,
        uptime: Uptime,
        take_over: TakeOver | None,
        tell: Callable[[Sight], object] = lambda _: None,
    ) -> None:
        self._policy, self._watcher, self._reader, self._journal = policy, watcher, reader, journal
        self._alarms, self._uptime, self._take_over, self._tell = alarms, uptime, take_over, tell
        self._away_since_s: float | None = None
        self._cannot = ""
        self._try_s = 0.0
        self._told = ""

    async def run(self) -> CloseReport:
        """Watch until cancelled; returns once it has taken over, with what the close came to."""
        while True:
            now_s = self._uptime.now_ns() / NS
            sight = self._reader.look(self._watcher, now_s)
            self._tell_news(sight)
            for heard in self._journal.look():
                self._alarms.occurred(heard.code, heard.subject, heard.text)
            self._alarms.look(self._conditions(sight, now_s))
            if self._is_due(sight, now_s):
                report = await self._try_to_take_over(sight)
                if report is not None:
                    self._tell_report(report)
                    return report
            await trio.sleep(LOOK_S)

    def _tell_news(self, sight: Sight) -> None:
        """A beat more or less is no news; another health, process or trading state is."""
        pulse = sight.pulse
        health = "beating" if sight.health == "silent" else sight.health
        news = health if pulse is None else f"{health} {pulse.mark.pid} {pulse.mark.start_ticks} {pulse.trading}"
        if news != self._told:
            self._told = news
            self._tell(sight)

    def _tell_report(self, report: CloseReport) -> None:
        left = "; ".join(f"{one.symbol} {one.code}: {one.reason}" for one in report.not_flat)
        code = "GUARDIAN_CLOSED" if report.flat else "CLOSE_NOT_FLAT"
        self._alarms.occurred(code, report.close_id, "flat, and proved at the venue" if report.flat else left)

    def _is_due(self, sight: Sight, now_s: float) -> bool:
        """Tell whether to act now. Whatever it is that is dead, it was dead for the bound and the policy's delay."""
        if self._take_over is None or self._policy.action != "close" or not sight.dead or sight.pulse is None:
            self._cannot = ""
            return False
        return now_s >= self._try_s and sight.silent_s >= self._watcher.bound_s(sight.pulse) + self._policy.after_s

    async def _try_to_take_over(self, sight: Sight) -> CloseReport | None:
        assert self._take_over is not None  # noqa: S101 - asked before
        try:
            return await self._take_over(sight)
        except* StoodDown as group:
            self._cannot = _first(group)
            log.warning("guardian.stood_down", why=self._cannot)
        except* EngineError as group:
            self._cannot = _first(group)
            log.error("guardian.cannot_close", why=self._cannot)
        except* Exception as group:  # whatever it was: nobody else watches, so it is told, and tried again
            self._cannot = f"{_name(group)}: {_first(group)}"
            log.exception("guardian.failed")
        self._try_s = self._uptime.now_ns() / NS + RETRY_S
        return None

    def _conditions(self, sight: Sight, now_s: float) -> Iterator[Condition]:
        subject = "engine"
        if sight.health in _CODES:
            yield Condition(_CODES[sight.health], subject, sight.text)
        if sight.health == "unreadable":
            yield Condition("PULSE_UNREADABLE", subject, sight.text)
        if self._journal.fault:
            yield Condition("JOURNAL_UNREADABLE", subject, self._journal.fault)
        if self._cannot:
            yield Condition("GUARDIAN_CANNOT_CLOSE", subject, self._cannot)
        away = sight.pulse.away if sight.pulse is not None and sight.health == "beating" else ()
        self._away_since_s = (now_s if self._away_since_s is None else self._away_since_s) if away else None
        if self._away_since_s is not None and now_s - self._away_since_s >= AWAY_S:
            yield Condition("ENGINE_WITHOUT_VENUE", subject, sight.text)


def _first(group: BaseException) -> str:
    error = _leaf(group)
    return str(error) or type(error).__name__


def _name(group: BaseException) -> str:
    return type(_leaf(group)).__name__


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
