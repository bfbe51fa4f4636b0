"""The data directory: who may write into it, what it lies on, how fast it syncs, what room there is."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from engine.cli.doctor.finding import Finding, bad, doubtful, good
from engine.cli.exits import Exit
from engine.cli.mounts import network_file_system
from engine.journal.journal import SLOW_SYNC_S
from engine.runtime.halt_watch import HaltFile
from engine.seams.stopwatch import SystemStopwatch
from engine.values.time import NS

ROOM_LEAST, ROOM_LITTLE = 100 * 2**20, 2**30
"""Bytes. A journal row is about one kilobyte; a busy day makes some hundred megabytes with its log."""
SYNCS = 100
SYNCS_BOUND_S = 2.0
"""A disk that needs longer for so few has told enough."""
SYNC_BYTES = 4096
"""As much as the journal's write-ahead log takes for a small commit."""
SLOW_S = 0.02
"""At a p99 above this the disk is a good part of every order's way."""


def look_at_place(directory: Path) -> list[Finding]:
    """Look at the data directory, or at where it would be made."""
    there = _nearest(directory)
    found = [_directory(directory, there), _room(there), _sync_speed(there)]
    reason = HaltFile(directory).read()
    if reason is not None:
        text = f"a halt file lies in the data directory: {reason}"
        found.append(doubtful("halt file", text, "no entry passes: remove it, then resume"))
    return found


def _nearest(directory: Path) -> Path:
    """Return the directory, or the first above it that is there."""
    return next(place for place in (directory.absolute(), *directory.absolute().parents) if place.exists())


def _directory(directory: Path, there: Path) -> Finding:
    name = "data directory"
    if (kind := network_file_system(there)) is not None:
        text = f"{directory} lies on {kind}, where locks and syncs do not hold"
        return bad(name, text, "choose a local disk with --data-dir", Exit.USAGE)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return bad(name, f"{there} cannot be written into", "choose another with --data-dir", Exit.USAGE)
    if there != directory.absolute():
        return good(name, f"{directory} is not there yet; the first run makes it")
    mode = there.stat().st_mode & 0o777
    if mode & 0o022 and any(there.iterdir()):
        return bad(name, f"others can write into {there} (mode {mode:04o})", f"run chmod 700 {there}", Exit.USAGE)
    return good(name, str(directory))


def _room(there: Path) -> Finding:
    free = shutil.disk_usage(there).free
    text = f"{free / 2**30:.1f} GiB free"
    if free < ROOM_LEAST:
        return bad("free disk", text, "make room: the engine stops when the journal cannot be written", Exit.JOURNAL)
    if free < ROOM_LITTLE:
        return doubtful("free disk", text, "make room: the engine stops when the journal cannot be written")
    return good("free disk", text)


def _sync_speed(there: Path) -> Finding:
    try:
        took_s = sorted(_sync_times(there))
    except OSError as error:
        text = f"a file cannot be written and synced in {there}: {error.strerror}"
        return bad("disk sync", text, "look at the disk, or choose another --data-dir", Exit.JOURNAL)
    p50, p99, most = took_s[len(took_s) // 2], took_s[int((len(took_s) - 1) * 0.99)], took_s[-1]
    text = f"p50 {_ms(p50)}, p99 {_ms(p99)}, longest {_ms(most)} of {len(took_s)} syncs"
    if p99 > SLOW_SYNC_S:
        return bad("disk sync", text, "every order waits for one: use a local solid-state disk", Exit.JOURNAL)
    if p99 > SLOW_S:
        return doubtful("disk sync", text, "every order waits for one: look who else uses this disk")
    return good("disk sync", text)


def _sync_times(there: Path) -> list[float]:
    """Append and sync as the journal does, in a file that is gone afterwards."""
    watch = SystemStopwatch()
    took_s: list[float] = []
    begun_ns = watch.monotonic_ns()
    with tempfile.TemporaryFile(dir=there, prefix=".doctor-") as file:
        while len(took_s) < SYNCS and watch.monotonic_ns() - begun_ns < SYNCS_BOUND_S * NS:
            before_ns = watch.monotonic_ns()
            os.write(file.fileno(), bytes(SYNC_BYTES))
            os.fsync(file.fileno())
            took_s.append((watch.monotonic_ns() - before_ns) / NS)
    return took_s


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
