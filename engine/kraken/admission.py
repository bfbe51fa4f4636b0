"""Who may send now: one fair queue per pair in front of Kraken's counters and slots (§5.2).

The most urgent lane goes first, within a lane the first that came. Two rules keep it fair: who has waited for
``AGED_S`` goes with the next lane up (but nothing ever goes with the emergencies), and who waits for a reserve or a
slot stands aside, so that an entry without room never holds up an exit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import trio

from engine.errors import VenueUnavailable
from engine.kraken.limits import EngineCounters, batch_add_cost, batch_cancel_cost, cost
from engine.kraken.open_orders import waits_for_trigger
from engine.kraken.protection import Protection
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.reports import Answer, Outcome
from engine.venue.protocol import Headroom, Lane

AGED_S = 3.0
COVER_ROOM = 5
"""A cancel without haste leaves at least as much until it has aged: the dearest amend of a stop, and a new one."""
GIVES_WAY_S = 1.0
"""So long what an emergency takes back leaves the counter to new exits that decay lets go by then, one that a swap will
want among them: behind it they would stand bare until all that it costs has run down, and a batch may pass the counter.
A kill has three seconds."""
LATE_S = 60.0
"""How long an order of unknown outcome may still appear (krakenex #60)."""
UNSETTLED_S = 120.0
"""After this long a leave counts as used, should its answer never be told: more than any deadline and grace."""
LEAST_WAIT_S = 0.001
LOOK_AGAIN_S = 1.0
"""What is kept for protection also shrinks by time alone: a bracket that stays covered needs less."""


class _Lack(NamedTuple):
    """Why a request cannot go yet, and when decay alone would let it. ``aside``: others may pass."""

    text: str
    wait_s: float
    aside: bool


@dataclass(eq=False)
class _Waiter:
    """Requests of one pair that want to go together."""

    lane: Lane
    symbol: str
    requests: Sequence[Request]
    bracket: str
    batch: bool
    since_s: float
    number: int

    def aged(self, now_s: float) -> bool:
        """Whether it has waited so long that it goes with the next lane up."""
        return self.lane > Lane.REDUCING and now_s - self.since_s >= AGED_S

    def rank(self, now_s: float) -> tuple[int, bool, int]:
        """Return the place in the queue: the smallest goes first.

        A new exit costs one point and is for what stands bare: no change of an order goes before it, however aged.
        """
        changes = self.lane > Lane.REDUCING or not _only_adds(self.requests)
        return self.lane - self.aged(now_s), changes, self.number


def _only_adds(requests: Sequence[Request]) -> bool:
    return all(isinstance(one, NewOrder) for one in requests)


@dataclass(eq=False)
class _Leave:
    """What was granted: points held per pair, and the bracket that booked with it."""

    requests: tuple[Request, ...]
    until_s: float
    held: list[tuple[str, int]] = field(default_factory=list)
    booked: str = ""


class _Queue:
    """Those who wait on one pair."""

    def __init__(self) -> None:
        self.waiting: list[_Waiter] = []
        self.changed = trio.Event()

    def tell(self) -> None:
        """Let everyone look again."""
        self.changed.set()
        self.changed = trio.Event()


class Admission:
    """Grants leaves and learns from their answers. ``most_triggers`` is our own bound: Kraken publishes none."""

    def __init__(self, counters: EngineCounters, timeout_s: float, most_triggers: int | None = None) -> None:
        self._counters, self._timeout_s, self._most_triggers = counters, timeout_s, most_triggers
        self._protection = Protection(counters.open_orders)
        self._queues: dict[str, _Queue] = {}
        self._leaves: dict[int, _Leave] = {}
        self._numbers = itertools.count(1)
        counters.changed = self._tell

    @contextmanager
    def protection(self, symbol: str, bracket: str, *, held: bool, targets: int = 0) -> Iterator[None]:
        """See VenueLink.protection."""
        self._protection.open(bracket, symbol, booked=held, targets=targets)
        try:
            yield
        finally:
            self._protection.close(bracket)
            self._tell(symbol)

    async def enter(self, lane: Lane, requests: Sequence[Request], bracket: str = "", *, batch: bool = False) -> int:
        """Wait until these requests may go, charge them, and return the number of the leave.

        Raises VenueUnavailable with the numbers when the time is up.
        """
        now_s = trio.current_time()
        self._forget(now_s)
        leave = _Leave(tuple(requests), now_s + UNSETTLED_S)
        try:
            for symbol in dict.fromkeys(request.symbol for request in requests):
                some = [request for request in requests if request.symbol == symbol]
                waiter = _Waiter(lane, symbol, some, bracket, batch, now_s, next(self._numbers))
                await self._wait(waiter, now_s + self._timeout_s)
                self._go(waiter, leave)
        except BaseException:
            self._conclude(leave, sent=False)
            raise
        number = next(self._numbers)
        self._leaves[number] = leave
        return number

    def settle(self, number: int, answers: Sequence[Answer]) -> None:
        """Learn how the requests of a leave ended, one answer each."""
        leave = self._leaves.pop(number, None)
        if leave is None:
            return
        now_s = trio.current_time()
        self._conclude(leave, sent=any(answer.outcome is not Outcome.NOT_SENT for answer in answers))
        for request, answer in zip(leave.requests, answers, strict=True):
            self._learn(request, answer, now_s)
        if leave.booked and all(answer.outcome in (Outcome.NOT_SENT, Outcome.REFUSED) for answer in answers):
            self._protection.unbook(leave.booked)
        for symbol, _ in leave.held:
            self._tell(symbol)

    def withdraw(self, number: int) -> None:
        """Give a leave back: its requests certainly were not sent."""
        leave = self._leaves.pop(number, None)
        if leave is not None:
            self._conclude(leave, sent=False)

    def headroom(self) -> list[Headroom]:
        """Return how full each pair's budgets are."""
        now_s = trio.current_time()
        rows = []
        for symbol in self._counters.symbols:
            counter, taken = self._counters.of(symbol), self._counters.open_orders.taken(symbol, now_s)
            waiting = len(self._queues[symbol].waiting) if symbol in self._queues else 0
            level = round(counter.level(now_s), 2)
            most = self._counters.most_open_orders
            rows.append(Headroom(symbol, level, counter.threshold, taken.orders, most, taken.triggers, waiting))
        return rows

    # waiting

    async def _wait(self, waiter: _Waiter, until_s: float) -> None:
        queue = self._queues.setdefault(waiter.symbol, _Queue())
        queue.waiting.append(waiter)
        try:
            while True:
                now_s = trio.current_time()
                lack = self._lack(waiter, now_s)
                first = self._is_first(waiter, queue, now_s)
                if lack is None and first:
                    return
                if now_s >= until_s:
                    why = lack.text if lack is not None else "more urgent requests went first"
                    raise VenueUnavailable(f"{waiter.symbol}: no leave in {self._timeout_s:g} s: {why}")
                room_s = now_s + max(LEAST_WAIT_S, lack.wait_s) if lack is not None and first else math.inf
                aged_s = waiter.since_s + AGED_S if now_s < waiter.since_s + AGED_S else math.inf
                with trio.move_on_at(min(until_s, room_s, aged_s)):
                    await queue.changed.wait()
        finally:
            queue.waiting.remove(waiter)
            queue.tell()

    def _is_first(self, waiter: _Waiter, queue: _Queue, now_s: float) -> bool:
        rank = waiter.rank(now_s)
        for other in queue.waiting:
            if other.rank(now_s) < rank:
                lack = self._lack(other, now_s)
                if lack is None or not lack.aside:
                    return False
        return True

    def _lack(self, waiter: _Waiter, now_s: float) -> _Lack | None:
        if waiter.lane is Lane.EMERGENCY and isinstance(waiter.requests[0], CancelOrder):
            lack = self._lack_before_exits(waiter, now_s)
            if lack is not None or waiter.batch:
                return lack  # a batch cancel above the threshold is still accepted
        points, counter = self._points(waiter, now_s), self._counters.of(waiter.symbol)
        numbers = f"rate counter at {counter.level(now_s):.1f} of {counter.threshold:g}, {points:g} wanted"
        wait_s = counter.wait_s(points, now_s)
        if wait_s > 0:
            return _Lack(numbers, wait_s, aside=False)
        if waiter.lane is Lane.CANCEL and not waiter.aged(now_s):
            room = max(COVER_ROOM, self._protection.covers(waiter.symbol, now_s))
            wait_s = counter.wait_s(points, now_s, room)
            if wait_s > 0:
                return _Lack(f"{numbers}, {room} kept for protection", wait_s, aside=True)
        if waiter.lane < Lane.ENTRY:
            return None
        reserve = self._protection.points(waiter.symbol, waiter.bracket, now_s)
        wait_s = counter.wait_s(points, now_s, reserve)
        if wait_s > 0:
            return _Lack(f"{numbers}, {reserve} kept for protection", min(wait_s, LOOK_AGAIN_S), aside=True)
        return self._lack_of_slots(waiter, now_s)

    def _lack_before_exits(self, cancels: _Waiter, now_s: float) -> _Lack | None:
        """Let new exits go before cancels that would shut the counter behind them, if they can go within a moment."""
        counter, left_s = self._counters.of(cancels.symbol), cancels.since_s + GIVES_WAY_S - now_s
        if left_s <= 0 or counter.wait_s(self._points(cancels, now_s), now_s) == 0:
            return None
        waiting = self._queues[cancels.symbol].waiting
        wanted = [self._points(one, now_s) for one in waiting if one.lane is Lane.REDUCING and _only_adds(one.requests)]
        if self._protection.swaps(cancels.symbol, now_s):
            wanted.append(cost("add", 0))
        soon = any(counter.wait_s(points, now_s) <= left_s for points in wanted)
        return _Lack("a new exit goes first", left_s, aside=True) if soon else None

    def _lack_of_slots(self, waiter: _Waiter, now_s: float) -> _Lack | None:
        orders = [request for request in waiter.requests if isinstance(request, NewOrder)]
        taken = self._counters.open_orders.taken(waiter.symbol, now_s)
        reserve = self._protection.slots(waiter.symbol, waiter.bracket, now_s)
        most = self._counters.most_open_orders
        if taken.orders + len(orders) + reserve > most:
            text = f"{taken.orders} of {most} orders open, {len(orders)} wanted, {reserve} kept for protection"
            return _Lack(text, LOOK_AGAIN_S, aside=True)
        triggers = sum(waits_for_trigger(order.order_type) for order in orders)
        bound = self._most_triggers
        if bound is not None and taken.triggers + triggers + reserve > bound:
            text = f"{taken.triggers} of {bound} trigger orders open, {reserve} kept for protection"
            return _Lack(text, LOOK_AGAIN_S, aside=True)
        return None

    def _points(self, waiter: _Waiter, now_s: float) -> float:
        if not waiter.batch:
            return sum(self._cost(request, now_s) for request in waiter.requests)
        if isinstance(waiter.requests[0], NewOrder):
            return batch_add_cost(len(waiter.requests))
        cancels = [request for request in waiter.requests if isinstance(request, CancelOrder)]
        return batch_cancel_cost(self._counters.age_s(cancel.order_id, now_s) for cancel in cancels)

    def _cost(self, request: Request, now_s: float) -> int:
        match request:
            case NewOrder():
                return cost("add", 0)
            case AmendOrder():
                filled = self._counters.open_orders.filled(request.order_id)
                ends = filled is not None and request.order_qty <= filled  # then it is charged as a cancel
                return self._counters.points("cancel" if ends else "amend", request.order_id, now_s)
            case CancelOrder():
                return self._counters.points("cancel", request.order_id, now_s)

    # going and ending

    def _go(self, waiter: _Waiter, leave: _Leave) -> None:
        now_s = trio.current_time()
        names = [request.cl_ord_id for request in waiter.requests if isinstance(request, NewOrder)]
        changes = [(one, self._cost(one, now_s)) for one in waiter.requests if not isinstance(one, NewOrder)]
        number = self._counters.hold(waiter.symbol, self._points(waiter, now_s), names, changes)
        leave.held.append((waiter.symbol, number))
        for request in waiter.requests:
            if isinstance(request, CancelOrder):
                self._protection.taken_away(request.cl_ord_id, now_s)
            if not isinstance(request, NewOrder):
                continue
            trigger = waits_for_trigger(request.order_type)
            self._counters.open_orders.expect(request.cl_ord_id, request.symbol, trigger=trigger)
            if waiter.lane is Lane.ENTRY:
                self._protection.entered_by(waiter.bracket, request.cl_ord_id)
            else:
                self._protection.covered_by(waiter.bracket, request.cl_ord_id)
        if waiter.lane is Lane.ENTRY and self._protection.book(waiter.bracket):
            leave.booked = waiter.bracket

    def _conclude(self, leave: _Leave, *, sent: bool) -> None:
        now_s = trio.current_time()
        for symbol, number in leave.held:
            self._counters.settle(symbol, number, now_s, charged=sent)
        if not sent:
            for request in leave.requests:
                if isinstance(request, NewOrder):
                    self._counters.open_orders.drop(request.cl_ord_id)
            if leave.booked:
                self._protection.unbook(leave.booked)
        for symbol, _ in leave.held:
            self._tell(symbol)

    def _learn(self, request: Request, answer: Answer, now_s: float) -> None:
        rests, outcome = self._counters.open_orders, answer.outcome
        if answer.code == "RATE_LIMIT":
            self._counters.of(request.symbol).refuse(now_s)
        elif outcome is Outcome.ACCEPTED:
            self._counters.of(request.symbol).accept()
        if isinstance(request, NewOrder):
            if outcome is Outcome.ACCEPTED:
                rests.accepted(request.cl_ord_id)
                if answer.order_id is not None:
                    self._counters.born(answer.order_id, now_s)
            elif outcome is Outcome.UNKNOWN:
                rests.doubtful(request.cl_ord_id, now_s + LATE_S)
            else:
                rests.drop(request.cl_ord_id)
        elif isinstance(request, AmendOrder) and outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            self._counters.touch(request.order_id, now_s)

    def _forget(self, now_s: float) -> None:
        for number, leave in list(self._leaves.items()):
            if now_s >= leave.until_s:
                del self._leaves[number]
                self._conclude(leave, sent=True)
                for request in leave.requests:
                    self._counters.open_orders.doubtful(request.cl_ord_id, now_s + LATE_S)

    def _tell(self, symbol: str | None) -> None:
        for name, queue in self._queues.items():
            if symbol in (name, None):
                queue.tell()
