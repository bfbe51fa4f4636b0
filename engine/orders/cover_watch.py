"""What of a bracket has no sure stop: how much, since when, and the gauge of quantity times seconds."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from engine.orders.bracket_events import Policy
from engine.values.money import NO_QTY, ZERO, Qty
from engine.values.time import NS

GAUGE_STEP: Final = Decimal("1E-9")
"""Base units times seconds: finer than any lot for the least time that a frame takes."""

CROWDED_PARTS = 2
"""While the venue's counter is short, fills are gathered for this part of the bound: a stop that grows for each of
those that trickle in costs four points a time, and leaves none for what comes then."""


class CoverWatch:
    """``qty`` base units are uncovered as of the last plan; ``qty_s`` is the gauge. Times in UTC nanoseconds."""

    def __init__(self, policy: Policy) -> None:
        self._window_ns, self._bound_ns = round(policy.cover_window_s * NS), round(policy.cover_bound_s * NS)
        self._crowded_ns = max(self._window_ns, self._bound_ns // CROWDED_PARTS)
        self.qty, self.qty_s = NO_QTY, ZERO
        self._gauge_at = 0
        self._bare: deque[tuple[Decimal, int]] = deque()
        """What was held, and since when: what lies above the covered part. Stops cover what came first."""
        self._missing_since: int | None = None  # fills are gathered for the window before they are covered
        self._surplus_since: int | None = None  # and so is the dust by which stops are for more than is held

    def see(self, uncovered: Qty, held: Qty, now_ns: int, *, bare: bool, missing: bool, surplus: bool) -> None:
        """Take a plan's sum. ``bare``: nothing excuses it; ``missing``: its cover may wait for further fills.

        ``surplus``: stops are for more than is held. Each quantity has the bound for itself: while fills trickle in and
        stops follow, something is always bare.
        """
        self.qty = uncovered
        while self._bare and (not bare or self._bare[0][0] <= held - uncovered):
            self._bare.popleft()
        if bare and (not self._bare or held > self._bare[-1][0]):
            self._bare.append((held, now_ns))
        self._missing_since = _since(self._missing_since, now_ns) if missing else None
        self._surplus_since = _since(self._surplus_since, now_ns) if surplus else None

    @property
    def _bare_since(self) -> int | None:
        return self._bare[0][1] if self._bare else None

    def begin_anew(self) -> None:
        """Count the bound from now on: only now may anybody act."""
        self._bare.clear()

    def hurry(self) -> None:
        """Gather no further fills for what is missing now; the next ones have a window of their own."""
        if self._missing_since is not None:
            self._missing_since = 0

    def gathered(self, now_ns: int, *, crowded: bool = False) -> bool:
        """Tell whether the window for further fills is over."""
        return self._over(self._missing_since, now_ns, crowded=crowded)

    def trims(self, now_ns: int, *, crowded: bool = False) -> bool:
        """Tell whether stops have been for more than is held for as long as further fills may change that."""
        return self._over(self._surplus_since, now_ns, crowded=crowded)

    def _over(self, since: int | None, now_ns: int, *, crowded: bool) -> bool:
        return since is not None and now_ns >= since + (self._crowded_ns if crowded else self._window_ns)

    def too_long(self, now_ns: int) -> bool:
        """Tell whether quantity has been bare past the bound."""
        return self._bare_since is not None and now_ns >= self._bare_since + self._bound_ns

    def moments(self) -> list[int]:
        """Return when the window and the bound end."""
        gathered = (self._missing_since, self._surplus_since)
        windows = [(since, length_ns) for since in gathered for length_ns in (self._window_ns, self._crowded_ns)]
        ends = (*windows, (self._bare_since, self._bound_ns))
        return [since + length_ns for since, length_ns in ends if since is not None]

    def gauge(self, now_ns: int) -> Decimal:
        """Return the gauge as of now: base units times seconds."""
        bare = self.qty * Decimal(max(0, now_ns - self._gauge_at)) / NS if self._gauge_at else ZERO
        return (self.qty_s + bare).quantize(GAUGE_STEP)

    def run(self, now_ns: int) -> None:
        """Count up to now."""
        self.qty_s, self._gauge_at = self.gauge(now_ns), now_ns

    def restore(self, uncovered: Qty, qty_s: Decimal, ts_ns: int) -> None:
        """Go on from what was journalled: what was bare then stays so while nobody looks."""
        self.qty, self.qty_s, self._gauge_at = uncovered, qty_s, ts_ns


def _since(start: int | None, now_ns: int) -> int:
    return now_ns if start is None else start
