"""A bound on how often something may be done, the most urgent first."""

from __future__ import annotations

import itertools
import math
from collections import deque

import trio


class Throttle:
    """At most ``most`` turns within any ``within_s`` seconds; the last ``reserved`` of them go to urgent ones alone.

    The smallest rank goes first, within a rank the first that came; ranks up to ``urgent`` need not leave the reserve.
    """

    def __init__(self, most: int, within_s: float, reserved: int = 0, urgent: int = 0) -> None:
        self.most, self.within_s, self.reserved, self.urgent = most, within_s, reserved, urgent
        self._taken: deque[float] = deque(maxlen=most)
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count(1)
        self._changed = trio.Event()
        self._closed = False

    async def turn(self, rank: int) -> bool:
        """Wait for a turn and take it; False when the throttle was closed instead."""
        await trio.lowlevel.checkpoint()
        ticket = (rank, next(self._numbers))
        self._waiting.append(ticket)
        try:
            while not self._closed:
                now_s = trio.current_time()
                first = ticket == min(self._waiting)
                wait_s = self._wait_s(rank, now_s)
                if first and wait_s <= 0:
                    self._taken.append(now_s)
                    return True
                with trio.move_on_after(wait_s if first else math.inf):
                    await self._changed.wait()
            return False
        finally:
            self._waiting.remove(ticket)
            self._tell()

    def close(self) -> None:
        """Let everyone who waits go without a turn."""
        self._closed = True
        self._tell()

    def _wait_s(self, rank: int, now_s: float) -> float:
        most = self.most if rank <= self.urgent else self.most - self.reserved
        if len(self._taken) < most:
            return 0.0
        return self._taken[-most] + self.within_s - now_s

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
