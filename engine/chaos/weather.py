"""Weathers as data: which faults may strike, how often, and for how long the sky stays bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

REQUEST_KINDS: Final = (
    "reset_before",
    "reset_after",
    "answer_lost",
    "request_lost",
    "late_execution",
    "late_answer",
    "http_5xx_before",
    "http_5xx_after",
    "html",
    "rate_limited",
    "rest_rate_limited",
    "invalid_nonce",
    "busy",
    "unavailable",
    "unknown_fields",
    "unlisted_error",
)
FRAME_KINDS: Final = (
    "duplicate_frame",
    "reordered_frame",
    "missing_frame",
    "silent_loss",
    "sequence_gap",
    "wrong_checksum",
    "unknown_type",
)
TIMED_KINDS: Final = (
    "latency_spike",
    "reset_inside",
    "truncation",
    "half_open_to_server",
    "half_open_to_client",
    "refused",
    "rest_only",
    "ws_only",
    "slow_trickle",
    "maintenance",
    "cancel_only",
    "post_only",
    "rest_lag",
    "inconsistent_snapshot",
    "expired_token",
    "kick_storm",
    "dead_man",
    "foreign_order",
    "foreign_cancel",
    "slots_taken",
    "counter_filled",
    "clock_step",
    "crash",
    "power_loss",
    "disk_full",
    "sync_fails",
    "slow_sync",
    "lag_beyond",
    "late_fill",
    "states_unread",
    "told_late",
)
OBSERVED_KINDS: Final = ("own_entry_in_way",)
"""What the run brings about by itself and the oracle only counts."""
KINDS: Final = (*REQUEST_KINDS, *FRAME_KINDS, *TIMED_KINDS, *OBSERVED_KINDS)
"""Every fault by name."""

_RARE: Mapping[str, float] = {
    "disk_full": 0.3,
    "sync_fails": 0.3,
    "slots_taken": 0.3,
    "maintenance": 0.5,
    "dead_man": 0.5,
    "lag_beyond": 0.0,
    "late_fill": 0.0,
    "told_late": 0.0,
    "states_unread": 0.0,
}
_ALL: Mapping[str, float] = {kind: _RARE.get(kind, 1.0) for kind in (*REQUEST_KINDS, *FRAME_KINDS, *TIMED_KINDS)}


@dataclass(frozen=True)
class Weather:
    """``strikes``: how many faults are drawn; ``pause_s``: mean time between two; ``weights``: which. ``hold_s`` bounds
    how long one that lasts does so.
    """

    name: str
    strikes: tuple[int, int]
    pause_s: float
    hold_s: tuple[float, float] = (0.5, 6.0)
    weights: Mapping[str, float] = field(default_factory=lambda: _ALL)
    aimed: bool = False
    """Faults and acts wait for telling moments, and are about one thing: see ``engine/chaos/squalls.py``."""
    abreast: float = 0.0
    """Of the faults strike together with the one before."""
    leaps: float = 0.2
    """Of the steps of a clock are of a minute and more: a machine that slept. The others drift."""
    woken: float = 0.25
    """Of the machines that die come back with their clock off."""
    drift_s: float = 2.5
    """How far a clock drifts at most. No engine starts where it is more than five seconds off."""
    lasting: float = 0.0
    """Of the drifts are never taken back."""

    def draw(self, rng: Random) -> list[tuple[float, str]]:
        """Draw the faults of one run: (seconds after the one before, kind)."""
        kinds, weights = list(self.weights), list(self.weights.values())
        if not any(weights):
            return []
        count = rng.randint(*self.strikes)
        drawn = [(rng.expovariate(1 / self.pause_s), rng.choices(kinds, weights)[0]) for _ in range(count)]
        if not self.abreast:
            return drawn
        return [(0.0 if rng.random() < self.abreast else pause_s, kind) for pause_s, kind in drawn]


_LAG: Mapping[str, float] = {
    "lag_beyond": 3.0,
    "answer_lost": 3.0,
    "request_lost": 2.0,
    "late_execution": 2.0,
    "reset_after": 2.0,
    "reset_before": 1.0,
    "half_open_to_client": 1.0,
    "kick_storm": 1.0,
    "crash": 1.5,
    "power_loss": 1.0,
    "missing_frame": 1.0,
}

WEATHERS: Final[Mapping[str, Weather]] = {
    "calm": Weather("calm", (0, 0), 10.0, weights={}),
    "mixed": Weather("mixed", (2, 6), 7.0),
    "storm": Weather("storm", (10, 24), 2.5, hold_s=(0.5, 10.0)),
    "lag": Weather("lag", (3, 8), 5.0, hold_s=(4.0, 20.0), weights=_LAG),
    "squall": Weather("squall", (8, 20), 2.5, hold_s=(0.5, 8.0), aimed=True, abreast=0.4),
}
