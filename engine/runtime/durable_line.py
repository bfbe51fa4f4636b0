"""What is to be told once the journal rows that it rests on are durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from engine.journal.journal import Journal

Item = TypeVar("Item")


class DurableLine(Generic[Item]):
    """Hands items over in their order, each after every row appended before it came is durable.

    Bounded by whoever feeds it: it is emptied at every sync.
    """

    def __init__(self, journal: Journal, hand_over: Callable[[Item], None]) -> None:
        self._journal, self._hand_over = journal, hand_over
        self._waiting: deque[tuple[int, Item]] = deque()  # with the last row appended before it came
        self._wake = trio.Event()

    def __len__(self) -> int:
        """How many wait for their rows."""
        return len(self._waiting)

    def put(self, item: Item) -> None:
        """Add one."""
        self._waiting.append((self._journal.head[0], item))
        self._wake.set()

    async def run(self) -> None:
        """Hand over until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Hand over what waits now. What comes meanwhile waits for its own rows, whichever flush is faster."""
        if not self._waiting:
            return
        await self._journal.sync()
        while self._waiting and self._waiting[0][0] <= self._journal.durable:
            _, item = self._waiting.popleft()
            self._hand_over(item)
