"""Readers of market data, each with its promise in its type: the latest of everything, or every one or the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import msgspec
import trio

Item = TypeVar("Item")


class Latest(msgspec.Struct, Generic[Item], frozen=True):
    """The present state of one thing, and how many states before it the reader has not seen."""

    value: Item
    skipped: int


class CutOff(msgspec.Struct, frozen=True):
    """The last thing an ``Every`` reader gets that fell behind: ``given`` were queued for it, what followed is lost."""

    given: int


class _Reader:
    """Wakes its one reading task."""

    def __init__(self) -> None:
        self._news = trio.Event()
        self.closed = False

    def close(self) -> None:
        """End it; what is waiting can still be read."""
        self.closed = True
        self._news.set()

    async def _wait(self) -> None:
        await self._news.wait()
        if not self.closed:
            self._news = trio.Event()


class Conflated(_Reader, Generic[Item]):
    """The latest of each key (a symbol, a symbol's interval): a slow reader skips states and learns how many.

    What it gets is the state at the moment of reading. It keeps one entry for each key, however far behind it is, and
    keys take turns in the order in which they changed. One task reads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[Hashable, tuple[Callable[[], Item], int]] = {}

    @property
    def waiting(self) -> int:
        """How many keys have news."""
        return len(self._waiting)

    def offer(self, key: Hashable, look: Callable[[], Item]) -> None:
        """Note that a key has changed; ``look`` returns its state when it is read."""
        before = self._waiting.get(key)
        self._waiting[key] = (look, 0 if before is None else before[1] + 1)
        self._news.set()

    def __aiter__(self) -> Conflated[Item]:
        """Iterate over states until it is closed. May be left at any time."""
        return self

    async def __anext__(self) -> Latest[Item]:
        """Wait for the next state."""
        while not self._waiting:
            if self.closed:
                raise StopAsyncIteration
            await self._wait()
        key = next(iter(self._waiting))
        look, skipped = self._waiting.pop(key)
        return Latest(look(), skipped)


class Every(_Reader, Generic[Item]):
    """Everything, in order. A reader that lets more than ``capacity`` wait is cut off: a CutOff is its last item."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity
        self._waiting: deque[Item | CutOff] = deque()
        self._given = 0

    @property
    def waiting(self) -> int:
        """How many items wait, the marker included: never more than the capacity and one."""
        return len(self._waiting)

    def offer(self, item: Item) -> None:
        """Queue an item, or cut the reader off."""
        if self.closed:
            return
        if len(self._waiting) >= self._capacity:
            self._waiting.append(CutOff(self._given))
            self.close()
            return
        self._given += 1
        self._waiting.append(item)
        self._news.set()

    def take(self) -> list[Item | CutOff]:
        """Take everything that waits, without waiting."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def __aiter__(self) -> Every[Item]:
        """Iterate over items; ends after CutOff or when it is closed. May be left at any time."""
        return self

    async def __anext__(self) -> Item | CutOff:
        """Wait for the next item."""
        while not self._waiting:
            if self.closed:
                raise StopAsyncIteration
            await self._wait()
        return self._waiting.popleft()
