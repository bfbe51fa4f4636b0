"""What went over a link, counted for ever and over a sliding window. Pure; times in seconds as arguments."""

from __future__ import annotations

from collections import deque

STEPS = 12


class Window:
    """A sum over about the last ``span_s`` seconds, kept in twelve steps."""

    def __init__(self, span_s: float) -> None:
        self.span_s = span_s
        self._step_s = span_s / STEPS
        self._steps: deque[list[int]] = deque()  # [number of the step, sum]

    def add(self, now_s: float, count: int = 1) -> None:
        """Count something that happened now."""
        step = int(now_s // self._step_s)
        if self._steps and self._steps[-1][0] == step:
            self._steps[-1][1] += count
        else:
            self._drop(step)
            self._steps.append([step, count])

    def total(self, now_s: float) -> int:
        """Return the sum."""
        self._drop(int(now_s // self._step_s))
        return sum(count for _, count in self._steps)

    def _drop(self, step: int) -> None:
        while self._steps and self._steps[0][0] <= step - STEPS:
            self._steps.popleft()


class Tally:
    """A count with its recent part."""

    def __init__(self, span_s: float) -> None:
        self.total = 0
        self._recent = Window(span_s)

    def add(self, now_s: float) -> None:
        """Count one."""
        self.total += 1
        self._recent.add(now_s)

    def recent(self, now_s: float) -> int:
        """Return how many fell into the window."""
        return self._recent.total(now_s)


class Traffic:
    """Messages and bytes in both directions; of those received how many were errors, invalid or duplicates.

    An invalid message is an error as well; so are refusals to subscribe and requests the venue dropped.
    """

    def __init__(self, span_s: float) -> None:
        self.span_s = span_s
        self.messages_in = Tally(span_s)
        self.errors, self.invalid, self.duplicates = Tally(span_s), Tally(span_s), Tally(span_s)
        self.messages_out = self.bytes_in = self.bytes_out = 0

    def share(self, tally: Tally, now_s: float) -> float:
        """Return the part of the messages received lately that ``tally`` counted, 0..1."""
        messages = self.messages_in.recent(now_s)
        return min(1.0, tally.recent(now_s) / messages) if messages else 0.0
