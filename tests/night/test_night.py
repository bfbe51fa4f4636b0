"""The night: its time is shared out, its failures kept, its page quotable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.chaos.crash_points import CrashPlan
from engine.chaos.invariants.base import Violation
from engine.chaos.run import Result
from engine.chaos.runner import CrashJob, Job, SeedJob
from tests.night import shift as shift_module
from tests.night.activities import Deaths, Mutants, Seeds
from tests.night.shift import Shift
from tests.night.summary import written


def judged(job: Job, *, broken: bool) -> Result:
    """A run's result, made up."""
    violations = (Violation("one_order", 1.0, "two orders", (), ()),) if broken else ()
    return Result(getattr(job, "seed", 1), "mixed", "x", "d", 1, "c", 3600.0, violations, {"crash": 1})


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Runs that take no time; the third one breaks a rule. Returns what was run."""
    ran: list[Job] = []

    def run_jobs(jobs: list[Job], workers: int):
        for job in jobs:
            ran.append(job)
            yield job, judged(job, broken=len(ran) == 3)

    monkeypatch.setattr(shift_module, "run_jobs", run_jobs)
    return ran


def test_everybody_gets_a_share_and_failures_are_kept(made_up: list[Job], tmp_path: Path):
    """Seeds of two weathers and deaths, within the time; the broken seed stands in the corpus with its rule."""
    corpus = tmp_path / "seeds.txt"
    shift = Shift(0.4, 1, corpus)
    shift.add(Seeds("storm", 7), 0.5)
    shift.add(Seeds("calm", 1), 0.3)
    shift.work()
    assert min(shift.runs["storm"], shift.runs["calm"]) > 0
    assert [job for job in made_up if isinstance(job, SeedJob) and job.weather == "storm"][:2] == [
        SeedJob(7, "storm"),
        SeedJob(8, "storm"),
    ]
    assert corpus.read_text() == "storm 9  # one_order\n"
    assert shift.took_s < 5
    for weather, first in (("storm", 7), ("calm", 1)):  # what a slice had no time for is not left out
        seeds = [job.seed for job in made_up if isinstance(job, SeedJob) and job.weather == weather]
        assert sorted(seeds) == list(range(first, first + len(seeds)))


def test_the_page_tells_runs_faults_and_what_broke(made_up: list[Job], tmp_path: Path):
    """Totals, the rare kinds of faults, and a command for every failure."""
    shift = Shift(0.1, 2, tmp_path / "seeds.txt")
    shift.add(Seeds("mixed", 1), 1.0)
    shift.work()
    page = written(shift)
    assert f"| mixed | {shift.runs['mixed']} |" in page
    assert "**1 violations**" in page
    assert "`python -m engine chaos --replay 3 --weather mixed --why`" in page
    assert f"crash | {shift.faults['crash']}" in page
    assert "power_loss" in page.split("fewer than 100 times: ")[1].split("):")[0]


def test_deaths_take_every_act_once_and_then_the_recoveries():
    """First all scenarios by every act; then second deaths, none of them twice."""
    deaths = Deaths(("entry-times-out",))
    jobs: list[CrashJob] = []
    while deaths.whole == 0:
        jobs += [job for job in deaths.batch() if isinstance(job, CrashJob)]
    points = max(job.plan.point for job in jobs)
    assert {CrashPlan(point, power_loss=loss) for point in range(1, points) for loss in (False, True)} <= {
        job.plan for job in jobs
    }
    jobs += [job for job in deaths.batch() if isinstance(job, CrashJob)]
    second = [job.plan for job in jobs if job.plan.again][points:]
    assert second
    assert max(Counter(second).values()) == 1


def test_mutants_are_counted_as_the_campaign_tells_them():
    """A file whose mutants could not be tried is a failure, not a success."""
    mutants = Mutants()
    assert mutants._read("fills", "…\nmutants 40, noticed 95.0%, left 2, not explained 1\n")
    assert not mutants._read("order", "mutmut broke\n")
    assert mutants.fates == {"tried": 40, "left": 2, "unexplained": 1, "failed": 1}
    assert mutants.done == ["fills"]


def test_a_file_without_mutants_ends_no_campaign():
    """Types alone: the next file is tried."""
    mutants = Mutants()
    assert mutants._read("view", "AssertionError: Filtered for specific mutants, but nothing matches")
    assert not mutants._read("order", "Traceback: something else")
    assert mutants.fates["failed"] == 1
