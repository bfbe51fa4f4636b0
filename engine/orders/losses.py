"""Stops that ended without our asking: once it may be a mishap, the second time a person means it."""

from __future__ import annotations

from typing import Final

from engine.values.time import NS

MAX_VANISHED: Final = 2
"""A stop that was taken away is put back once; the second time a person means it."""
ONE_LOSS_NS: Final = 10 * NS
"""Stops that go within this time are lost at once: REST tells of them in rounds of a second or two."""


class Losses:
    """``times`` that resting stops have gone. Times in UTC nanoseconds."""

    def __init__(self) -> None:
        self.times = 0
        self._lost_at = 0
        self._put_back: set[str] = set()  # stops the venue took after a loss

    @property
    def final(self) -> bool:
        """Whether a person has taken over."""
        return self.times >= MAX_VANISHED

    def lose(self, cl_ord_id: str, now_ns: int) -> None:
        """Count a loss: several stops that rested side by side and go together are one."""
        again = cl_ord_id in self._put_back or now_ns >= self._lost_at + ONE_LOSS_NS
        if not self.times or again:
            self.times += 1
        self._lost_at = now_ns

    def placed(self, cl_ord_id: str) -> None:
        """Note that the venue has taken a stop; after a loss it is one that was put back."""
        if self.times:
            self._put_back.add(cl_ord_id)
