"""The crash sweep: one scenario, run again for every act at which its engine could die, and judged each time."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, Literal

from engine.chaos.crash_points import CrashPlan
from engine.chaos.run import Result, Run, play
from engine.chaos.scenario import Scenario
from engine.chaos.told import TOLD
from engine.chaos.weather import WEATHERS

SCENARIOS: Final = tuple(TOLD)
"""Names of the scenarios: short lives of a bracket or two in calm weather."""
ALL = "all"
RECOVERY_ACTS = 40
"""A sampled second death falls within so many acts: header, token, subscriptions, questions, first rows."""

Recoveries = Literal["none", "sampled", "every"]
"""How often a recovery is broken off as well: never, once for each point, or at each of its own acts."""


def names_in(text: str) -> tuple[str, ...]:
    """Read ``all`` or names with commas between them. Raises ValueError for an unknown one."""
    names = SCENARIOS if text == ALL else tuple(one.strip() for one in text.split(","))
    for name in names:
        if name not in TOLD:
            raise ValueError(f"there is no scenario {name!r}: it is {ALL} or of {', '.join(SCENARIOS)}")
    return names


def scenario_named(name: str) -> Scenario:
    """Return the scenario of this name. Raises ValueError for an unknown one."""
    (known,) = names_in(name) if name != ALL else ("",)
    if not known:
        raise ValueError("one scenario is wanted, not all of them")
    return TOLD[known](known)


def points_of(name: str) -> int:
    """Return how many acts the scenario has when nobody dies. Raises ValueError where it breaks a rule even so."""
    run = Run(scenario_named(name), WEATHERS["calm"], name)
    play(run)
    result = run.result()
    if result.failed:
        raise ValueError(f"{name} fails without any crash: {result.violations[0]}")
    return run.acts


def plans_of(name: str, points: int, recoveries: Recoveries = "sampled", every: int = 1) -> Iterator[CrashPlan]:
    """Yield every death: at each point (or each ``every``-th) by kill and by power loss, and those of its recovery."""
    rng = Random(f"sweep/{name}")
    for point in range(1, points + 1):
        again, power = rng.randint(1, RECOVERY_ACTS), rng.random() < 0.5  # drawn for each: the stride changes none
        if point % every:
            continue
        yield CrashPlan(point)
        yield CrashPlan(point, power_loss=True)
        if recoveries == "sampled":
            yield CrashPlan(point, power_loss=power, again=again)
        elif recoveries == "every":
            for loss in (False, True):
                acts = recovery_of(name, CrashPlan(point, power_loss=loss))
                yield from (CrashPlan(point, power_loss=loss, again=number) for number in range(1, acts + 1))


def recovery_of(name: str, plan: CrashPlan) -> int:
    """Return how many acts the recovery from this death takes, with the first steps of what it resumes."""
    run = Run(scenario_named(name), WEATHERS["calm"], name, crash=plan)
    play(run)
    run.result()
    return run.recovery_acts


def crash_at(name: str, plan: CrashPlan, *, whole: bool = False) -> Result:
    """Run the scenario with this death in it. ``whole`` keeps every row of the trace."""
    run = Run(scenario_named(name), WEATHERS["calm"], f"{name}/{plan.point}", whole=whole, crash=plan)
    play(run)
    return run.result()
