"""What runs are made of: every kind of entry, exit and act comes up, and some runs are long."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.chaos.scenario import _ACTS, BRACKETS, draw_scenario
from engine.orders.signal import Signal

SCENARIOS = [draw_scenario(seed) for seed in range(1, 301)]


def kinds_of(signal: Signal) -> set[str]:
    """Name what a signal asks for."""
    stop, kinds = signal.stop_loss, {signal.order_type, signal.time_in_force, signal.exits, signal.contingency}
    kinds |= {target.order_type + " target" for target in signal.targets}
    if stop is not None:
        kinds.add("stop-loss-limit stop" if stop.limit_price is not None else "market stop")
        if stop.trail is not None:
            kinds.add("trail from the start" if stop.venue_trail is not None else "trail once activated")
            kinds.add("trail by distance" if stop.trail.distance is not None else "trail by percent")
    said = {
        "cash": signal.cash_order_qty is not None,
        "several targets": bool(signal.more_targets),
        "no target": not signal.targets,
        "break-even": signal.break_even is not None,
        "exit after": signal.exit_after_s is not None,
        "post-only": signal.post_only,
        "entry time-out": signal.entry_timeout_s is not None,
        "full fill": signal.protect_from == "full_fill",
        signal.side: True,
    }
    return kinds | {name for name, holds in said.items() if holds}


@pytest.mark.parametrize(
    "kind",
    [
        *("market", "limit", "stop-loss", "stop-loss-limit", "cash", "ioc", "fok", "post-only", "entry time-out"),
        *("buy", "sell", "market stop", "stop-loss-limit stop"),
        *("trail from the start", "trail once activated", "trail by distance", "trail by percent"),
        *("limit target", "take-profit target", "take-profit-limit target", "several targets", "no target"),
        *("stop-rests", "both-rest", "conditional-close", "ouo", "oco", "break-even", "exit after", "full fill"),
    ],
)
def test_three_hundred_seeds_ask_for_everything(kind: str):
    """At least twenty signals of every kind."""
    drawn = Counter(kind for scenario in SCENARIOS for _, signal in scenario.signals for kind in kinds_of(signal))
    assert drawn[kind] >= 20


def test_the_operator_does_everything():
    """Every act, at least a dozen times; halts come with their end."""
    acts = Counter(act for scenario in SCENARIOS for _, act in scenario.acts)
    assert {act: acts[act] for act in _ACTS if acts[act] < 12} == {}
    assert sum(acts[act] for act in acts if act.startswith("halt")) == acts["resume"] >= 20
    assert acts["halt_reducing"] > 0


def test_runs_hold_four_to_twenty_brackets_and_some_are_long():
    """Most take a minute, one in a hundred many, up to more than an hour."""
    counts = {len(scenario.signals) for scenario in SCENARIOS}
    assert min(counts) >= BRACKETS[0]
    assert max(counts) <= BRACKETS[1]
    lengths = sorted(draw_scenario(seed).middle_s for seed in range(1, 1001))
    assert lengths[0] > 10
    assert sum(length > 300 for length in lengths) >= 5
    assert lengths[-1] > 2400


def test_given_signals_are_held_to_no_drawn_limits():
    """Whoever tries signals of their own wants to see them traded."""
    signal = SCENARIOS[0].signals[0][1]
    assert all(draw_scenario(seed, [signal]).settings.limits.symbol == {} for seed in range(20))
