"""Squalls: few kinds of trouble that make each other worse, many times over, struck at telling moments.

A storm draws from everything, so that any two faults seldom meet in the same order. A squall is about one thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from engine.chaos.crowds import Crowd
from engine.chaos.scenario import Act

LULL_S = 14.0
"""Between strikes, where what must come about meanwhile is judged."""


@dataclass(frozen=True)
class Squall:
    """Kinds of faults and a person's acts, with their weights; of the runs ``starter`` are on the smallest tier,
    ``by_rest`` send their orders by REST alone; ``leaps`` of the clock's steps are of a minute and more, the others
    go as far as ``drift_s``, and ``lasting`` of those are never taken back; ``woken`` of the machines that die come
    back with their clock off; ``restless`` is by what prices come and go more often.
    """

    kinds: Mapping[str, float]
    acts: Mapping[Act, float] = field(default_factory=dict)
    starter: float = 0.1
    by_rest: float = 0.15
    leaps: float = 0.2
    woken: float = 0.25
    drift_s: float = 2.5
    lasting: float = 0.0
    restless: float = 1.0
    thin: int = 2
    """So many times less others show at a price: more fills come in parts."""
    busy: tuple[int, int] = (2, 6)
    """Acts beside those of the run, at least and at most."""
    haste: float = 0.4
    """By what the signals come faster: strikes wait for orders, and shall find some to the end."""
    lost_share: float | None = None
    """Of the runs end with a disk that loses the journal's last rows; None: as the scenario has it."""
    hold_s: tuple[float, float] | None = None
    """How long a fault lasts that does so; None: as the weather has it."""
    crowd: Crowd | None = None
    """Who comes at once to one market, and is what people act upon."""
    strikes: tuple[int, int] | None = None
    """As many faults, at least and at most; None: as the weather has it."""
    pause_s: float | None = None
    """Between two of them; None: as the weather has it."""


_CHANGES: Mapping[Act, float] = {"cancel": 2, "cancel_order": 2, "amend": 3, "move_exits": 2}

SQUALLS: Final[Mapping[str, Squall]] = {
    "nobody tells what came of it": Squall(
        {
            "answer_lost": 3,
            "request_lost": 1,
            "late_execution": 3,
            "late_answer": 2,
            "rest_lag": 4,
            "kick_storm": 2,
            "half_open_to_client": 2,
            "reset_after": 1,
            "missing_frame": 1,
        },
        _CHANGES,
    ),
    "REST tells of the past": Squall(
        {
            "told_late": 6,
            "rest_lag": 4,
            "half_open_to_client": 5,
            "late_execution": 2,
            "answer_lost": 1,
            "missing_frame": 1,
        },
        {"cancel": 1, "amend": 2, "move_exits": 2, "close": 1},
        hold_s=(2.0, 9.0),
        restless=8,
        thin=6,
    ),
    "the stream leaves out, REST is no help": Squall(
        {
            "missing_frame": 4,
            "reordered_frame": 2,
            "sequence_gap": 1,
            "silent_loss": 1,
            "inconsistent_snapshot": 2,
            "rest_lag": 2,
            "http_5xx_before": 2,
            "unavailable": 2,
            "html": 1,
            "late_answer": 1,
        },
        {"cancel": 2, "cancel_order": 1, "amend": 1},
    ),
    "asked for again": Squall(
        {"states_unread": 5, "missing_frame": 1, "latency_spike": 1},
        {"amend": 2, "move_exits": 2, "cancel_order": 1},
        strikes=(4, 9),
        pause_s=LULL_S,
        hold_s=(4.0, 10.0),
        haste=0.25,
    ),
    "an edge in the way": Squall(
        {
            "http_5xx_after": 8,
            "http_5xx_before": 2,
            "html": 2,
            "answer_lost": 1,
            "busy": 1,
            "unlisted_error": 1,
            "rest_only": 3,
            "kick_storm": 2,
            "half_open_to_client": 3,
            "missing_frame": 2,
            "reordered_frame": 1,
        },
        _CHANGES,
        by_rest=0.9,
    ),
    "no room": Squall(
        {
            "counter_filled": 4,
            "answer_lost": 2,
            "request_lost": 2,
            "late_execution": 1,
            "late_answer": 1,
            "rate_limited": 1,
            "slots_taken": 0.5,
        },
        {"amend": 4, "move_exits": 4, "cancel_order": 2, "cancel": 1, "close": 1, "close_all": 1},
        starter=0.6,
        by_rest=0.3,
    ),
    "our own haste": Squall(
        {"answer_lost": 4, "late_answer": 3, "request_lost": 1, "reset_after": 1, "late_execution": 1},
        {"amend": 4, "move_exits": 4, "cancel_order": 1, "close": 1},
        starter=0.9,
        by_rest=0.2,
        restless=3,
        busy=(12, 30),
        haste=4,
        strikes=(0, 4),
    ),
    "away, and asked in vain": Squall(
        {
            "foreign_cancel": 4,
            "kick_storm": 4,
            "ws_only": 4,
            "http_5xx_before": 2,
            "refused": 1,
            "dead_man": 0.5,
            "missing_frame": 1,
        },
        {"cancel_order": 2, "move_exits": 1},
    ),
    "the clock": Squall(
        {
            "clock_step": 8,
            "late_execution": 1,
            "answer_lost": 1,
            "latency_spike": 1,
            "kick_storm": 1,
            "crash": 3,
        },
        {"cancel": 1, "amend": 2},
        by_rest=0.8,
        leaps=0.4,
        drift_s=4.9,
        lasting=0.7,
        woken=0.8,
        hold_s=(2.0, 9.0),
    ),
    "one death after the other": Squall(
        {
            "crash": 3,
            "power_loss": 2,
            "slow_sync": 2,
            "answer_lost": 2,
            "late_execution": 1,
            "missing_frame": 1,
            "kick_storm": 1,
            "late_fill": 1,
        },
        {"restart": 1, "cancel": 1, "move_exits": 1, "close": 1, "look_on": 3},
        by_rest=0.4,
        drift_s=4.9,
        woken=0.8,
        lost_share=0.45,
    ),
    "told when all was over": Squall(
        {"late_fill": 5, "reordered_frame": 3, "missing_frame": 1, "crash": 1, "power_loss": 0.5, "request_lost": 1},
        {"cancel": 5, "close": 1, "halt": 1},
    ),
    "stop everything": Squall(
        {"latency_spike": 3, "late_answer": 3, "late_execution": 1, "busy": 1, "slow_trickle": 1, "kick_storm": 1},
        {"halt": 3, "halt_ill_timed": 1, "halt_reducing": 1, "cancel": 3, "close_all": 1, "restart": 1},
        by_rest=0.3,
        restless=10,
    ),
    "the red button, and little else": Squall(
        {"latency_spike": 1, "late_answer": 1},
        {"halt": 4, "halt_reducing": 1, "cancel": 2},
        restless=20,
        thin=4,
        strikes=(0, 1),
    ),
    "a ladder taken back": Squall(
        {"latency_spike": 4, "late_answer": 1},
        {"halt": 1},
        starter=0.0,
        restless=15,
        busy=(1, 2),
        haste=1,
        crowd=Crowd((11, 14), ladder=True),
        strikes=(8, 16),
    ),
    "more than there is room for": Squall(
        {"latency_spike": 4, "kick_storm": 3, "half_open_to_client": 3, "reset_after": 2, "late_execution": 1},
        {"move_exits": 1, "amend": 1},
        starter=1.0,
        by_rest=0.2,
        restless=2,
        busy=(0, 3),
        haste=1,
        crowd=Crowd((16, 28)),
        strikes=(4, 10),
    ),
    "a slow and broken line": Squall(
        {
            "latency_spike": 3,
            "reset_before": 2,
            "refused": 2,
            "half_open_to_server": 2,
            "rest_only": 1,
            "late_answer": 2,
            "slow_trickle": 1,
            "slow_sync": 2,
            "invalid_nonce": 1,
        },
        _CHANGES,
        by_rest=0.6,
    ),
    "the price comes and goes": Squall(
        {
            "latency_spike": 2,
            "counter_filled": 1,
            "late_answer": 1,
            "foreign_cancel": 1,
            "missing_frame": 1,
            "late_fill": 4,
        },
        {"move_exits": 4, "amend": 1, "cancel": 3, "look_on": 1},
        restless=8,
    ),
}
"""What each is about, in words."""


def draw_squall(rng: Random) -> Squall:
    """Draw one."""
    return SQUALLS[rng.choice(sorted(SQUALLS))]
