"""How long the machine has been up, the time it slept included: whoever was stopped or suspended finds out by it."""

from __future__ import annotations

import time
from typing import Final, Protocol

import trio

_COUNTS_SLEEP: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's monotonic clock stands still while the machine sleeps; macOS has one that does not."""


class Uptime(Protocol):
    """A clock that never goes back and never stands still, the same for every process of one machine since its boot."""

    def now_ns(self) -> int:
        """Return nanoseconds since some moment of this boot."""
        ...


class SystemUptime:
    """The machine's."""

    def now_ns(self) -> int:
        """Return the machine's time since it was booted."""
        return time.clock_gettime_ns(_COUNTS_SLEEP)


class VirtualUptime:
    """trio's (mocked) time, and what the process is said to have been stopped for."""

    def __init__(self) -> None:
        self._stood_ns = 0

    def now_ns(self) -> int:
        """Return virtual time plus every standstill, to the microsecond."""
        return self._stood_ns + round(trio.current_time() * 1_000_000) * 1000

    def stand_still(self, seconds: float) -> None:
        """Let this process have been stopped for so long just now: nothing in it ran meanwhile."""
        self._stood_ns += round(seconds * 1_000_000_000)
