"""The seeded world with a snapshot every few rows: everything that is judged of an engine holds with them as well."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from engine.chaos import damage
from engine.chaos.crash_points import CrashPlan
from engine.chaos.run import Run, play
from engine.chaos.scenario import Scenario, draw_scenario
from engine.chaos.weather import WEATHERS
from engine.chaos.world import World


def snapshotted(seed: int, every_rows: int, **drawn: float) -> Scenario:
    """A drawn scenario whose engines take a snapshot every so many rows."""
    scenario = draw_scenario(seed, **drawn)  # type: ignore[arg-type]  # two numbers of its own
    return replace(scenario, settings=msgspec.structs.replace(scenario.settings, snapshot_rows=every_rows))


class Spy(Run):
    """Notes at which act each snapshot was appended, and how many starts stood on one."""

    def _prepare(self, world: World) -> None:
        super()._prepare(world)
        self.snapped: list[int] = []
        world.disk.observers.append(self._look)

    def _look(self, act: str, name: str, data: bytes) -> None:
        if act == "append" and b',"snapshot",' in data:
            self.snapped.append(self._points.count)

    @property
    def stood(self) -> int:
        """Starts that did not walk the whole chain."""
        said = [row.text for row in self.trace.rows if isinstance(row.text, str) and "journal.sound" in row.text]
        words = [dict(part.split("=") for part in text.split() if "=" in part) for text in said]
        return sum(int(word["walked"]) < int(word["rows"]) for word in words)


def test_seeds_hold_with_a_snapshot_every_few_rows() -> None:
    """Killed and started again in bad weather, on snapshots: no invariant breaks."""
    stood = 0
    for seed, weather, every_rows in ((2, "storm", 4), (3, "storm", 4), (3, "mixed", 9), (8, "storm", 15)):
        spy = Spy(snapshotted(seed, every_rows), WEATHERS[weather], seed, whole=True)
        play(spy)
        assert not spy.result().violations, seed
        stood += spy.stood
    assert stood >= 3


@pytest.mark.parametrize("power_loss", [False, True])
def test_death_at_each_act_around_a_snapshot(power_loss: bool) -> None:
    """Before, at and behind the row of a snapshot, and once more in the recovery: nothing is lost, nothing doubled."""
    scenario = snapshotted(3, 6, brackets=2, span_s=6.0)
    first = Spy(scenario, WEATHERS["calm"], 3)
    play(first)
    assert len(first.snapped) >= 2
    for point in range(first.snapped[1] - 1, first.snapped[1] + 3):
        run = Run(scenario, WEATHERS["calm"], 3, crash=CrashPlan(point, power_loss, again=7 if point % 2 else 0))
        play(run)
        assert not run.result().violations, point


def test_damage_that_a_snapshot_leaves_out_never_passes_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine halts once it has proved its rows, or dies of the one it reads, and then the next start salvages."""
    monkeypatch.setattr(damage, "DAMAGED_SHARE", 1.0)
    stood = 0
    for seed in (2, 8, 11, 14):
        spy = Spy(snapshotted(seed, 9), WEATHERS["calm"], seed, whole=True)
        play(spy)
        assert not spy.result().violations, seed
        stood += spy.stood
    assert stood >= 2
