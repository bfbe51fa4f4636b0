"""The crash sweep: one scenario, run again for every act at which its engine could die, and judged each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final

from engine.chaos.crash_points import CrashPlan
from engine.chaos.run import Result, Run, play
from engine.chaos.scenario import Scenario, draw_scenario
from engine.chaos.weather import WEATHERS

SCENARIOS: Final = tuple(f"{kind}-{number}" for kind in ("one", "two") for number in range(1, 11))
"""Short runs of one bracket, and of two, in calm weather."""
RECOVERY_ACTS = 40
"""The second death of a recovery falls within so many acts: header, token, subscriptions, questions, first rows."""


def scenario_named(name: str) -> Scenario:
    """Draw the scenario of this name. Raises ValueError for an unknown one."""
    if name not in SCENARIOS:
        raise ValueError(f"there is no scenario {name!r}: it is one of {', '.join(SCENARIOS)}")
    kind, _, _ = name.partition("-")
    drawn = draw_scenario(f"sweep/{name}", brackets=1 if kind == "one" else 2, span_s=3.0)
    return replace(drawn, acts=(), middle_s=12.0)


def points_of(name: str) -> int:
    """Return how many acts the scenario has when nobody dies."""
    run = Run(scenario_named(name), WEATHERS["calm"], name)
    play(run)
    result = run.result()
    if result.failed:
        raise ValueError(f"{name} fails without any crash: {result.violations[0]}")
    return run.acts


def plans_of(name: str, points: int) -> Iterator[CrashPlan]:
    """Yield every death: at each point by kill and by power loss, and at each once more during the recovery."""
    rng = Random(f"sweep/{name}")
    for point in range(1, points + 1):
        yield CrashPlan(point)
        yield CrashPlan(point, power_loss=True)
        yield CrashPlan(point, power_loss=rng.random() < 0.5, again=rng.randint(1, RECOVERY_ACTS))


def crash_at(name: str, plan: CrashPlan, *, whole: bool = False) -> Result:
    """Run the scenario with this death in it."""
    run = Run(scenario_named(name), WEATHERS["calm"], f"{name}/{plan.point}", whole=whole, crash=plan)
    play(run)
    return run.result()
