"""How long a blocking call took. For measuring inline work only: waiting and deadlines are trio's."""

from __future__ import annotations

import time
from typing import Protocol


class Stopwatch(Protocol):
    """A clock that never goes back. Only differences mean anything."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some fixed moment."""
        ...


class SystemStopwatch:
    """The machine's monotonic clock."""

    def monotonic_ns(self) -> int:
        """Return the machine's monotonic time."""
        return time.monotonic_ns()


class VirtualStopwatch:
    """Stands still, because an inline call is one moment of virtual time; simulated devices add what they 'took'."""

    def __init__(self) -> None:
        self._now_ns = 0

    def monotonic_ns(self) -> int:
        """Return the sum of what was added."""
        return self._now_ns

    def add(self, seconds: float) -> None:
        """Let a call that is being measured seem to take ``seconds`` longer."""
        self._now_ns += round(seconds * 1_000_000_000)
