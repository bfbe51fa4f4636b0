"""Wall clock. Durations and deadlines never come from here: those are trio's."""

from __future__ import annotations

import time
from typing import Protocol

import trio

NS = 1_000_000_000


class Clock(Protocol):
    """UTC wall time in nanoseconds since 1970."""

    def now_ns(self) -> int:
        """Return the present moment."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return the machine's UTC time."""
        return time.time_ns()


class VirtualClock:
    """A fixed epoch plus trio's (mocked) time; ``skew_ns`` may be changed to rehearse clock steps."""

    def __init__(self, epoch_ns: int = 1_767_225_600 * NS, skew_ns: int = 0) -> None:
        self.epoch_ns = epoch_ns  # 2026-01-01T00:00:00Z
        self.skew_ns = skew_ns

    def now_ns(self) -> int:
        """Return epoch + virtual time + skew. Rounded to the microsecond: trio's time is a float."""
        return self.epoch_ns + self.skew_ns + round(trio.current_time() * 1_000_000) * 1000


class SteadyClock:
    """A clock's time at the start plus trio's elapsed time: steps of the wall clock do not move it."""

    def __init__(self, clock: Clock) -> None:
        self._start_ns = clock.now_ns()
        self._start_s = trio.current_time()

    def now_ns(self) -> int:
        """Return UTC nanoseconds as counted from the start, to the microsecond."""
        return self._start_ns + round((trio.current_time() - self._start_s) * 1_000_000) * 1000
