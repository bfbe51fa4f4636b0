"""The right to write: a kernel lock on a file of its own, so that it ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.errors import JournalBusy, JournalError
from engine.values.time import rfc3339


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease: for people, and for a guardian that must know the process by more than its number."""

    pid: int
    started: str
    host: str
    data_dir: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}, data directory {self.data_dir}"


@contextlib.contextmanager
def hold_lease(path: Path, *, what: str = "", now_ns: int = 0, data_dir: Path | None = None) -> Iterator[None]:
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
            raise JournalBusy(f"{held} is held by {_holder(handle)}; stop that one first") from None
        holder = Holder(os.getpid(), rfc3339(now_ns, 0), os.uname().nodename, str(data_dir or path.parent))
        _write(handle, msgspec.json.encode(holder) + b"\n")
        try:
            yield
        finally:
            _write(handle, b"")
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    # The holder may be between taking the lock and writing its number.
    try:
        return str(msgspec.json.decode(os.pread(handle, 4096, 0), type=Holder))
    except msgspec.MsgspecError:
        return "another process"


def _write(handle: int, text: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
