"""How soon after a swap of stop for target the next one may begin."""

from __future__ import annotations

from engine.orders.bracket_events import Policy
from engine.values.time import NS

MOST_DOUBLINGS = 3


class SwapPauses:
    """``ready_ns`` is when the next swap may begin, in UTC nanoseconds."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.ready_ns = 0
        self._fruitless = 0

    def after(self, now_ns: int, *, traded: bool) -> None:
        """After a swap that traded nothing the next one waits, twice as long each time; after another, for its book.

        The book may still show what we have just taken: it is told apart from our fills.
        """
        if traded:
            self._fruitless = 0
            self.ready_ns = now_ns + round(self._policy.cover_window_s * NS)
            return
        self.ready_ns = now_ns + round(self._policy.swap_pause_s * 2**self._fruitless * NS)
        self._fruitless = min(self._fruitless + 1, MOST_DOUBLINGS)
