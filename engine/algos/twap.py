"""TWAP: equal slices at equal intervals, so that the average paid is near the market's own over that time."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Protocol

import msgspec
from statemachine import State, StateMachine

from engine import SystemChance
from engine.algos.hands import Hands
from engine.algos.parent import NS, Parent, ParentFault
from engine.algos.stage import Algorithm, Budget


class TwapMachine(StateMachine):
    """Between slices or in one. A slice of unknown fate keeps the next one back."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    waiting = State("waiting", initial=True)  # for the next slot
    working = State("working")  # a slice is out
    doubting = State("doubting")  # a slice is out, and nobody knows whether it rests
    draining = State("draining")  # ending: the slice is being canceled
    complete = State("complete", final=True)  # all of it traded
    short = State("short", final=True)  # time is over, or what is left cannot be traded
    stopped = State("stopped", final=True)  # halted, denied, asked to, or its budget spent

    cut = waiting.to(working)
    doubt = working.to(doubting)
    clear = doubting.to(working)
    settle = working.to(waiting) | doubting.to(waiting)
    finish = waiting.to(complete)
    run_out = waiting.to(short)
    drain = waiting.to(draining) | working.to(draining) | doubting.to(draining)
    drained = draining.to(complete, cond="filled") | draining.to(stopped)

    def filled(self, filled: bool = False) -> bool:
        """Guard: the whole parent has traded."""
        return filled


class TwapTerms(msgspec.Struct, frozen=True):
    """``slices`` over ``over_s`` seconds. ``jitter``: each begins up to this part of its interval later (0 to 0.9).

    ``catch_up``: how many further slices a slot may take on of what earlier ones missed; more stays behind, and is told
    as short. Slices below the market's minima go along with the next one.
    """

    slices: int
    over_s: float
    jitter: float = 0.0
    catch_up: Decimal = Decimal(1)

    def check(self) -> None:
        """Raise ParentFault for terms that make no schedule."""
        if not (1 <= self.slices <= 1000 and 0 <= self.jitter <= 0.9 and self.catch_up >= 0):
            raise ParentFault("terms: slices 1 to 1000, jitter 0 to 0.9, catch_up not negative")


class _Chance(Protocol):
    def stream(self, tag: str) -> random.Random: ...


class Twap(Algorithm):
    """Each slice is a child: immediate-or-cancel at the worst price, or (a gtc parent) resting there for its slot.

    ``chance`` draws the jitter; left out: the system's, which nobody can foresee.
    """

    def __init__(
        self,
        hands: Hands,
        parent: Parent,
        terms: TwapTerms,
        budget: Budget | None = None,
        chance: _Chance | None = None,
    ) -> None:
        terms.check()
        super().__init__(TwapMachine, hands, parent, terms.over_s, budget)
        if self.budget.children < terms.slices:
            raise ParentFault(f"budget: {self.budget.children} children are fewer than {terms.slices} slices")
        self.terms = terms
        rng = (chance or SystemChance()).stream(f"algo/{parent.signal.signal_id}")
        self._lags = [rng.random() * terms.jitter for _ in range(terms.slices)]
        self._served = -1  # the last slot that had its chance

    async def step(self) -> int | None:
        """See Algorithm."""
        state, current = self.course.state, self.ledger.current
        if state == "draining":
            self.drained()
            return None
        if state != "waiting" and current is None:
            self.course.send("settle")
        why = await self.must_stop()
        if why and not self.filled:
            await self.drain(why)
            return self.now_ns
        if current is not None:
            self._watch(current.uncertain)
            return None
        return await self._next_slot()

    def _watch(self, uncertain: bool) -> None:
        if self.course.state == "waiting":
            self.course.send("cut")  # an earlier process left it
        if uncertain != (self.course.state == "doubting"):
            self.course.send("doubt" if uncertain else "clear")

    async def _next_slot(self) -> int | None:
        """Send the slice that is due; what a slot missed is the next one's, within its bound."""
        if self.filled:
            self.course.send("finish")
            return None
        if self.time_is_over or not self.worth_sending:
            self.reason = "time is over" if self.time_is_over else "what is left is below the market's minima"
            self.course.send("run_out")
            return None
        slot = self._slot()
        if slot <= self._served:
            return self._begins_ns(slot + 1)
        qty = self._due(slot)
        if qty and not await self.has_room(1):
            return self.soon_ns()  # the same slot, a little later
        self._served = slot
        if not qty:
            return self._begins_ns(slot + 1)
        self.course.send("cut")
        await self.send(qty, **self.parent.resting(self._begins_ns(slot + 1), self.now_ns))
        return None

    def _slot(self) -> int:
        """The slot that has begun last; -1 before the first."""
        return max((n for n in range(self.terms.slices) if self._begins_ns(n) <= self.now_ns), default=-1)

    def _begins_ns(self, slot: int) -> int:
        """When a slot begins; the one behind the last is the end."""
        if slot >= self.terms.slices:
            return self.end_ns
        interval_s = self.terms.over_s / self.terms.slices
        start_ns = self.end_ns - round(self.terms.over_s * NS)
        return start_ns + round((slot + self._lags[slot]) * interval_s * NS)

    def _due(self, slot: int) -> Decimal:
        """The schedule's quantity up to and with this slot, less what has traded, within the bound on catching up."""
        total, slices = self.parent.signal.order_qty, self.terms.slices
        behind = total * (slot + 1) / slices - self.ledger.cum_qty
        most = (1 + self.terms.catch_up) * max(total / slices, self.parent.least(self.instrument))
        return self.parent.sized(min(behind, most), self.ledger.left, self.instrument)
