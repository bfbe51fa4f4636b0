"""The night itself: its time shared out among the activities, slice by slice, and what came of each run."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

from engine.chaos.corpus import keep_seed
from engine.chaos.run import Result
from engine.chaos.runner import Job, SeedJob, run_jobs
from engine.seams.stopwatch import SystemStopwatch
from tests.night.activities import Deaths, Mutants, Seeds

Activity = Seeds | Deaths | Mutants
SLICES = 40
"""Of a night, so that a short one does something of everything too."""


class Shift:
    """Works for ``bound_s`` seconds. Failing seeds go into the corpus as they are found."""

    def __init__(self, bound_s: float, jobs: int, corpus: Path) -> None:
        self.bound_s, self.jobs, self._corpus = bound_s, jobs, corpus
        self._watch = SystemStopwatch()
        self._began_ns = self._watch.monotonic_ns()
        self._shares: list[tuple[Activity, float]] = []
        self._used: Counter[str] = Counter()
        self._over: set[str] = set()
        self.runs: Counter[str] = Counter()
        """Seeds by weather, and deaths."""
        self.faults: Counter[str] = Counter()
        self.simulated_s = 0.0
        self.failed: list[tuple[Job, Result]] = []

    @property
    def took_s(self) -> float:
        """Seconds since it began."""
        return (self._watch.monotonic_ns() - self._began_ns) / 1e9

    @property
    def activities(self) -> list[Activity]:
        """What it does."""
        return [activity for activity, _ in self._shares]

    @property
    def mutants_missed(self) -> int:
        """Mutants that nobody noticed or explained, and files that could not be tried."""
        tried = [activity.fates for activity in self.activities if isinstance(activity, Mutants)]
        return sum(fates["unexplained"] + fates["failed"] for fates in tried)

    def add(self, activity: Activity, share: float) -> None:
        """Give an activity its share of the time."""
        self._shares.append((activity, share))

    def work(self) -> None:
        """Let whoever has had the least of its share work for a slice, until the time or all work is over."""
        while self.took_s < self.bound_s:
            ready = [(a, share) for a, share in self._shares if a.name not in self._over]
            if not ready:
                return
            activity, _ = min(ready, key=lambda one: self._used[one[0].name] / one[1])
            began_s = self.took_s
            until_s = min(self.bound_s, began_s + self.bound_s / SLICES)
            if isinstance(activity, Mutants):
                bound_s = min(self.bound_s - began_s, self.bound_s / 4)  # a file is tried as a whole
                if not activity.slice(bound_s, self.jobs):
                    self._over.add(activity.name)
            else:
                self._slice(activity, until_s)
            self._used[activity.name] += self.took_s - began_s  # type: ignore[assignment]  # seconds are no whole number
            self._tell(activity)

    def _slice(self, activity: Seeds | Deaths, until_s: float) -> None:
        while self.took_s < until_s:
            batch = activity.batch()
            if not batch:
                self._over.add(activity.name)
                return
            left = dict.fromkeys(batch)
            with closing(run_jobs(batch, self.jobs)) as results:
                for job, result in results:
                    del left[job]
                    self._take(activity.name, job, result)
                    if self.took_s >= until_s:
                        break
            activity.put_back(list(left))

    def _take(self, name: str, job: Job, result: Result) -> None:
        self.runs[name] += 1
        self.faults.update(result.struck)
        self.simulated_s += result.simulated_s
        if not result.failed:
            return
        self.failed.append((job, result))
        first = result.violations[0]
        print(f"{first.invariant}: {first.text[:200]}\n  {job.command}", flush=True)
        if isinstance(job, SeedJob):
            keep_seed(self._corpus, job.weather, job.seed, first.invariant)

    def _tell(self, activity: Activity) -> None:
        runs = ", ".join(f"{name} {number}" for name, number in self.runs.items())
        print(f"{self.took_s / 60:6.1f} min  {activity.name:8} {runs}; {len(self.failed)} failed", flush=True)
