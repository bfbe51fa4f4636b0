"""The right to write: a kernel lock on a file of its own, so that it ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from engine.errors import JournalBusy, JournalError


@contextlib.contextmanager
def hold_lease(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` (made if missing, never removed) for the length of the block.

    Raises JournalBusy naming the holder when another opener has it, also one in this very process. The file says who
    holds it; the lock, not the text, is what counts: a file left behind by a dead process binds nobody.
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
            raise JournalBusy(f"{path.with_suffix('')} is held by process {_holder(handle)}") from None
        _write(handle, f"{os.getpid()}\n".encode())
        try:
            yield
        finally:
            _write(handle, b"")
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    # The holder may be between taking the lock and writing its number.
    return os.pread(handle, 32, 0).decode(errors="replace").strip() or "(unknown)"


def _write(handle: int, text: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
