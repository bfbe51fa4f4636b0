"""What is tried on an engine: a seed of the world under a weather, a death in a scenario, or a scenario's own story.

Nothing here imports the engine before a trial runs: the one it runs on may be loaded with a bug planted in it.
"""

from __future__ import annotations

import contextlib
import io
from typing import NamedTuple, Protocol

_OPTIONS = ("-x", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain")
"""Of pytest in a child: what is loaded there already cannot be rewritten for its assertions."""


class Broken(NamedTuple):
    """The first rule that broke, and how."""

    invariant: str
    text: str


class Trial(Protocol):
    """One thing to try."""

    @property
    def told(self) -> str:
        """Say shortly what it is."""

    def run(self) -> Broken | None:
        """Run it on the engine that is loaded; None where every rule holds."""


class Seed(NamedTuple):
    """One seed of the world."""

    weather: str
    seed: int

    @property
    def told(self) -> str:
        """Say shortly what it is."""
        return f"{self.weather} {self.seed}"

    def run(self) -> Broken | None:
        """Run it up to the first rule that breaks."""
        from engine.chaos.run import Run, play
        from engine.chaos.scenario import draw_scenario
        from engine.chaos.weather import WEATHERS

        run = Run(draw_scenario(self.seed), WEATHERS[self.weather], self.seed, to_first=True)
        play(run)
        return _first(run.result().violations)


class Death(NamedTuple):
    """One death in a scenario of the crash sweep; with ``again`` one more, so many acts into the recovery."""

    scenario: str
    point: int
    power_loss: bool = False
    again: int = 0

    @property
    def told(self) -> str:
        """Say shortly what it is."""
        again = f", again {self.again} later" if self.again else ""
        return f"{self.scenario}, {'power loss' if self.power_loss else 'kill'} at {self.point}{again}"

    def run(self) -> Broken | None:
        """Die it, and judge what came of it."""
        from engine.chaos.crash_points import CrashPlan
        from engine.chaos.sweep import crash_at

        return _first(crash_at(self.scenario, CrashPlan(self.point, self.power_loss, self.again)).violations)


class Story(NamedTuple):
    """A test of tests/scenarios, by pytest's name for it."""

    node: str

    @property
    def told(self) -> str:
        """Say shortly what it is."""
        return self.node.removeprefix("tests/scenarios/")

    def run(self) -> Broken | None:
        """Run the test; one that does not pass has noticed."""
        import pytest

        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = pytest.main([self.node, *_OPTIONS])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise RuntimeError(f"{self.node} did not run: {said.getvalue()[-2000:]}")
        return None if code == pytest.ExitCode.OK else Broken("story", said.getvalue()[-300:])


def _first(violations: object) -> Broken | None:
    from engine.chaos.invariants.base import Violation

    assert isinstance(violations, tuple)
    for one in violations:
        assert isinstance(one, Violation)
        return Broken(one.invariant, one.text)
    return None
