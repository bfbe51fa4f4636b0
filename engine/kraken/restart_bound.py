"""How long protection may stay away after a restart, at worst: what the tier's counters allow (§5.1, §5.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from engine.kraken.limits import TIERS, TierLimits, cost
from engine.venue.protocol import RestartBound, Unprotected

START_POINTS = 2
"""REST calls before a private stream can stand: the key's rights and a token, one point each."""


def restart_bound(limits: TierLimits, brackets: Mapping[str, Unprotected], reading_s: float) -> RestartBound:
    """Return how long it takes until the last stop can have been sent; ``brackets`` are those of each symbol.

    Both counters are taken as full: the process before may have filled them. ``reading_s`` is the longest that
    protection waits for REST once the stream stands. The way to the venue and back is not in it.
    """
    tier = next((name for name, tier in TIERS.items() if tier.engine_threshold == limits.engine_threshold), "")
    count = sum(one.bare + one.short for one in brackets.values())
    if not count:
        return RestartBound(tier, 0, 0.0)
    cover_s = max(_points(one) / limits.engine_decay for one in brackets.values())
    return RestartBound(tier, count, round(START_POINTS / limits.rest_decay + reading_s + cover_s, 1))


def _points(symbol: Unprotected) -> int:
    """A stop where none rests is an add; where one rests, the dearest is to amend it while it is young."""
    return symbol.bare * cost("add", 0) + symbol.short * cost("amend", 0)
