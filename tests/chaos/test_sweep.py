"""Crash points: every act is one, each death is struck, and the sweep of told scenarios breaks nothing."""

from __future__ import annotations

import json

import pytest

from engine.chaos.crash_points import CrashPlan
from engine.chaos.run import Run, play
from engine.chaos.runner import CrashJob
from engine.chaos.sweep import SCENARIOS, crash_at, names_in, plans_of, points_of, recovery_of, scenario_named
from engine.chaos.weather import WEATHERS
from engine.cli.chaos import chaos
from engine.cli.sweeping import death_at
from engine.errors import ConfigError

STRIDE = 5
"""Every so many points in the suite, each in three ways; ``just night`` takes them all."""
RECOVERY_STRIDE = 30
"""Every so many points whose recovery is broken off at each of its acts."""


@pytest.mark.parametrize("name", ["target", "rest-stop", "both-rest"])
def test_deaths_of_a_scenario_break_nothing(name: str):
    """Killed at a sample of its acts, without power at them, and once more on the way back: every rule holds."""
    points = points_of(name)
    assert points > 60
    for plan in plans_of(name, points, every=STRIDE):
        result = crash_at(name, plan)
        assert not result.failed, f"{CrashJob(name, plan).command}: {result.violations[0].text}"
        assert result.struck.get("power_loss" if plan.power_loss else "crash"), plan.name


def test_deaths_at_every_act_of_a_recovery_break_nothing():
    """Two deaths, the second at each act of the way back from the first."""
    plans = list(plans_of("target", points_of("target"), "every", RECOVERY_STRIDE))
    assert sum(plan.again > 0 for plan in plans) > 80
    for plan in plans:
        result = crash_at("target", plan)
        assert not result.failed, f"{CrashJob('target', plan).command}: {result.violations[0].text}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_holds_without_a_death(name: str):
    """It breaks no rule and brings its signals to an end."""
    run = Run(scenario_named(name), WEATHERS["calm"], name)
    play(run)
    assert not run.result().failed, run.result().violations[0]
    cases = run.oracle.ledger.cases.values()
    assert cases
    assert all(case.closed is not None for case in cases)


@pytest.mark.parametrize(
    ("name", "method"),
    [("rest-target", "AddOrder"), ("operator-amend", "amend_order"), ("conditional-close", "add_order")],
)
def test_scenarios_go_the_way_their_name_says(name: str, method: str):
    """Orders by REST are all by REST; what is said to be amended is."""
    run = Run(scenario_named(name), WEATHERS["calm"], name, whole=True)
    play(run)
    sent = [str(row.text).partition(" ")[0] for row in run.result().trace if row.lane == "sent"]
    assert method in sent
    assert not (name.startswith("rest-") and {"add_order", "amend_order", "cancel_order"} & set(sent))


def test_a_death_is_the_same_twice():
    """Equal plans give equal traces."""
    plan = CrashPlan(40, power_loss=True, again=11)
    assert crash_at("target", plan).digest == crash_at("target", plan).digest


def test_plans_kill_at_every_point_in_three_ways():
    """By kill, by loss of power, and again during the recovery; a stride leaves points out and changes none."""
    plans = list(plans_of("target", 5))
    assert [plan.point for plan in plans] == [point for point in range(1, 6) for _ in range(3)]
    assert sum(plan.again > 0 for plan in plans) == 5
    assert sum(plan.power_loss and not plan.again for plan in plans) == 5
    assert list(plans_of("target", 5, every=2)) == [plan for plan in plans if plan.point % 2 == 0]


def test_a_recovery_is_broken_off_at_every_act_of_it():
    """By both deaths."""
    plans = [plan for plan in plans_of("target", 30, "every", 30) if plan.again]
    for loss in (False, True):
        acts = recovery_of("target", CrashPlan(30, power_loss=loss))
        assert [plan.again for plan in plans if plan.power_loss is loss] == list(range(1, acts + 1))


def test_scenarios_are_named_alone_together_or_all():
    """Anything else is refused, and the complaint names those there are."""
    assert names_in("all") == SCENARIOS
    assert len(SCENARIOS) >= 20
    assert names_in("stop, target") == ("stop", "target")
    with pytest.raises(ValueError, match="both-rest"):
        names_in("nine-9")
    with pytest.raises(ConfigError, match="one scenario"):
        death_at("all", 3, "kill", 0)
    with pytest.raises(ConfigError, match="counts from 1"):
        death_at("target", 5000, "kill", 0)


def test_the_command_of_a_death_dies_it_again():
    """What a failure prints is what the command line takes."""
    job = CrashJob("target", CrashPlan(40, power_loss=True, again=11))
    words = job.command.split()
    assert job.command.endswith("chaos --crash-sweep target --point 40 --death power --again 11 --why")
    found = death_at(words[words.index("--crash-sweep") + 1], 40, "power", 11)
    assert found == job


def test_one_death_is_told_as_json(capsys: pytest.CaptureFixture[str]):
    """With the scenario and the death, the hash of its trace, and what broke."""
    chaos(crash_sweep="target", point=40, death="power", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["scenario"], said["point"], said["death"], said["violations"]) == ("target", 40, "power", [])
    assert said["trace_hash"] == crash_at("target", CrashPlan(40, power_loss=True)).digest
