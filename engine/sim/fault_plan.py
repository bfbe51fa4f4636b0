"""One fault as somebody scripted it: what goes wrong, whom it meets, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.sim.fault_kinds import Kind
from engine.sim.faults import EVERY, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind with its members, whom it meets (``*`` is everybody), and when; all that is given must hold.

    Times are seconds from the moment when the fault was added. Requests and frames count from there too.
    """

    kind: Kind
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    name: str = ""
    method: tuple[str, ...] = (EVERY,)
    channel: tuple[str, ...] = (EVERY,)
    symbol: tuple[str, ...] = (EVERY,)
    transport: Transport | None = None
    timed: bool = False  # an act upon the venue that waits for its time and for no request
    nth: int | None = None  # the first that it meets, counted from 1
    at_s: float = 0.0
    for_s: float = math.inf
    probability: float | None = None
    seed: int | str | None = None  # of this fault's own chance; else the exchange's
    times: int | None = None  # how often at most

    def shown(self) -> dict[str, object]:
        """Return it as a control answer writes it: what was left out is left out."""
        row: dict[str, object] = {"kind": self.kind.name}
        if self.kind.target == "request" or (self.kind.target == "venue" and not self.timed):
            row["method"] = list(self.method)
        if self.kind.target == "frame":
            row["channel"] = list(self.channel)
        if self.symbol != (EVERY,):
            row["symbol"] = list(self.symbol)
        for name in ("transport", "nth", "probability", "seed", "times"):
            if getattr(self, name) is not None:
                row[name] = getattr(self, name)
        if self.at_s or self.timed:
            row["at_s"] = self.at_s
        if self.for_s != math.inf:
            row["for_s"] = self.for_s
        return row | {name: value for name, value in self.values.items() if value not in (None, math.inf)}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults of one file; ``seed`` is for those that happen by chance and have none of their own."""

    faults: tuple[Fault, ...] = ()
    seed: int | str | None = None


NO_FAULTS = FaultPlan()
