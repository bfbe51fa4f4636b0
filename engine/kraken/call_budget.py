"""A counter of calls that readers queue for (§5.1)."""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import trio

from engine.kraken.limits import Counter

LEAST_WAIT_S = 0.001
BLOCKED_S = 5.0
"""How long we keep quiet after the venue said that the counter is over: 5 to 15 s, says Kraken."""
PUBLIC_BURST = 5
PUBLIC_PER_S = 1.0
"""Public calls count per address; no number is published, about one a second is the customary safe rate."""


class Urgency(IntEnum):
    """What a read is for; the smallest goes first."""

    TOKEN = 0
    """Without it no private stream comes back."""
    AMEND = 1
    """A change of an order: refused it would be late as well, and all else behind it."""
    FILLS = 2
    """What the stream missed: until it is here the stream is not complete."""
    STATES = 3
    """How orders stand, fifty for a point, the fills they lack, and what became of an exit in doubt: somebody may be
    bare meanwhile, and it does not wait behind a list of four points that an entry's end hangs on."""
    QUESTION = 4
    PAGES = 5
    """The further pages of a long list. They may wait, so that a list never keeps the stream away."""


_BATCHES = 2
"""They wait for nothing, and may count: a halt takes entries back while stop after stop is moved."""
_TOKENS = 3
"""A handful of reconnects in a row."""
_HISTORY = 8
"""Two calls for missing fills."""
RESERVES = {
    Urgency.TOKEN: 0,
    Urgency.AMEND: _BATCHES,
    Urgency.FILLS: _TOKENS,
    Urgency.STATES: _TOKENS,
    Urgency.QUESTION: _TOKENS,
    Urgency.PAGES: _TOKENS + _HISTORY,
}
"""Points that a call leaves to more urgent ones. Of Starter's fifteen the last page leaves eleven and costs four."""
AGED_S = 20.0
"""So long states go before a question; then it is its turn, as they come again and again while the stream is away."""
LIST_AGED_S = 12.0
"""So long, which is what its points take to come back at the smallest tier, a list of four leaves its turn to states of
one point. Whoever is bare waits for those; but what a list tells, the fills of what has filled, is wanted soon too."""
BESIDE_S = 3.0
"""States that came so soon after a list, which is what a point takes to come back, have waited about as long: they
keep their place when its turn comes. Behind it they would wait for four points, and have nearly got their own."""


class _Waiter(NamedTuple):
    urgency: Urgency
    number: int
    points: float
    reserve: float
    since_s: float

    @property
    def aged_s(self) -> float:
        """When its place in the queue becomes a better one."""
        return self.since_s + (LIST_AGED_S if self.urgency is Urgency.STATES else AGED_S)

    def rank(self, now_s: float) -> tuple[Urgency, bool, float, int]:
        """Return the place in the queue: the smallest goes first."""
        if now_s < self.aged_s or self.urgency not in (Urgency.STATES, Urgency.QUESTION):
            return self.urgency, self.urgency is Urgency.STATES and self.points > 1, self.since_s, self.number
        return Urgency.STATES, False, self.since_s + (BESIDE_S if self.points > 1 else 0.0), self.number


@dataclass
class Room:
    """Points that one call holds; ``used`` is set False when certainly nothing of it was written."""

    used: bool = True


class CallBudget:
    """Lets calls go while the counter has room, the most urgent first, then first come first served.

    Who waits for a reserve stands aside for those who need not leave it. ``level`` is what an earlier process left in
    the venue's counter, ``note`` is told the level after each change.
    """

    def __init__(
        self, most: float, decay_per_s: float, *, level: float = 0.0, note: Callable[[float], None] | None = None
    ) -> None:
        self.counter = Counter(most, decay_per_s)
        if level > 0:
            self.counter.correct(min(level, most), trio.current_time())
        self._note = note
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count(1)
        self._changed = trio.Event()

    @asynccontextmanager
    async def room(self, points: float, urgency: Urgency = Urgency.TOKEN) -> AsyncIterator[Room]:
        """Wait until the counter has room, and hold the points while the block runs."""
        held, room = await self.take(points, urgency), Room()
        try:
            yield room
        finally:
            self.settle(held, charged=room.used)

    async def take(self, points: float, urgency: Urgency = Urgency.TOKEN) -> int:
        """Wait until the counter has room, and hold the points; returns what is to be settled."""
        await trio.lowlevel.checkpoint()
        await self._wait(_Waiter(urgency, next(self._numbers), points, RESERVES[urgency], trio.current_time()))
        held = self.counter.hold(points)
        self._changed_level()
        return held

    async def _wait(self, waiter: _Waiter) -> None:
        self._waiting.append(waiter)
        try:
            while True:
                lack_s = self._lack_s(waiter)
                first = not any(self._precedes(other, waiter) for other in self._waiting)
                if first and lack_s <= 0:
                    return
                now_s, aged_s = trio.current_time(), waiter.aged_s
                room_s = now_s + max(lack_s, LEAST_WAIT_S) if first else math.inf
                with trio.move_on_at(min(room_s, aged_s) if now_s < aged_s else room_s):
                    await self._changed.wait()
        finally:
            self._waiting.remove(waiter)
            self._tell()

    def _precedes(self, other: _Waiter, waiter: _Waiter) -> bool:
        now_s = trio.current_time()
        earlier = other.rank(now_s) < waiter.rank(now_s)
        return earlier and (other.reserve <= waiter.reserve or self._lack_s(other) <= 0)

    def _lack_s(self, waiter: _Waiter) -> float:
        return self.counter.wait_s(waiter.points, trio.current_time(), waiter.reserve)

    def has_room(self, points: float, urgency: Urgency) -> bool:
        """Tell whether the counter has room now, with what such a call leaves to more urgent ones."""
        return self.counter.wait_s(points, trio.current_time(), RESERVES[urgency]) <= 0

    def settle(self, held: int, *, charged: bool = True) -> None:
        """Let held points decay from now on, or give them back."""
        self.counter.settle(held, trio.current_time(), charged=charged)
        self._tell()

    def blocked(self) -> None:
        """Learn that the venue counts more than we do."""
        full = self.counter.threshold + BLOCKED_S * self.counter.decay_per_s
        self.counter.correct(full, trio.current_time())
        self._changed_level()

    def _changed_level(self) -> None:
        if self._note is not None:
            self._note(self.counter.level(trio.current_time()))

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
