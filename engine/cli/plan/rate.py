"""What a bracket costs of Kraken's counters, by the adapter's own tables (kraken-protocol §5)."""

from __future__ import annotations

import msgspec

from engine.kraken.limits import TIERS, cost
from engine.kraken.protection import COVER_POINTS, STOP_SLOTS, SWAP_POINTS
from engine.orders.signal import Signal
from engine.venue.protocol import Headroom


class RateCost(msgspec.Struct, frozen=True):
    """Points of the pair's counter, and orders. ``level`` None: nobody is counting here.

    The entry goes only when ``entry_points`` and ``kept_free`` fit below ``threshold``: what its cover and its dearest
    swap may need is free before it is sent. ``early_cancel`` is what taking it back within five seconds costs.
    """

    entry_points: int
    kept_free: int
    early_cancel: int
    threshold: float
    decay_per_s: float
    level: float | None
    fits_now: bool | None
    slots: int
    most_slots: int
    open_orders: int | None
    rest_points: int = 0
    """Orders and cancels cost nothing of REST's own counter."""


def rate_cost(signal: Signal, tier: str, counters: Headroom | None, *, counted: bool) -> RateCost:
    """Reckon with the tier of the settings, or with what the venue has stated to a running engine.

    ``counted``: an engine counts; without ``counters`` it has sent nothing on this market yet.
    """
    limits = TIERS[tier]
    resting = len(signal.targets) if signal.exits == "both-rest" else 0
    entry, kept = cost("add", 0), COVER_POINTS + resting + SWAP_POINTS
    threshold = limits.engine_threshold if counters is None else counters.threshold
    nothing = 0.0 if counted else None
    level = nothing if counters is None else counters.level
    return RateCost(
        entry_points=entry,
        kept_free=kept,
        early_cancel=cost("cancel", 0),
        threshold=threshold,
        decay_per_s=limits.engine_decay,
        level=level,
        fits_now=None if level is None else level + entry + kept <= threshold,
        slots=1 + STOP_SLOTS + resting,
        most_slots=limits.open_orders if counters is None else counters.most_open_orders,
        open_orders=(0 if counted else None) if counters is None else counters.open_orders,
    )
