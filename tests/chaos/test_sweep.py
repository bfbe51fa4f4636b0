"""Crash points: every act is one, each death is struck, and the sweep of short scenarios breaks nothing."""

from __future__ import annotations

import pytest

from engine.chaos.crash_points import CrashPlan
from engine.chaos.sweep import crash_at, plans_of, points_of, scenario_named

SAMPLED = 12
"""Every so many points in the suite; ``chaos --crash-sweep`` takes them all."""


@pytest.mark.parametrize("name", ["one-1", "one-2", "two-1"])
def test_deaths_of_a_scenario_break_nothing(name: str):
    """Killed at a sample of its acts, without power at others, and once more on the way back: every rule holds."""
    points = points_of(name)
    assert points > 40
    plans = [plan for plan in plans_of(name, points) if plan.point % SAMPLED == 1]
    for plan in plans:
        result = crash_at(name, plan)
        assert not result.failed, f"{plan.name}: {result.violations[0].text}"
        assert result.struck.get("power_loss" if plan.power_loss else "crash"), plan.name


def test_a_death_is_the_same_twice():
    """Equal plans give equal traces."""
    plan = CrashPlan(40, power_loss=True, again=11)
    assert crash_at("one-1", plan).digest == crash_at("one-1", plan).digest


def test_plans_kill_at_every_point_in_three_ways():
    """By kill, by loss of power, and again during the recovery."""
    plans = list(plans_of("one-1", 5))
    assert [plan.point for plan in plans] == [point for point in range(1, 6) for _ in range(3)]
    assert sum(plan.again > 0 for plan in plans) == 5
    assert sum(plan.power_loss and not plan.again for plan in plans) == 5


def test_an_unknown_scenario_is_refused():
    """The complaint names those there are."""
    with pytest.raises(ValueError, match="one-1"):
        scenario_named("nine-9")
