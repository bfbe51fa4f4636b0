"""Counting by size and by name: what metrics are made of. Plain integers; an observation is one bisection."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

LATENCY_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BRIEF_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
OTHER: Final = "other"
NAMES_MOST: Final = 64
"""Different label values of one metric; what comes beyond them is counted together, so that no scrape ever explodes."""


class Histogram:
    """``counts`` has one place for each bound (value at most that) and one for everything above."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative counts as an exposition wants them: (upper bound, count), +Inf last."""
        found, sum_so_far = [], 0
        for bound, count in zip((*map(_spelt, self.bounds), "+Inf"), self.counts, strict=True):
            sum_so_far += count
            found.append((bound, float(sum_so_far)))
        return found


def _spelt(bound: float) -> str:
    """Return a bound as it is written, without an exponent."""
    return f"{bound:.7f}".rstrip("0").rstrip(".") if bound % 1 else f"{bound:.1f}"


class Named:
    """Counts by label values, at most NAMES_MOST different ones."""

    __slots__ = ("by",)

    def __init__(self) -> None:
        self.by: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str) -> None:
        """Count one."""
        by = self.by
        if labels in by:
            by[labels] += 1
        elif len(by) < NAMES_MOST:
            by[labels] = 1
        else:
            others = (OTHER,) * len(labels)
            by[others] = by.get(others, 0) + 1


class NamedHistograms:
    """A histogram for each label value, at most NAMES_MOST of them."""

    __slots__ = ("bounds", "by")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.by: dict[str, Histogram] = {}

    def observe(self, label: str, value: float) -> None:
        """Count one value."""
        one = self.by.get(label)
        if one is None:
            one = self.by.setdefault(label if len(self.by) < NAMES_MOST else OTHER, Histogram(self.bounds))
        one.observe(value)
