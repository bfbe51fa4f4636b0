"""Iceberg: a limit order of which the market sees a part at a time.

Kraken has an order type of this name; the engine does not send it. Shown slice by slice each part is an order of its
own with a stop of its own, and nothing that is not shown has to be trusted to a venue while we are away.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from statemachine import State, StateMachine

from engine.algos.hands import Hands
from engine.algos.ledger import Child
from engine.algos.parent import Parent, ParentFault
from engine.algos.stage import Algorithm, Budget


class IcebergMachine(StateMachine):
    """A part is shown or the next one is made ready. A part of unknown fate keeps the next one back."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    refilling = State("refilling", initial=True)  # nothing is shown
    showing = State("showing")  # a part rests
    doubting = State("doubting")  # a part is out, and nobody knows whether it rests
    draining = State("draining")  # ending: the part is being canceled
    complete = State("complete", final=True)  # all of it traded
    short = State("short", final=True)  # time is over, or what is left cannot be traded
    stopped = State("stopped", final=True)  # halted, denied, asked to, or its budget spent

    show = refilling.to(showing)
    doubt = showing.to(doubting)
    clear = doubting.to(showing)
    settle = showing.to(refilling) | doubting.to(refilling)
    finish = refilling.to(complete)
    run_out = refilling.to(short)
    drain = refilling.to(draining) | showing.to(draining) | doubting.to(draining)
    drained = draining.to(complete, cond="filled") | draining.to(stopped)

    def filled(self, filled: bool = False) -> bool:
        """Guard: the whole parent has traded."""
        return filled


class IcebergTerms(msgspec.Struct, frozen=True):
    """``display_qty`` in base units is shown at a time, for ``over_s`` seconds in all."""

    display_qty: Decimal
    over_s: float


class Iceberg(Algorithm):
    """Each part is a child that rests at the parent's limit until it has filled. The last one takes the remainder."""

    def __init__(self, hands: Hands, parent: Parent, terms: IcebergTerms, budget: Budget | None = None) -> None:
        super().__init__(IcebergMachine, hands, parent, terms.over_s, budget)
        if not 0 < terms.display_qty <= parent.signal.order_qty:
            raise ParentFault("display_qty: more than 0 and at most order_qty")
        if parent.signal.time_in_force != "gtc":
            raise ParentFault(f"time_in_force: {parent.signal.time_in_force}; what is shown rests: gtc")
        self.terms = terms

    async def step(self) -> int | None:
        """See Algorithm."""
        state, current = self.course.state, self.ledger.current
        if state == "draining":
            self.drained()
            return None
        if state != "refilling" and current is None:
            self.course.send("settle")
        why = await self.must_stop() or self._taken_away()
        if why and not self.filled:
            await self.drain(why)
            return self.now_ns
        if current is not None:
            self._watch(current)
            return None
        return await self._refill()

    def _watch(self, current: Child) -> None:
        if self.course.state == "refilling":
            self.course.send("show")  # an earlier process left it
        if current.uncertain != (self.course.state == "doubting"):
            self.course.send("doubt" if current.uncertain else "clear")

    def _taken_away(self) -> str:
        """Say so when somebody on our side canceled what was shown: it is not put back against a person's will."""
        last = self.ledger.last
        gone = last is not None and last.over and last.cum_qty < last.order_qty and last.asked_away
        return "its part was canceled" if gone and not self.time_is_over else ""

    async def _refill(self) -> int | None:
        if self.filled:
            self.course.send("finish")
            return None
        qty = self.parent.sized(
            max(self.terms.display_qty, self.parent.least(self.instrument)), self.ledger.left, self.instrument
        )
        if self.time_is_over or not qty:
            self.reason = "time is over" if self.time_is_over else "what is left is below the market's minima"
            self.course.send("run_out")
            return None
        if (pause_ns := self.pause_ns()) is not None or not await self.has_room(1):
            return pause_ns or self.soon_ns()
        self.course.send("show")
        await self.send(qty, **self.parent.resting(self.end_ns, self.now_ns))
        return None
