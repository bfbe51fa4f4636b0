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
        self._waiting: deque[Item] = deque()
        self._wake = trio.Event()

    def __len__(self) -> int:
        """How many wait for their rows."""
        return len(self._waiting)

    def put(self, item: Item) -> None:
        """Add one."""
        self._waiting.append(item)
        self._wake.set()

    async def run(self) -> None:
        """Hand over until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Hand over what waits now."""
        batch = len(self._waiting)
        if not batch:
            return
        await self._journal.sync()
        for _ in range(min(batch, len(self._waiting))):  # another flush may have been faster
            self._hand_over(self._waiting.popleft())
