"""Processes of this machine, known by more than their number: a number is given again once its process is gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

_PROC: Final = Path("/proc")
_START_TIME: Final = 19
"""Place of a process' start time among the fields of /proc/PID/stat behind its name (proc_pid_stat(5), field 22)."""

Fate = Literal["runs", "stopped", "gone", "unknown"]


class ProcessMark(msgspec.Struct, frozen=True):
    """One process, and no other that ever has its number.

    ``start_ticks`` since the boot ``boot_id``, numbered within ``pid_space``; 0 and "" where nothing tells.
    """

    pid: int
    start_ticks: int = 0
    boot_id: str = ""
    pid_space: str = ""

    @property
    def certain(self) -> bool:
        """Whether it can be told from a later process with the same number."""
        return bool(self.start_ticks and self.boot_id)


class CannotKill(Exception):
    """The process was not killed; says why. Nothing was sent to any other."""


class Processes(Protocol):
    """What may be asked of and done to other processes."""

    def fate(self, mark: ProcessMark) -> Fate:
        """Tell whether the process lives. ``unknown``: this machine or platform cannot tell."""
        ...

    def kill(self, mark: ProcessMark) -> None:
        """End exactly this process at once (SIGKILL). Raises CannotKill; one that is gone already is no fault."""
        ...


def boot_id() -> str:
    """Return the name of the machine's present boot, "" where there is none."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def own_mark() -> ProcessMark:
    """Return the mark of this process."""
    pid = os.getpid()
    state = _stat(pid)
    return ProcessMark(pid, 0 if state is None else state[1], boot_id(), _pid_space())


class SystemProcesses:
    """Those of this machine, by /proc and pidfd where the platform has them."""

    def fate(self, mark: ProcessMark) -> Fate:
        """See Processes."""
        if not mark.certain or not boot_id():
            return "unknown"
        if mark.boot_id != boot_id():
            return "gone"
        if mark.pid_space != _pid_space():
            return "unknown"  # a number of another container
        state = _stat(mark.pid)
        if state is None or state[1] != mark.start_ticks or state[0] in "ZX":
            return "gone"
        return "stopped" if state[0] in "Tt" else "runs"

    def kill(self, mark: ProcessMark) -> None:
        """See Processes. The descriptor is opened first: what is compared then is what the signal goes to."""
        if mark.pid in (0, 1, os.getpid()):
            raise CannotKill(f"process {mark.pid} is not one that a guardian kills")
        try:
            handle = os.pidfd_open(mark.pid) if hasattr(os, "pidfd_open") else None
        except ProcessLookupError:
            return
        except OSError as error:
            raise CannotKill(f"process {mark.pid} cannot be held: {error.strerror}") from error
        try:
            self._kill_held(mark, handle)
        finally:
            if handle is not None:
                os.close(handle)

    def _kill_held(self, mark: ProcessMark, handle: int | None) -> None:
        fate = self.fate(mark)
        if fate == "gone":
            return
        if fate == "unknown":
            raise CannotKill(f"process {mark.pid} cannot be told from another with the same number on this machine")
        try:
            if handle is not None:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            else:
                os.kill(mark.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except OSError as error:
            raise CannotKill(f"process {mark.pid} cannot be killed: {error.strerror}") from error


def _stat(pid: int) -> tuple[str, int] | None:
    """Return a process' state letter and start time; None when there is no such process, or no /proc."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rfind(")") + 2 :].split()  # the name before it may hold anything
    return fields[0], int(fields[_START_TIME])


def _pid_space() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
