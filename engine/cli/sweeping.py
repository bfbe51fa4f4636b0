"""The crash sweep of the verb ``chaos``: which deaths a command line asks for, and the one it wants alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from engine.chaos.crash_points import CrashPlan
from engine.chaos.runner import CrashJob
from engine.chaos.sweep import ALL, SCENARIOS, Recoveries, names_in, plans_of, points_of
from engine.errors import ConfigError

Death = Literal["kill", "power"]

HELP = f"Die at every act of these scenarios: {ALL}, or names with commas: {', '.join(SCENARIOS)}."


def deaths(text: str, recoveries: Recoveries, every: int) -> Iterator[tuple[str, list[CrashJob]]]:
    """Yield each scenario named, with the deaths to be died in it. Raises ConfigError."""
    if every < 1:
        raise ConfigError(f"--every is a whole number from 1, not {every}")
    try:
        for name in names_in(text):
            plans = plans_of(name, points_of(name), recoveries, every)
            yield name, [CrashJob(name, plan) for plan in plans]
    except ValueError as error:
        raise ConfigError(f"--crash-sweep: {error}") from None


def death_at(text: str, point: int, death: Death, again: int) -> CrashJob:
    """Return the one death that is wanted alone. Raises ConfigError."""
    try:
        names = names_in(text)
    except ValueError as error:
        raise ConfigError(f"--crash-sweep: {error}") from None
    if len(names) != 1:
        raise ConfigError(f"--point belongs to one scenario, not to {len(names)}")
    points = points_of(names[0])
    if not 1 <= point <= points or again < 0:
        raise ConfigError(f"--point of {names[0]} counts from 1 to {points}, --again from 0 (no second death)")
    return CrashJob(names[0], CrashPlan(point, power_loss=death == "power", again=again))
