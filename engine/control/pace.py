"""A pace for what must be answered but not at any rate: after a burst each waits for its turn."""

from __future__ import annotations

import math

import trio


class Pace:
    """``burst`` at once, then ``per_s``; nobody waits for longer than ``wait_s``, so no queue grows without end."""

    def __init__(self, per_s: float, burst: float, wait_s: float) -> None:
        self._step_s, self._ahead_s, self._wait_s = 1 / per_s, burst / per_s, wait_s
        self._next_s = -math.inf

    async def turn(self) -> bool:
        """Wait for a turn, not at all within the burst; False at once where it would take too long.

        A turn whose taker is cancelled is lost.
        """
        now_s = trio.current_time()
        next_s = max(self._next_s, now_s - self._ahead_s) + self._step_s
        if next_s > now_s + self._wait_s:
            return False
        self._next_s = next_s
        if next_s > now_s:
            await trio.sleep_until(next_s)
        return True
