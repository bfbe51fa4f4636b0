"""The machine: versions, files that may be open, the clock's discipline."""

from __future__ import annotations

import ctypes
import platform
import resource
import sqlite3
import sys
from importlib import metadata

import engine
from engine.cli.doctor.finding import Finding, doubtful, good

LIBRARIES = ("trio", "httpx", "trio-websocket", "msgspec", "sqlalchemy", "litestar")
FILES_LEAST = 1024
"""Connections of the dashboard's viewers, of readers and of the venue, with room to spare."""
UNDISCIPLINED = 5
"""What adjtimex(2) returns (TIME_ERROR) while nobody keeps the clock."""
TIMEX_BYTES = 512
"""More than struct timex has on any machine; all zero it is a question and changes nothing."""


def look_at_machine() -> list[Finding]:
    """Return what is known of this machine, whatever the settings say."""
    return [_versions(), _open_files(), _clock_discipline()]


def _versions() -> Finding:
    found = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    text = f"engine {engine.__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {found}"
    return good("versions", text)


def _open_files() -> Finding:
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = "no bound" if most == resource.RLIM_INFINITY else str(most)
    if most == resource.RLIM_INFINITY or most >= FILES_LEAST:
        return good("open files", f"at most {said}")
    more = "as many as you like" if hard == resource.RLIM_INFINITY else str(hard)
    advice = f"run ulimit -n {FILES_LEAST} before the engine, or set LimitNOFILE in its unit"
    return doubtful("open files", f"at most {said}, the hard limit is {more}", advice)


def _clock_discipline() -> Finding:
    if sys.platform != "linux":
        return good("time sync", "not told on this system; the skew against the venue tells")
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):
        state = -1
    if state == UNDISCIPLINED:
        advice = "run chrony or systemd-timesyncd; in a container look at its host"
        return doubtful("time sync", "the kernel says that nobody keeps this clock", advice)
    if state < 0:
        return good("time sync", "not told here; the skew against the venue tells")
    return good("time sync", "the kernel says that the clock is kept")
