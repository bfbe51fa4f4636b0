"""What a night does, each as an endless supply of work that is taken in slices."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path
from typing import Final

from engine.chaos.crash_points import CrashPlan
from engine.chaos.runner import CrashJob, Job, SeedJob
from engine.chaos.sweep import SCENARIOS, plans_of, points_of

BATCH = 200
"""Runs handed to the workers at once: they start anew for each batch."""
STRIDES: Final = (16, 8, 4, 2, 1)
"""Once every act was died at: each so manieth again, with a second death at every act of its recovery, ever closer."""
NO_MUTANTS: Final = "nothing matches"
"""What mutmut says of a file in which there is nothing to change."""
ROOT = Path(__file__).parents[2]
ORDERS = ROOT / "engine" / "orders"


class Seeds:
    """One weather's seeds, from the first one on."""

    def __init__(self, weather: str, first: int) -> None:
        self.name = weather
        self._seeds = count(first)
        self._back: list[Job] = []

    def batch(self) -> list[Job]:
        """Return the next seeds."""
        jobs, self._back = self._back, []
        return jobs + [SeedJob(seed, self.name) for seed in islice(self._seeds, BATCH - len(jobs))]

    def put_back(self, jobs: list[Job]) -> None:
        """Take back what there was no time for."""
        self._back = jobs


class Deaths:
    """Every death of every scenario, and then those in its recoveries."""

    name = "deaths"

    def __init__(self, scenarios: tuple[str, ...] = SCENARIOS) -> None:
        self.scenarios = scenarios
        self._drawn: list[str] = []
        self._jobs = self._all()
        self._back: list[Job] = []

    @property
    def whole(self) -> int:
        """How many scenarios have been died in at every act."""
        waiting = {job.scenario for job in self._back if isinstance(job, CrashJob)}
        return len(set(self._drawn) - waiting)

    def batch(self) -> list[Job]:
        """Return the next deaths; none when all have been died."""
        jobs, self._back = self._back, []
        return jobs + list(islice(self._jobs, BATCH - len(jobs)))

    def put_back(self, jobs: list[Job]) -> None:
        """Take back what there was no time for."""
        self._back = jobs

    def _all(self) -> Iterator[Job]:
        points = {}
        for name in self.scenarios:
            points[name] = points_of(name)
            yield from (CrashJob(name, plan) for plan in plans_of(name, points[name]))
            self._drawn.append(name)
        for stride in STRIDES:
            for name in self.scenarios:
                yield from (CrashJob(name, plan) for plan in self._recoveries(name, points[name], stride))

    @staticmethod
    def _recoveries(name: str, points: int, stride: int) -> Iterator[CrashPlan]:
        """A closer stride leaves out what a wider one has had."""
        return (
            plan
            for plan in plans_of(name, points, "every", stride)
            if plan.again and (stride == STRIDES[0] or plan.point % (2 * stride))
        )


class Mutants:
    """Mutants of the heart, file by file, the smallest first: see ``tests.mutation``."""

    name = "mutants"

    def __init__(self) -> None:
        files = sorted(ORDERS.glob("*.py"), key=lambda file: (file.stat().st_size, file.name))
        self._modules = cycle([file.stem for file in files if file.stem != "__init__"])
        self.fates: Counter[str] = Counter()
        self.done: list[str] = []
        self.cut: list[str] = []

    def slice(self, bound_s: float, jobs: int) -> bool:
        """Try the mutants of the next file; what the bound cuts off is tried by the next night.

        False when they could not be tried: then the others cannot either.
        """
        module = next(self._modules)
        command = [sys.executable, "-m", "tests.mutation", f"engine.orders.{module}.*", "--jobs", str(jobs)]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process:
            try:
                said, _ = process.communicate(timeout=max(1.0, bound_s))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                self.cut.append(module)
                return True
        return self._read(module, said)

    def _read(self, module: str, said: str) -> bool:
        found = re.search(r"mutants (\d+), noticed ([\d.]+)%, left (\d+), not explained (\d+)", said)
        if found is None and NO_MUTANTS in said:
            return True
        if found is None:
            self.fates["failed"] += 1
            print(f"mutants of {module} could not be tried:\n{said[-1500:]}", flush=True)
            return False
        self.done.append(module)
        self.fates["tried"] += int(found[1])
        self.fates["left"] += int(found[3])
        self.fates["unexplained"] += int(found[4])
        return True
