"""A simulated disk with a sync line. (The real one needs no seam: SQLite is called as it is.)"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.seams.locks import VirtualLocks
from engine.seams.stopwatch import VirtualStopwatch


@dataclass
class _Content:
    """Bytes of one file: those that survive a loss of power, and those that are only written."""

    durable: bytearray = field(default_factory=bytearray)
    cache: bytearray = field(default_factory=bytearray)


class DiskFile:
    """One simulated process's handle on one file. Raises OSError for ever once that process was killed."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name
        self._open = True

    def read(self) -> bytes:
        """Return everything written, synced or not."""
        content = self._content()
        return bytes(content.durable + content.cache)

    def append(self, data: bytes) -> None:
        """Write behind the end. A full disk raises and writes nothing."""
        content = self._content()
        room = self._disk.capacity
        if room is not None and self._disk.used + len(data) > room:
            raise OSError(errno.ENOSPC, "no space left on the simulated disk")
        content.cache += data
        self._disk.tell("append", self._name, data)

    def sync(self) -> None:
        """Make what was written survive a loss of power."""
        content = self._content()
        self._disk.stopwatch.add(self._disk.sync_takes_s)
        if self._disk.sync_fails:
            raise OSError(errno.EIO, "sync failed on the simulated disk")
        content.durable += content.cache
        content.cache.clear()
        self._disk.tell("sync", self._name, b"")

    def truncate(self, size: int) -> None:
        """Keep the first ``size`` bytes, durably."""
        content = self._content()
        content.durable = (content.durable + content.cache)[:size]
        content.cache = bytearray()

    def close(self) -> None:
        """Let go of the file. Writes nothing; closing twice is fine."""
        if self._open:
            self._open = False
            self._disk.release(self)

    def kill(self) -> None:
        """Make the handle useless without letting go of anything: its process is no more."""
        self._open = False

    def _content(self) -> _Content:
        if not self._open:
            raise OSError(errno.EBADF, f"{self._name} is not open: closed, or its process was killed")
        return self._disk.content(self._name)


class Disk:
    """The disk of one simulated machine that runs one process. Outlives the process.

    ``capacity`` (bytes, None = endless), ``sync_fails`` and ``sync_takes_s`` may be changed at any time; the time a
    sync takes is added to ``stopwatch`` and is otherwise no time at all. ``observers`` are called with ("append" or
    "sync", file, bytes) right after it was done.
    """

    def __init__(self, stopwatch: VirtualStopwatch | None = None) -> None:
        self.capacity: int | None = None
        self.sync_fails = False
        self.sync_takes_s = 0.0
        self.stopwatch = stopwatch or VirtualStopwatch()
        self.observers: list[Callable[[str, str, bytes], None]] = []
        self._files: dict[str, _Content] = {}
        self.locks = VirtualLocks()
        """Lock files of the machine, beside its other files: whoever may open those is not the disk's concern."""
        self._open: list[DiskFile] = []

    @property
    def used(self) -> int:
        """Return the bytes of all files."""
        return sum(len(content.durable) + len(content.cache) for content in self._files.values())

    def tell(self, act: str, name: str, data: bytes) -> None:
        """Tell the observers what a handle has done."""
        for observer in self.observers:
            observer(act, name, data)

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return name in self._files

    def create(self, name: str, data: bytes) -> None:
        """Make a file that is there with all of ``data`` or not at all (written aside, synced, renamed)."""
        if self.exists(name):
            raise OSError(errno.EEXIST, f"{name} exists")
        if self.sync_fails:
            raise OSError(errno.EIO, "sync failed on the simulated disk")
        if self.capacity is not None and self.used + len(data) > self.capacity:
            raise OSError(errno.ENOSPC, "no space left on the simulated disk")
        self._files[name] = _Content(durable=bytearray(data))

    def replace(self, name: str, data: bytes) -> None:
        """Put other bytes in a file's place, durably, all of them or none (written aside, synced, renamed)."""
        if self.sync_fails:
            raise OSError(errno.EIO, "sync failed on the simulated disk")
        self._files[name] = _Content(durable=bytearray(data))

    def open(self, name: str) -> DiskFile:
        """Open a file, for as many as want to, as a kernel does. Raises FileNotFoundError."""
        self.content(name)
        handle = DiskFile(self, name)
        self._open.append(handle)
        return handle

    def process_kill(self) -> None:
        """End the process: its handles are dead, its locks free, everything it wrote is there."""
        for handle in self._open:
            handle.kill()
        self._open.clear()
        self.locks.kill()

    def power_loss(self, rng: random.Random) -> None:
        """End process and machine: of each file stays what was synced and a chance prefix of what was written."""
        self.process_kill()
        for name in sorted(self._files):
            content = self._files[name]
            content.durable += content.cache[: rng.randint(0, len(content.cache))]
            content.cache.clear()

    def flip(self, name: str, bit: int) -> None:
        """Turn one bit of a file over, counted from its first byte's lowest."""
        content = self.content(name)
        part, at = (content.durable, bit) if bit < 8 * len(content.durable) else (content.cache, bit)
        at -= 0 if part is content.durable else 8 * len(content.durable)
        part[at // 8] ^= 1 << at % 8

    def lose_tail(self, name: str, size: int) -> None:
        """Keep the first ``size`` bytes of a file alone, as a file system that has lost what it called durable."""
        content = self.content(name)
        content.durable = (content.durable + content.cache)[:size]
        content.cache = bytearray()

    def content(self, name: str) -> _Content:
        """Return a file's bytes for its handle. Raises FileNotFoundError."""
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, f"no file {name} on the simulated disk") from None

    def release(self, handle: DiskFile) -> None:
        """Forget a handle (called by its close)."""
        self._open = [one for one in self._open if one is not handle]
