"""Chase: one passive entry that follows the best price of its own side, within a budget of price, time and points."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from statemachine import State, StateMachine

from engine import amend_points
from engine.algos.hands import Hands, Quote
from engine.algos.ledger import Child
from engine.algos.parent import NS, Parent, ParentFault
from engine.algos.stage import MISSES_MOST, Algorithm, Budget

TAKE_S = 10.0
"""With ``take`` the passive part ends this long before the end: cancel, settle and a last order need their time."""


class ChaseMachine(StateMachine):
    """Where the one entry stands. While its fate, or that of its amend, is unknown nothing more is asked of it."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    waiting = State("waiting", initial=True)  # nothing is out
    resting = State("resting")  # the entry is at its price, or on the way there
    repricing = State("repricing")  # an amend is out
    doubting = State("doubting")  # an order or an amend of unknown fate
    giving_up = State("giving_up")  # the passive part is being canceled, so that the rest may be taken
    taking = State("taking")  # the rest trades at once, no worse than the worst price
    draining = State("draining")  # ending: the entry is being canceled
    complete = State("complete", final=True)  # all of it traded
    short = State("short", final=True)  # time is over, or what is left cannot be traded
    stopped = State("stopped", final=True)  # halted, denied, asked to, or its budget spent

    place = waiting.to(resting)
    reprice = resting.to(repricing)
    repriced = repricing.to(resting)
    doubt = resting.to(doubting) | repricing.to(doubting) | taking.to(doubting)
    clear = doubting.to(resting)
    give_up = resting.to(giving_up)
    take = waiting.to(taking)
    settle = resting.to(waiting) | doubting.to(waiting) | giving_up.to(waiting) | taking.to(waiting)
    finish = waiting.to(complete)
    run_out = waiting.to(short)
    drain = (
        waiting.to(draining)
        | resting.to(draining)
        | doubting.to(draining)
        | giving_up.to(draining)
        | taking.to(draining)
    )
    drained = draining.to(complete, cond="filled") | draining.to(stopped)

    def filled(self, filled: bool = False) -> bool:
        """Guard: the whole parent has traded."""
        return filled


class ChaseTerms(msgspec.Struct, frozen=True):
    """``over_s`` seconds, at most ``reprices`` amends, none within ``every_s`` seconds of the one before.

    Then the entry rests where it is. An amend costs up to 4 points while the order is younger than 5 s, and 1 from 15 s
    on. ``take``: at the end the rest is taken from the book, immediate-or-cancel at the worst price.
    """

    over_s: float
    reprices: int = 20
    every_s: float = 5.0
    take: bool = False

    def check(self) -> None:
        """Raise ParentFault for terms that bound nothing."""
        if not (0 <= self.reprices <= 1000 and 0.1 <= self.every_s <= 3600):
            raise ParentFault("terms: reprices 0 to 1000, every_s 0.1 to 3600")
        if self.take and self.over_s <= 2 * TAKE_S:
            raise ParentFault(f"terms: with take over_s must be more than {2 * TAKE_S:g}, the last part takes its time")


class Chase(Algorithm):
    """One child, post-only, amended after the best bid (a sell: ask) and never beyond the parent's worst price.

    Its stop and target are the bracket's own: every partial fill is covered while the rest goes on chasing. An entry
    that the venue did not take (the price had gone through it) is placed anew, as often as refusals are borne.
    """

    def __init__(self, hands: Hands, parent: Parent, terms: ChaseTerms, budget: Budget | None = None) -> None:
        terms.check()
        super().__init__(ChaseMachine, hands, parent, terms.over_s, budget)
        if parent.signal.time_in_force != "gtc":
            raise ParentFault(f"time_in_force: {parent.signal.time_in_force}; what chases rests: gtc")
        if parent.signal.exits == "conditional-close":
            raise ParentFault("exits: Kraken amends no order that carries a conditional close")
        self.terms = terms
        self._priced_ns = 0  # when its price was last set, as far as this process knows
        self._misses = 0  # amends refused in a row

    async def step(self) -> int | None:
        """See Algorithm."""
        state, current = self.course.state, self.ledger.current
        if state == "draining":
            self.drained()
            return None
        if state != "waiting" and current is None:
            self.course.send("settle")
        why = await self.must_stop() or self._taken_away()
        if why and not self.filled:
            await self.drain(why)
            return self.now_ns
        if current is not None:
            return await self._work(current)
        return await self._enter()

    # --- nothing is out

    async def _enter(self) -> int | None:
        if self.filled:
            self.course.send("finish")
            return None
        if self.time_is_over or not self.worth_sending or (self._passive_is_over and not self.terms.take):
            self.reason = "what is left is below the market's minima" if not self.worth_sending else "time is over"
            self.course.send("run_out")
            return None
        quote = await self.hands.quote(self.instrument.symbol)
        if (pause_ns := self.pause_ns()) is not None or quote is None or not await self.has_room(1):
            return pause_ns or self.soon_ns()
        qty = self.parent.sized(self.ledger.left, self.ledger.left, self.instrument)
        if self._passive_is_over:
            self.course.send("take")
            await self.send(qty, time_in_force="ioc", post_only=False)
            return None
        self.course.send("place")
        resting = self.parent.resting(self._passive_until_ns, self.now_ns)
        self._priced_ns = self.now_ns
        await self.send(qty, limit_price=f"{self._price(quote):f}", post_only=True, **resting)
        return None

    # --- an entry is out

    async def _work(self, current: Child) -> int | None:
        if self.course.state == "waiting":
            self.course.send("place")  # an earlier process left it
            self._priced_ns = self.now_ns
        if self.course.state == "giving_up":
            return None  # it rests, and its cancel is on the way: the engine sees to it
        doubtful = current.uncertain or self._amend_is_out(current)
        if doubtful != (self.course.state == "doubting"):
            self.course.send("doubt" if doubtful else "clear")
        if self.course.state != "resting":
            return None
        if self._passive_is_over:
            self.course.send("give_up")
            await self.ledger.end_entries("the passive part is over")
            return None
        return await self._follow(current)

    async def _follow(self, current: Child) -> int | None:
        """Move the entry when the market has moved, no oftener and no dearer than agreed."""
        entry, quote = current.resting, await self.hands.quote(self.instrument.symbol)
        if entry is None or quote is None or self._misses >= MISSES_MOST or self._repriced >= self.terms.reprices:
            return self._passive_until_ns
        price = self._price(quote)
        if price == entry.limit_price:
            return self._passive_until_ns
        earliest_ns = self._priced_ns + round(self.terms.every_s * NS)
        if earliest_ns > self.now_ns:
            return min(earliest_ns, self._passive_until_ns)
        points = amend_points(max(0.0, (self.now_ns - self._priced_ns) / NS))
        if not await self.has_room(points):
            return min(self.soon_ns(), self._passive_until_ns)
        await self._reprice(entry.cl_ord_id, price, points)
        return self.now_ns

    async def _reprice(self, cl_ord_id: str, price: Decimal, points: int) -> None:
        self.points += points
        self._priced_ns = self.now_ns
        self.course.send("reprice")
        moved = await self.hands.amend(cl_ord_id, price, "the best price has moved")
        self._misses = self._misses + 1 if moved.status == "refused" else 0
        self.course.send("doubt" if moved.status == "unknown" else "repriced")

    def _price(self, quote: Quote) -> Decimal:
        """The best price of our side, never beyond the worst."""
        if self.parent.signal.side == "buy":
            return min(quote.bid, self.parent.worst)
        return max(quote.ask, self.parent.worst)

    def _amend_is_out(self, current: Child) -> bool:
        return any(entry.state == "pending_amend" for entry in current.entries)

    def _taken_away(self) -> str:
        """Say so when somebody on our side canceled the entry: it is not put back against a person's will."""
        last = self.ledger.last
        if last is None or not last.over or not last.asked_away or self._passive_is_over:
            return ""
        return "its entry was canceled" if last.cum_qty < last.order_qty else ""

    @property
    def _repriced(self) -> int:
        return sum(child.reprices for child in self.ledger.children)

    @property
    def _passive_until_ns(self) -> int:
        return self.end_ns - round(TAKE_S * NS) if self.terms.take else self.end_ns

    @property
    def _passive_is_over(self) -> bool:
        return self.now_ns >= self._passive_until_ns
