"""A pace for what must be answered but not at any rate: after a burst each waits for its turn."""

from __future__ import annotations

import math

import trio


class Pace:
    """``burst`` at once, then ``per_s``. How many wait at a time is their callers' bound: one for each connection."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._step_s, self._ahead_s = 1 / per_s, burst / per_s
        self._next_s = -math.inf

    async def turn(self) -> None:
        """Wait for a turn, not at all within the burst. A turn whose taker is cancelled is lost."""
        now_s = trio.current_time()
        self._next_s = max(self._next_s, now_s - self._ahead_s) + self._step_s
        if self._next_s > now_s:
            await trio.sleep_until(self._next_s)
