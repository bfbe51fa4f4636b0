"""The right to write: a kernel lock on a file of its own, so that it ends with the process, however that ends.

A process that stands still keeps its lock. A guardian that wants it leaves a claim beside the lock file, addressed to
the holder: one that wakes up, or still can look, ends by itself then; one that cannot is killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import JournalBusy, JournalError
from engine.seams.locks import LockFile, Locks, SystemLocks
from engine.seams.processes import ProcessMark
from engine.values.time import rfc3339

THIS_MACHINE: Final = SystemLocks()


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

    def __init__(self, path: Path, held: LockFile, locks: Locks, mark: ProcessMark) -> None:
        self._path, self._held, self._locks, self._mark = path, held, locks, mark

    def lost(self) -> str:
        """Say why it is not ours any more; empty while it is. Two looks at the file system, some microseconds."""
        try:
            replaced = self._held.replaced()
        except OSError as error:
            return f"the lock file {self._path} is gone: {error.strerror}"
        if replaced:
            return f"the lock file {self._path} was put there anew by somebody else"
        claim = read_claim(self._path, self._locks)
        if claim is not None and claim.of == self._mark:
            return f"{claim.by} has claimed it at {claim.at}: {claim.why}"
        return ""


@contextlib.contextmanager
def hold_lease(
    path: Path, *, what: str = "", now_ns: int = 0, data_dir: Path | None = None, locks: Locks = THIS_MACHINE
) -> Iterator[Lease]:
    """Hold the lock file ``path`` (made if missing, never removed) for the length of the block.

    Raises JournalBusy naming ``what`` (default: the file) and the holder when another opener has it, also one in this
    very process. The file says who holds it; the lock, not the text, is what counts: a file left by a dead process
    binds nobody.
    """
    try:
        # Not locking the journal file itself: SQLite uses POSIX locks on it, which a second open and close would drop.
        held = locks.open(path)
    except OSError as error:
        raise JournalError(f"cannot open the lock file {path}: {error.strerror}") from error
    try:
        if not held.take():
            raise JournalBusy(f"{what or path.with_suffix('')} is held by {_named(held)}; stop that one first")
        mark = locks.mark()
        holder = Holder(mark.pid, rfc3339(now_ns, 0), locks.host(), str(data_dir or path.parent), mark)
        held.write(msgspec.json.encode(holder) + b"\n")
        try:
            yield Lease(path, held, locks, mark)
        finally:
            held.write(b"")
            held.give_back()  # a child forked without an exec has the file open too: closing ours would leave it his
    finally:
        held.close()


def read_holder(path: Path, locks: Locks = THIS_MACHINE) -> Holder | None:
    """Return who last wrote himself into a lock file and has not signed off; he may be dead. None: nobody."""
    try:
        return msgspec.json.decode(locks.read(path), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def write_claim(path: Path, claim: Claim, locks: Locks = THIS_MACHINE) -> None:
    """Leave a claim for the holder of the lock file ``path``, all of it or none. Raises JournalError."""
    place = _claim_place(path)
    try:
        locks.leave(place, msgspec.json.encode(claim) + b"\n")
    except OSError as error:
        raise JournalError(f"cannot leave a claim at {place}: {error.strerror}") from error


def read_claim(path: Path, locks: Locks = THIS_MACHINE) -> Claim | None:
    """Return the claim beside a lock file; None when there is none that can be read."""
    try:
        return msgspec.json.decode(locks.read(_claim_place(path)), type=Claim)
    except (OSError, msgspec.MsgspecError):
        return None


def withdraw_claim(path: Path, locks: Locks = THIS_MACHINE) -> None:
    """Take the claim beside a lock file away."""
    with contextlib.suppress(OSError):
        locks.remove(_claim_place(path))


def _claim_place(path: Path) -> Path:
    return path.with_suffix(".claim")


def _named(held: LockFile) -> str:
    # The holder may be between taking the lock and writing its number.
    try:
        return str(msgspec.json.decode(held.read(), type=Holder))
    except msgspec.MsgspecError:
        return "another process"
