"""Many runs, side by side: seeds or crash points handed to worker processes, results as they come."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from engine.chaos.crash_points import CrashPlan
from engine.chaos.run import Result, run_seed
from engine.chaos.sweep import crash_at
from engine.orders.signal import Signal
from engine.seams.workers import in_processes

WALL_S = 600
"""Real time for one run: a world in which everybody waits and no deadline is set would wait for ever."""


@dataclass(frozen=True)
class SeedJob:
    """One seed under one weather, with these signals or with drawn ones."""

    seed: int
    weather: str
    signals: tuple[Signal, ...] = ()

    def run(self, *, whole: bool = False) -> Result:
        """Run it."""
        return run_seed(self.seed, self.weather, self.signals, whole=whole)

    @property
    def command(self) -> str:
        """What runs it again and tells why."""
        return f"python -m engine chaos --replay {self.seed} --weather {self.weather} --why"


@dataclass(frozen=True)
class CrashJob:
    """One death in one scenario."""

    scenario: str
    plan: CrashPlan

    def run(self, *, whole: bool = False) -> Result:
        """Run it."""
        return crash_at(self.scenario, self.plan, whole=whole)

    @property
    def command(self) -> str:
        """What lets this death be died again alone, and tells why."""
        again = f" --again {self.plan.again}" if self.plan.again else ""
        death = f"--point {self.plan.point} --death {self.plan.death}{again}"
        return f"python -m engine chaos --crash-sweep {self.scenario} {death} --why"


Job = SeedJob | CrashJob


def run_jobs(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    """Run all, in ``workers`` processes, and yield each result when it is there. Leaving early ends the workers."""
    if workers <= 1:
        for job in jobs:
            yield _run((job,))
        return
    yield from in_processes(_run, [(job,) for job in jobs], workers, _begin)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    gc.set_threshold(50_000, 20, 100)  # a run is short, and most of what it makes dies with it


def _run(packed: tuple[Job]) -> tuple[Job, Result]:
    (job,) = packed
    with_limit: Callable[[int, FrameType | None], NoReturn] = _too_long
    before = signal.signal(signal.SIGALRM, with_limit)
    signal.alarm(WALL_S)
    try:
        return job, job.run()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _too_long(_: int, __: FrameType | None) -> NoReturn:
    raise TimeoutError(f"one run took more than {WALL_S} s of real time")
