"""What every algorithm stands on: its budget, its machine's way, its children, and an end that leaves nothing resting.

An algorithm's task looks, lets its machine decide, acts, and waits for news; wherever it is cancelled, the entries of
its children are cancelled too, and what has filled stays protected by the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
import trio
from statemachine import StateMachine

from engine import EngineError, Instrument
from engine.algos.hands import Hands, News
from engine.algos.ledger import Ledger
from engine.algos.parent import NS, Parent, ParentFault
from engine.algos.result import AlgoResult

log = structlog.get_logger()

LOOK_S = 1.0
"""A bracket may end without a report on an order: so often it is looked at all the same."""
PAUSE_S = 1.0
"""Before the next look at a book that is not fresh or a counter that is full, and the next child after a refusal."""
PAUSE_MOST_S = 30.0
"""After refusals in a row the pause doubles up to this: a doubt on the market lasts about a minute."""
DRAIN_BOUND_S = 300.0
"""How long the end waits for the last child to settle: longer than any doubt lasts that the engine can resolve."""
CLEANUP_BOUND_S = 5.0
PASSING_CODES = frozenset({"SYMBOL_IN_DOUBT", "BOOK_NOT_FRESH"})
"""Denials that say nothing about the signal: a moment later the same may pass."""
MISSES_MOST = 3
"""So many children in a row that were taken nowhere end it: what the venue refused thrice it refuses again."""


class Budget(msgspec.Struct, frozen=True):
    """Hard bounds. Worst price and total quantity stand in the parent, the time in the algorithm's terms.

    ``children``: at most so many signals. ``points``: at most so many of the venue's rate counter, None as many as
    there are. ``room_share``: the part of that counter it may help to fill; the rest is left to exits and others.
    """

    children: int = 100
    points: int | None = None
    room_share: float = 0.5

    def check(self) -> None:
        """Raise ParentFault for a bound that bounds nothing."""
        if not (0 < self.children <= 1000 and 0 < self.room_share <= 1 and (self.points is None or self.points > 0)):
            raise ParentFault("budget: children 1 to 1000, points above 0, room_share above 0 and at most 1")


class Course:
    """A machine and the way it has gone. The machine is the only thing that knows which moves are legal."""

    def __init__(self, machine: type[StateMachine]) -> None:
        self.state = str(machine.initial_state.id)
        self.walk: list[tuple[str, str, str]] = []
        self._machine: StateMachine = machine(self)

    def send(self, event: str, **guards: bool) -> None:
        """Make a move. Raises TransitionNotAllowed, and stays, for one that has no row."""
        before = self.state
        move: Callable[..., object] = self._machine.send
        move(event, **guards)
        self.walk.append((before, event, self.state))

    @property
    def ended(self) -> bool:
        """It has come to a final state."""
        return any(one.id == self.state and one.final for one in self._machine.states)


class Algorithm(ABC):
    """One parent being worked. ``run`` it once; ``stop`` it from any task; cancel it at will."""

    def __init__(
        self, machine: type[StateMachine], hands: Hands, parent: Parent, over_s: float, budget: Budget | None
    ) -> None:
        self.budget = budget or Budget()
        self.budget.check()
        if not 0 < over_s <= 30 * 24 * 3600:
            raise ParentFault("over_s: more than 0 and at most 30 days")
        self.hands, self.parent, self.over_s = hands, parent, over_s
        self.course = Course(machine)
        self.ledger = Ledger(hands, parent, self.budget.children)
        self.end_ns = 0
        self.points = 0
        self.reason = ""
        self.instrument: Instrument
        self._stop = ""
        self._news = News()
        self._drained_by_s = 0.0
        self._refused_number, self._pause_ns, self._pause_s = -1, 0, 0.0

    @abstractmethod
    async def step(self) -> int | None:
        """Do what is to be done now; returns the moment (UTC nanoseconds) to look again, None when only news matter."""

    # --- for its owner

    async def run(self) -> AlgoResult:
        """Work the parent to its end. Raises ParentFault for what cannot be worked.

        When nobody answers any more an EngineError comes, inside the groups of the nurseries it passed.
        """
        signal = self.parent.signal
        instrument = await self.hands.instrument(signal.symbol)
        if instrument is None:
            raise ParentFault(f"symbol: the venue lists no {signal.symbol!r}; write it as BTC/USD")
        self.instrument = instrument
        await self.ledger.rebuild()
        self._begin()
        ids = [self.parent.child_id(number) for number in range(self.budget.children)]
        async with self.hands.watching(instrument.symbol, ids) as self._news:
            try:
                while not self.course.ended:
                    await self.ledger.look(self._news.about())
                    wake_ns = await self.step()
                    if not self.course.ended:
                        await self._wait(wake_ns)
            finally:
                await self._leave_nothing()
        result = self.result()
        log.info("algo.ended", parent=signal.signal_id, state=result.state, reason=result.reason)
        return result

    def stop(self, why: str = "asked by the user") -> None:
        """Send no further child, cancel what rests, and end once it has settled."""
        self._stop = self._stop or why
        self._news.tell()

    def result(self) -> AlgoResult:
        """Tell how it stands."""
        return AlgoResult(
            signal_id=self.parent.signal.signal_id,
            state=self.course.state,
            reason=self.reason,
            order_qty=self.parent.signal.order_qty,
            cum_qty=self.ledger.cum_qty,
            avg_px=self.ledger.avg_px,
            points=self.points,
            reprices=sum(child.reprices for child in self.ledger.children),
            children=tuple(child.result() for child in self.ledger.children),
            walk=tuple(self.course.walk),
        )

    # --- for the algorithms

    @property
    def now_ns(self) -> int:
        """UTC nanoseconds."""
        return self.hands.now_ns()

    @property
    def time_is_over(self) -> bool:
        """The parent's end has come."""
        return self.now_ns >= self.end_ns

    @property
    def filled(self) -> bool:
        """The whole parent has traded."""
        return self.ledger.cum_qty >= self.parent.signal.order_qty

    @property
    def worth_sending(self) -> bool:
        """What is left can be ordered at all."""
        return self.ledger.left >= self.parent.least(self.instrument)

    def soon_ns(self, seconds: float = PAUSE_S) -> int:
        """Return the moment so many seconds from now."""
        return self.now_ns + round(seconds * NS)

    async def must_stop(self) -> str:
        """Return why no further child may be sent, ever; "" while they may."""
        if self._stop:
            return self._stop
        if self._news.ended:
            return "the engine has ended"
        if halted := await self.hands.halted(self.parent.signal.strategy_id):
            return halted
        return self._refused() or self._spent()

    def _refused(self) -> str:
        """A denial that will not pass by itself, or one refusal too many."""
        last = self.ledger.last
        if last is None or not last.over or last.denied in PASSING_CODES:
            return ""
        if last.denied:
            return last.refusal
        recent = self.ledger.children[-MISSES_MOST:]
        in_a_row = len(recent) == MISSES_MOST and all(one.over and one.refusal for one in recent)
        return f"{MISSES_MOST} times in a row: {last.refusal}" if in_a_row else ""

    def _spent(self) -> str:
        """The children's bound, or the points'. What is filled needs none."""
        if self.filled or self.ledger.current is not None:
            return ""
        if len(self.ledger.children) >= self.budget.children:
            return f"all {self.budget.children} children are sent"
        if self.budget.points is not None and self.points >= self.budget.points:
            return f"all {self.budget.points} points are spent"
        return ""

    def pause_ns(self) -> int | None:
        """Return until when the next child waits after one that was refused, None when it need not."""
        last, now_ns = self.ledger.last, self.now_ns
        if last is None or not last.over or not last.refusal:
            return None
        if last.number != self._refused_number:
            followed = last.number == self._refused_number + 1
            self._pause_s = min(2 * self._pause_s, PAUSE_MOST_S) if followed and self._pause_s else PAUSE_S
            self._refused_number, self._pause_ns = last.number, now_ns + round(self._pause_s * NS)
        return self._pause_ns if self._pause_ns > now_ns else None

    async def has_room(self, points: int) -> bool:
        """Tell whether the budget and the venue's counter leave room for so many points now."""
        if self.budget.points is not None and self.points + points > self.budget.points:
            return False
        room = await self.hands.room(self.instrument.symbol)
        return room is None or room.level + points <= room.threshold * self.budget.room_share

    async def send(self, qty: Any, **changes: Any) -> None:
        """Hand in the next child; it is counted first."""
        self.points += 1
        await self.ledger.send(qty, self.end_ns, **changes)

    async def drain(self, why: str) -> None:
        """Begin to end: cancel what rests."""
        self.reason, self._drained_by_s = why, trio.current_time() + DRAIN_BOUND_S
        self.course.send("drain")
        await self.ledger.end_entries(why)

    def drained(self) -> None:
        """End once nothing is out any more, or when the bound has passed: the result says what is not settled."""
        nobody_tells = self._news.ended
        if self.ledger.current is None or nobody_tells or trio.current_time() >= self._drained_by_s:
            self.course.send("drained", filled=self.filled)

    # --- inside

    def _begin(self) -> None:
        """Fix the end: the first child, of whatever process, carries it."""
        first = self.ledger.children[0].known if self.ledger.children else None
        known_ns = first.valid_until_ns if first is not None else None
        self.end_ns = known_ns or self.soon_ns(self.over_s)
        self.points = sum(1 + 4 * child.reprices for child in self.ledger.children)  # at their dearest

    async def _wait(self, wake_ns: int | None) -> None:
        """Wait for news, at most until then, and not for ever while anything is out."""
        now_ns = self.now_ns
        moments = [] if wake_ns is None else [wake_ns]
        if self.ledger.current is not None or not moments:
            moments.append(now_ns + round(LOOK_S * NS))
        with trio.move_on_after(max(0.0, (min(moments) - now_ns) / NS)):
            await self._news.wait()

    async def _leave_nothing(self) -> None:
        """However it ends, no entry of its children goes on without it."""
        if self.ledger.current is None:
            return
        with trio.move_on_after(CLEANUP_BOUND_S, shield=True):
            try:
                await self.ledger.end_entries(self.reason or "its algorithm was cancelled")
            except EngineError as error:
                log.warning("algo.left", parent=self.parent.signal.signal_id, why=str(error))
