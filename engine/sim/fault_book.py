"""The faults that are set now, by whomever: consulted at every point, counted, added and cleared while the exchange
runs. Equal seeds and equal requests give equal faults.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import trio

from engine.seams.chance import Chance
from engine.sim.fault_plan import Fault, FaultPlan
from engine.sim.faults import CLEAR, EVERY, Action, Faults, FrameVerdict, NoFaults, Pending, Phase, Transport, Verdict
from engine.sim.faults import merged as merge

MOST_FAULTS = 1000
_MOST_WAITING = 10_000
End = Callable[[], None]
Act = Callable[[Fault], "Deed"]


@dataclass(frozen=True, slots=True)
class Deed:
    """What an act upon the venue came to: how many it met (0: nobody was there), and how to end it."""

    met: int = 1
    end: End | None = None


class SetFault:
    """A fault that is set, with its counters.

    ``matched`` counts what it could have met within its time, ``fired`` what it did meet, ``missed`` the acts that
    found nobody to act upon.
    """

    def __init__(self, fault: Fault, stream: Random) -> None:
        self.fault, self._stream = fault, stream
        self.matched = self.fired = self.missed = 0
        self._chosen = 0
        self._since = trio.current_time()
        self.end: End | None = None  # of what it did to the venue and still holds

    @property
    def due(self) -> float:
        """When a timed one is to happen; never again once it did."""
        return math.inf if self._chosen or not self.fault.timed else self._since + self.fault.at_s

    @property
    def over(self) -> bool:
        """Tell whether it can never fire again."""
        fault = self.fault
        most = fault.times if fault.times is not None else (1 if fault.nth is not None or fault.timed else None)
        late = trio.current_time() >= self._since + fault.at_s + fault.for_s
        return late or (most is not None and self._chosen >= most)

    def chooses(self) -> bool:
        """Count one request or frame that it could meet, and tell whether it does. Chance is drawn for each."""
        fault = self.fault
        if self.over or trio.current_time() < self._since + fault.at_s:
            return False
        self.matched += 1
        if fault.nth is not None and self.matched < fault.nth:
            return False
        if fault.probability is not None and self._stream.random() >= fault.probability:
            return False
        self._chosen += 1
        return True

    def choose(self) -> None:
        """Note that its time has come."""
        self._chosen += 1

    def shown(self) -> dict[str, object]:
        """Return it with its counters, as the control endpoint lists it."""
        counters = {"matched": self.matched, "fired": self.fired, "missed": self.missed, "over": self.over}
        return {"id": self.fault.name, **self.fault.shown(), **counters}


class FaultBook:
    """Set faults by id, in the order in which they came; of those for one frame the first counts, of those for one
    request all. ``beneath`` is consulted beside them: faults that a program scripts in Python.
    """

    def __init__(self, chance: Chance | None = None, before_only: frozenset[str] = frozenset()) -> None:
        self.beneath: Faults = NoFaults()
        self.act: Act | None = None
        self._chance, self._before_only = chance, before_only
        self._set: dict[str, SetFault] = {}
        self._count = self._ordinal = 0
        self._pending = Pending()
        self._waiting: dict[int, list[SetFault]] = {}  # request -> those that count (and act) in its second phase
        self._endings: list[tuple[float, int, End]] = []  # when, a number that tells equals apart, what
        self._changed = trio.Event()

    # --- what is set

    def add(self, plan: FaultPlan) -> list[str]:
        """Set faults from now on and return their ids. Raises ValueError for too many or a name that is taken."""
        named = [fault.name for fault in plan.faults if fault.name]
        taken = sorted({name for name in named if name in self._set or named.count(name) > 1})
        if taken:
            raise ValueError(f"fault: the name {taken[0]!r} is taken")
        if len(self._set) + len(plan.faults) > MOST_FAULTS:
            raise ValueError(f"fault: at most {MOST_FAULTS} may be set")
        ids = [self._add(fault, plan.seed) for fault in plan.faults]
        self._wake()
        return ids

    def _add(self, fault: Fault, seed: int | str | None) -> str:
        name = fault.name
        while not name:
            self._count += 1
            name = "" if f"f{self._count}" in self._set else f"f{self._count}"
        own = seed if fault.seed is None else fault.seed
        if own is not None:
            stream = Random(f"{own}/faults/{name}")
        else:
            stream = Random(0) if self._chance is None else self._chance.stream(f"sim/faults/{name}")
        self._set[name] = SetFault(replace(fault, name=name), stream)
        return name

    def clear(self, name: str | None = None) -> int:
        """Take one fault away, or all; what one holds ends. Returns how many. Raises KeyError for an unknown one."""
        gone = list(self._set) if name is None else [name]
        for each in gone:
            end = self._set.pop(each).end
            if end is not None:
                end()
        return len(gone)

    def list(self) -> Sequence[dict[str, object]]:
        """Return all that are set, with their counters."""
        return [fault.shown() for fault in self._set.values()]

    def counters(self) -> dict[str, int]:
        """Return how often each kind that is set has fired."""
        fired: dict[str, int] = {}
        for each in self._set.values():
            fired[each.fault.kind.name] = fired.get(each.fault.kind.name, 0) + each.fired
        return fired

    # --- consulted by the exchange

    async def on_request(
        self, transport: Transport, method: str, phase: Phase, number: int, symbol: str = ""
    ) -> Verdict:
        """Judge a request in one phase, as ``Faults`` does; ``symbol`` is told in the first."""
        verdict = await self.beneath.on_request(transport, method, phase, number)
        mine = self._before(transport, method, number, symbol) if phase == "before" else self._after(number)
        return verdict if mine is CLEAR else merge([verdict, mine])

    def on_frame(self, channel: str, symbol: str = "") -> FrameVerdict:
        """Judge one outgoing frame."""
        verdict = self.beneath.on_frame(channel)
        if not self._set:
            return verdict
        met = [each for each in self._set.values() if _meets_frame(each.fault, channel, symbol) and each.chooses()]
        for each in met:
            each.fired += 1
        return verdict if verdict != "send" or not met else met[0].fault.kind.verdict

    def _before(self, transport: Transport, method: str, number: int, symbol: str) -> Verdict:
        if not self._set:
            return CLEAR
        actions: list[Action] = []
        later: list[SetFault] = []
        for each in list(self._set.values()):
            phase = each.fault.kind.phase(each.fault.values)
            late = phase == "after"
            if late and method in self._before_only:
                continue
            if not _meets_request(each.fault, transport, method, symbol) or not each.chooses():
                continue
            if each.fault.kind.action is not None:
                actions.append(each.fault.kind.action(each.fault.values))
            if late:
                later.append(each)
            else:
                self._fire(each)
        verdict = self._pending.begin(number, actions)
        if later and not verdict.interferes:
            self._waiting[number] = later
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        return verdict

    def _after(self, number: int) -> Verdict:
        for each in self._waiting.pop(number, ()):
            self._fire(each)
        return self._pending.end(number)

    def _fire(self, each: SetFault) -> None:
        if each.fault.kind.target != "venue":
            each.fired += 1
            return
        deed = self.act(each.fault) if self.act is not None else Deed(0)
        if not deed.met:
            each.missed += 1
            return
        each.fired += 1
        each.end = deed.end
        hold_s: float = each.fault.values.get("hold_s", math.inf)
        if deed.end is not None and hold_s != math.inf:
            self._count_ending(trio.current_time() + hold_s, each, deed.end)

    # --- time

    def _count_ending(self, at: float, each: SetFault, end: End) -> None:
        def finish() -> None:
            if each.end is end:
                each.end = None
                end()

        self._ordinal += 1
        heapq.heappush(self._endings, (at, self._ordinal, finish))
        self._wake()

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        while True:
            due = min([each.due for each in self._set.values()], default=math.inf)
            if self._endings:
                due = min(due, self._endings[0][0])
            changed = self._changed
            with trio.move_on_at(due):
                await changed.wait()
            self._do_due(trio.current_time())

    def _do_due(self, now: float) -> None:
        while self._endings and self._endings[0][0] <= now:
            heapq.heappop(self._endings)[2]()
        for each in [each for each in self._set.values() if each.due <= now]:
            each.choose()
            self._fire(each)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _meets_request(fault: Fault, transport: Transport, method: str, symbol: str) -> bool:
    if fault.kind.target == "frame" or fault.timed or fault.transport not in (None, transport):
        return False
    return _named(fault.method, method) and _named(fault.symbol, symbol)


def _meets_frame(fault: Fault, channel: str, symbol: str) -> bool:
    return fault.kind.target == "frame" and _named(fault.channel, channel) and _named(fault.symbol, symbol)


def _named(names: tuple[str, ...], name: str) -> bool:
    return EVERY in names or name in names
