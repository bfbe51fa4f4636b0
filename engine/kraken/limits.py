"""Kraken's two counters, modelled: the engine's per pair (§5.2) and REST's per key (§5.1). Pure; times in seconds.

Any clock that never runs backwards will do, as long as one object sees only one.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import Literal, NamedTuple

Transaction = Literal["add", "amend", "edit", "cancel"]


class TierLimits(NamedTuple):
    """What one verification tier may do. Decays are points per second."""

    engine_threshold: float
    engine_decay: float
    open_orders: int
    rest_max: float
    rest_decay: float


TIERS: dict[str, TierLimits] = {
    "starter": TierLimits(60, 1.0, 60, 15, 0.33),
    "intermediate": TierLimits(125, 2.34, 80, 20, 0.5),
    "pro": TierLimits(180, 3.75, 225, 20, 1.0),
}

_AGE_STEPS = (5, 10, 15, 45, 90, 300)
_FIXED: dict[Transaction, int] = {"add": 1, "amend": 1, "edit": 1, "cancel": 0}
_BY_AGE: dict[Transaction, tuple[int, ...]] = {
    "add": (0, 0, 0, 0, 0, 0, 0),
    "amend": (3, 2, 1, 0, 0, 0, 0),
    "edit": (6, 5, 4, 2, 1, 0, 0),
    "cancel": (8, 6, 5, 4, 2, 1, 0),
}

ENTRY_RESERVE = 10
"""Points an entry leaves free for its own protection: the dearest live swap is cancel 8 + exit 1 + stop 1."""

_ORDERS_KEPT = 10_000


def cost(transaction: Transaction, age_s: float) -> int:
    """Return the points of one transaction on an order ``age_s`` after its creation or last amend."""
    step = next((i for i, bound in enumerate(_AGE_STEPS) if age_s < bound), len(_AGE_STEPS))
    return _FIXED[transaction] + _BY_AGE[transaction][step]


class Counter:
    """A counter that decays towards zero; above ``threshold`` the venue refuses."""

    def __init__(self, threshold: float, decay_per_s: float) -> None:
        self.threshold, self.decay_per_s = threshold, decay_per_s
        self._level, self._at = 0.0, 0.0

    def level(self, now_s: float) -> float:
        """Return the points that count now."""
        return max(0.0, self._level - (now_s - self._at) * self.decay_per_s)

    def charge(self, points: float, now_s: float) -> None:
        """Add points."""
        self._level, self._at = self.level(now_s) + points, now_s

    def correct(self, level: float, now_s: float) -> None:
        """Take the venue's own count."""
        self._level, self._at = level, now_s

    def wait_s(self, points: float, now_s: float, reserve: float = 0) -> float:
        """Return how long to wait until ``points`` more leave ``reserve`` below the threshold; 0 when they do now."""
        excess = self.level(now_s) + points - max(self.threshold - reserve, points)
        return max(0.0, excess / self.decay_per_s)


class EngineCounters:
    """One engine counter per pair, and the age of every order whose amend or cancel may be charged."""

    def __init__(self, tier: str) -> None:
        self._limits = TIERS[tier]
        self._counters: dict[str, Counter] = {}
        self._born_s: OrderedDict[str, float] = OrderedDict()

    def of(self, symbol: str) -> Counter:
        """Return the counter of a pair."""
        if symbol not in self._counters:
            self._counters[symbol] = Counter(self._limits.engine_threshold, self._limits.engine_decay)
        return self._counters[symbol]

    def correct(self, symbol: str, level: Decimal, now_s: float) -> None:
        """Take the count that the venue wrote into a report."""
        self.of(symbol).correct(float(level), now_s)

    def allow(self, threshold: Decimal) -> None:
        """Take the threshold the venue states (``maxratecount``); it outranks the configured tier."""
        self._limits = self._limits._replace(engine_threshold=float(threshold))
        for counter in self._counters.values():
            counter.threshold = float(threshold)

    def touch(self, order_id: str, now_s: float) -> None:
        """Note that an order was created or amended: its age starts again."""
        self._born_s[order_id] = now_s
        self._born_s.move_to_end(order_id)
        if len(self._born_s) > _ORDERS_KEPT:
            self._born_s.popitem(last=False)

    def forget(self, order_id: str) -> None:
        """Drop an order that has ended."""
        self._born_s.pop(order_id, None)

    def points(self, transaction: Transaction, order_id: str, now_s: float) -> int:
        """Return what a transaction costs now. An order of unknown age is taken for a young one, the dearest case."""
        return cost(transaction, now_s - self._born_s.get(order_id, now_s))
