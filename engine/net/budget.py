"""A bound on how often something may be done."""

from __future__ import annotations

from collections import deque

import trio


class RollingBudget:
    """At most ``most`` times within any ``within_s`` seconds, whoever asks. First come, first served."""

    def __init__(self, most: int, within_s: float) -> None:
        self.most, self.within_s = most, within_s
        self._spent: deque[float] = deque(maxlen=most)
        self._turn = trio.Lock()

    def leaving(self, count: int) -> RollingBudget:
        """Return the same budget for one who leaves ``count`` of it to others, and never makes them wait in line."""
        share = RollingBudget(self.most - count, self.within_s)
        share._spent = self._spent
        return share

    def wait_s(self, now_s: float) -> float:
        """Return how long until the next one is allowed; 0 when it is now."""
        if len(self._spent) < self.most:
            return 0.0
        return max(0.0, self._spent[-self.most] + self.within_s - now_s)

    def spend(self, now_s: float) -> None:
        """Note one done now."""
        self._spent.append(now_s)

    async def take(self) -> None:
        """Wait until one more is allowed, and spend it."""
        async with self._turn:
            await trio.lowlevel.checkpoint()
            while (wait_s := self.wait_s(trio.current_time())) > 0:  # noqa: ASYNC110 - others may spend meanwhile
                await trio.sleep(wait_s)
            self.spend(trio.current_time())
