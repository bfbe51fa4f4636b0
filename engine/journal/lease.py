"""The right to write: a kernel lock on a file of its own, so that it ends with the process, however that ends.

A process that stands still keeps its lock. A guardian that wants it leaves a claim beside the lock file, addressed to
the holder: one that wakes up, or still can look, ends by itself then; one that cannot is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.errors import JournalBusy, JournalError
from engine.seams.processes import ProcessMark, own_mark
from engine.values.time import rfc3339


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease: for people, and for a guardian that must know the process by more than its number."""

    pid: int
    started: str
    host: str
    data_dir: str
    mark: ProcessMark | None = None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}, data directory {self.data_dir}"


class Claim(msgspec.Struct, frozen=True):
    """One process' demand that another, ``of``, gives its lease up. ``by`` and ``why`` are for people."""

    of: ProcessMark
    by: str
    why: str
    at: str


class Lease:
    """A lease that is held. Ask it again after a standstill: nobody else can tell this process that it was robbed."""

    def __init__(self, path: Path, handle: int, mark: ProcessMark) -> None:
        self._path, self._handle, self._mark = path, handle, mark

    def lost(self) -> str:
        """Say why it is not ours any more; empty while it is. Two looks at the file system, some microseconds."""
        try:
            ours, there = os.fstat(self._handle), self._path.stat()
        except OSError as error:
            return f"the lock file {self._path} is gone: {error.strerror}"
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            return f"the lock file {self._path} was put there anew by somebody else"
        claim = read_claim(self._path)
        if claim is not None and claim.of == self._mark:
            return f"{claim.by} has claimed it at {claim.at}: {claim.why}"
        return ""


@contextlib.contextmanager
def hold_lease(path: Path, *, what: str = "", now_ns: int = 0, data_dir: Path | None = None) -> Iterator[Lease]:
    """Hold the lock file ``path`` (made if missing, never removed) for the length of the block.

    Raises JournalBusy naming ``what`` (default: the file) and the holder when another opener has it, also one in this
    very process. The file says who holds it; the lock, not the text, is what counts: a file left by a dead process
    binds nobody.
    """
    try:
        # Not locking the journal file itself: SQLite uses POSIX locks on it, which a second open and close would drop.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"cannot open the lock file {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = what or str(path.with_suffix(""))
            raise JournalBusy(f"{held} is held by {_named(handle)}; stop that one first") from None
        mark = own_mark()
        holder = Holder(mark.pid, rfc3339(now_ns, 0), os.uname().nodename, str(data_dir or path.parent), mark)
        _write(handle, msgspec.json.encode(holder) + b"\n")
        try:
            yield Lease(path, handle, mark)
        finally:
            _write(handle, b"")
    finally:
        os.close(handle)


def read_holder(path: Path) -> Holder | None:
    """Return who last wrote himself into a lock file and has not signed off; he may be dead. None: nobody."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def write_claim(path: Path, claim: Claim) -> None:
    """Leave a claim for the holder of the lock file ``path``, all of it or none. Raises JournalError."""
    place = _claim_place(path)
    fresh = place.with_name(place.name + ".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, msgspec.json.encode(claim) + b"\n")
        finally:
            os.close(handle)
        fresh.replace(place)
    except OSError as error:
        raise JournalError(f"cannot leave a claim at {place}: {error.strerror}") from error


def read_claim(path: Path) -> Claim | None:
    """Return the claim beside a lock file; None when there is none that can be read."""
    try:
        return msgspec.json.decode(_claim_place(path).read_bytes(), type=Claim)
    except (OSError, msgspec.MsgspecError):
        return None


def withdraw_claim(path: Path) -> None:
    """Take the claim beside a lock file away."""
    with contextlib.suppress(OSError):
        _claim_place(path).unlink()


def _claim_place(path: Path) -> Path:
    return path.with_suffix(".claim")


def _named(handle: int) -> str:
    # The holder may be between taking the lock and writing its number.
    try:
        return str(msgspec.json.decode(os.pread(handle, 4096, 0), type=Holder))
    except msgspec.MsgspecError:
        return "another process"


def _write(handle: int, text: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
