"""A counter of calls that readers queue for (§5.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.kraken.limits import Counter

LEAST_WAIT_S = 0.001
BLOCKED_S = 5.0
"""How long we keep quiet after the venue said that the counter is over: 5 to 15 s, says Kraken."""
PUBLIC_BURST = 5
PUBLIC_PER_S = 1.0
"""Public calls count per address; no number is published, about one a second is the customary safe rate."""


class CallBudget:
    """Lets calls go while the counter has room, first come first served."""

    def __init__(self, most: float, decay_per_s: float) -> None:
        self.counter = Counter(most, decay_per_s)
        self._turn = trio.Lock()
        self._settled = trio.Event()

    @asynccontextmanager
    async def room(self, points: float) -> AsyncIterator[None]:
        """Wait until the counter has room, and hold the points while the block runs."""
        async with self._turn:
            while (wait_s := self.counter.wait_s(points, trio.current_time())) > 0:
                with trio.move_on_after(max(wait_s, LEAST_WAIT_S)):
                    await self._settled.wait()
            held = self.counter.hold(points)
        try:
            yield
        finally:
            self.settle(held)

    def settle(self, held: int, *, charged: bool = True) -> None:
        """Let held points decay from now on, or give them back."""
        self.counter.settle(held, trio.current_time(), charged=charged)
        self._settled.set()
        self._settled = trio.Event()

    def blocked(self) -> None:
        """Learn that the venue counts more than we do."""
        full = self.counter.threshold + BLOCKED_S * self.counter.decay_per_s
        self.counter.correct(full, trio.current_time())
