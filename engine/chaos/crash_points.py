"""Every act of a process that leaves a trace outside it, numbered: an append, a sync, bytes on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.chaos.world import World

RESUMED_ACTS = 12
"""What an engine does first once it accepts signals counts as recovery still: stops put back, answers journalled."""


@dataclass(frozen=True)
class CrashPlan:
    """Die right after the act of this number, from 1; with ``again`` once more, so many acts into the recovery."""

    point: int
    power_loss: bool = False
    again: int = 0

    @property
    def death(self) -> str:
        """Its word on the command line."""
        return "power" if self.power_loss else "kill"

    @property
    def name(self) -> str:
        """Say it shortly."""
        how = "power loss" if self.power_loss else "kill"
        return f"{how} at point {self.point}" + (f", again {self.again} later" if self.again else "")


class CrashPoints:
    """Counts the acts of a world's processes, and kills by plan. ``struck`` is told of each death."""

    def __init__(self, world: World, plan: CrashPlan | None, struck: Callable[[str], None]) -> None:
        self._world, self._plan, self._struck = world, plan, struck
        self._next = plan.point if plan is not None else 0
        self._again = plan.again if plan is not None else 0
        self.count = 0
        self.recovery = 0
        """Acts from the first death until an engine accepted signals again, and the first it did then; 0: none has."""
        self._died_at = 0
        world.disk.observers.append(lambda *_: self._act())
        world.wire.observers.append(lambda end, _: self._act() if end.endswith("/client") else None)

    def _act(self) -> None:
        self.count += 1
        if self.count != self._next or self._plan is None or not self._world.running:
            return
        self._died_at = self._died_at or self.count
        self._next, self._again = (self.count + self._again if self._again else 0), 0
        self._struck("power_loss" if self._plan.power_loss else "crash")
        self._world.kill(power_loss=self._plan.power_loss)

    def disarm(self) -> None:
        """Kill nobody any more: what comes now is told to another judge."""
        self._plan = None

    def recovered(self) -> None:
        """Take note that an engine accepts signals again."""
        if self._died_at and not self.recovery:
            self.recovery = self.count - self._died_at + RESUMED_ACTS
