"""Lock files: a lock ends with the process that has it, however that ends; and what stands in and beside them."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol

from engine.seams.processes import ProcessMark, own_mark

_MOST = 4096
"""Bytes that are read of a lock file: what stands in it is one line."""


class LockFile(Protocol):
    """One opener's hold on a lock file. Its lock excludes every other opener, also one of the same process."""

    def take(self) -> bool:
        """Take the lock; False, at once, while another opener has it."""
        ...

    def give_back(self) -> None:
        """Let others have the lock."""
        ...

    def read(self) -> bytes:
        """Return what stands in the file."""
        ...

    def write(self, text: bytes) -> None:
        """Put this in place of what stands in the file."""
        ...

    def replaced(self) -> bool:
        """Tell whether another file goes by its name now. Raises OSError when none does."""
        ...

    def close(self) -> None:
        """End the hold; nothing may be asked of it any more."""
        ...


class Locks(Protocol):
    """The lock files of one machine, as one of its processes has them."""

    def mark(self) -> ProcessMark:
        """Return the mark of this process."""
        ...

    def host(self) -> str:
        """Return the machine's name, for people."""
        ...

    def open(self, path: Path) -> LockFile:
        """Open a lock file, made (0600) if missing. Raises OSError."""
        ...

    def read(self, path: Path) -> bytes:
        """Return what stands in a file. Raises OSError."""
        ...

    def leave(self, path: Path, text: bytes) -> None:
        """Leave a file (0600) in the place of whatever is there, all of it or nothing. Raises OSError."""
        ...

    def remove(self, path: Path) -> None:
        """Take a file away. Raises OSError, also when there is none."""
        ...


class SystemLocks:
    """Those of this machine: flock(2), which belongs to the opened file and not to its name."""

    def mark(self) -> ProcessMark:
        """See Locks."""
        return own_mark()

    def host(self) -> str:
        """See Locks."""
        return os.uname().nodename

    def open(self, path: Path) -> LockFile:
        """See Locks."""
        return _SystemLockFile(path)

    def read(self, path: Path) -> bytes:
        """See Locks."""
        return path.read_bytes()

    def leave(self, path: Path, text: bytes) -> None:
        """See Locks."""
        fresh = path.with_name(path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, text)
        finally:
            os.close(handle)
        fresh.replace(path)

    def remove(self, path: Path) -> None:
        """See Locks."""
        path.unlink()


class _SystemLockFile:
    def __init__(self, path: Path) -> None:
        self._path, self._handle = path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def give_back(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def read(self) -> bytes:
        return os.pread(self._handle, _MOST, 0)

    def write(self, text: bytes) -> None:
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text, 0)

    def replaced(self) -> bool:
        ours, there = os.fstat(self._handle), self._path.stat()
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    def close(self) -> None:
        os.close(self._handle)


class _File:
    """What a name stands for, until another file takes its place."""

    def __init__(self, text: bytes = b"") -> None:
        self.text = text
        self.holder: VirtualLockFile | None = None


class VirtualLocks:
    """Those of a simulated machine that runs one process at a time: ``kill`` ends it, with every hold it has."""

    def __init__(self) -> None:
        self.files: dict[Path, _File] = {}
        self._process = 1
        self._open: list[VirtualLockFile] = []

    def mark(self) -> ProcessMark:
        """See Locks. Its number is how many processes there have been."""
        return ProcessMark(self._process)

    def host(self) -> str:
        """See Locks."""
        return "the simulated machine"

    def open(self, path: Path) -> LockFile:
        """See Locks."""
        hold = VirtualLockFile(self, path, self.files.setdefault(path, _File()))
        self._open.append(hold)
        return hold

    def read(self, path: Path) -> bytes:
        """See Locks."""
        return self.named(path).text

    def leave(self, path: Path, text: bytes) -> None:
        """See Locks."""
        self.files[path] = _File(text)

    def remove(self, path: Path) -> None:
        """See Locks."""
        self.named(path)
        del self.files[path]

    def kill(self) -> None:
        """End the process: its locks are free, and nothing that still runs in its ruins can write or free anything."""
        for hold in list(self._open):
            hold.close()
        self._process += 1

    def named(self, path: Path) -> _File:
        """Return the file that goes by this name. Raises FileNotFoundError."""
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, f"no file {path} on the simulated machine") from None

    def forget(self, hold: VirtualLockFile) -> None:
        """Take note of the end of a hold (called by its close)."""
        self._open = [one for one in self._open if one is not hold]


class VirtualLockFile:
    """A hold on a virtual lock file. One that is closed, or whose process was killed, does nothing any more."""

    def __init__(self, locks: VirtualLocks, path: Path, file: _File) -> None:
        self._locks, self._path, self._file, self._closed = locks, path, file, False

    def take(self) -> bool:
        """See LockFile."""
        if self._file.holder is None:
            self._file.holder = self
        return self._file.holder is self

    def give_back(self) -> None:
        """See LockFile."""
        if self._file.holder is self:
            self._file.holder = None

    def read(self) -> bytes:
        """See LockFile."""
        return self._file.text

    def write(self, text: bytes) -> None:
        """See LockFile."""
        if not self._closed:
            self._file.text = text

    def replaced(self) -> bool:
        """See LockFile."""
        return self._locks.named(self._path) is not self._file

    def close(self) -> None:
        """See LockFile."""
        self.give_back()
        self._closed = True
        self._locks.forget(self)
