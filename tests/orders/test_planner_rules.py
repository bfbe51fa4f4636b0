"""Rules of the planner against a venue that fills, refuses, forgets and is meddled with at random."""

from __future__ import annotations

import contextlib
from collections import deque
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders.bracket_events import MarketFacts, Policy
from engine.orders.bracket_machine import BRACKET_ENDED
from engine.orders.contingents import plan
from engine.orders.events import OrderEvent
from engine.orders.order import Order
from engine.orders.reports import Outcome, ReportType
from engine.orders.signal import Signal, StopLoss, TakeProfit
from engine.orders.steps import TRANSIENT_CODES, AmendStop, CancelEntry, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.orders.targets import rests
from engine.orders.terms import BreakEven, Trail
from engine.values.money import ZERO
from tests.orders.conftest import px, qty
from tests.orders.desk import BUY, NS, QUIET, SELL, THROUGH, Desk, touched

_HALVES = (TakeProfit(px(110), share=Decimal("0.5")), TakeProfit(px(120), "take-profit", share=Decimal("0.5")))
_FALLING = (TakeProfit(px(90), share=Decimal("0.5")), TakeProfit(px(80), "take-profit", share=Decimal("0.5")))
KINDS = (
    "plain",
    "shares",
    "both_rest",
    "both_rest_shares",
    "oco",
    "full_fill",
    "stop_limit",
    "trail",
    "break_even",
    "barrier",
)


def kind_of(kind: str, side: str) -> Signal:
    """Make a signal of this kind on this side, the stop and targets of BUY and SELL."""
    buy = side == "buy"
    plain, stop = (BUY, px(90)) if buy else (SELL, px(110))
    near, far = _HALVES if buy else _FALLING
    trail = Trail(Decimal(8), None, px(105) if buy else px(95))
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "shares": {"take_profit": near, "more_targets": (far,)},
        "both_rest": {"exits": "both-rest"},
        "both_rest_shares": {"exits": "both-rest", "take_profit": near, "more_targets": (far,)},
        "oco": {"contingency": "oco"},
        "full_fill": {"protect_from": "full_fill"},
        "stop_limit": {"stop_loss": StopLoss(stop, px(88) if buy else px(112))},
        "trail": {"stop_loss": StopLoss(stop, trail=trail)},
        "break_even": {"break_even": BreakEven(px(105) if buy else px(95), Decimal(1))},
        "barrier": {"exit_after_s": Decimal(8)},
    }
    return msgspec.structs.replace(plain, **changes[kind])


class WatchedDesk(Desk):
    """A desk that checks every step at the moment it is taken."""

    def _do(self, step: Step) -> None:
        beside = isinstance(step, PlaceTarget) and step.rest
        if isinstance(step, AmendStop):
            beside = rests(self.orders[step.cl_ord_id].view())
        position, live = self.position, self._live_most(beside=beside)
        old_qty = self.orders[step.cl_ord_id].order_qty if isinstance(step, AmendStop) else ZERO
        super()._do(step)
        self._check_not_refused(step)
        if isinstance(step, PlaceStop | PlaceTarget) or (
            isinstance(step, PlaceClose) and step.side != self.bracket.signal.side
        ):
            assert live + step.qty <= position, f"{step}: {live} may live, {position} is held"
        if isinstance(step, AmendStop):
            more = max(ZERO, step.order_qty - old_qty)
            assert live + more <= position or more == 0, f"{step}: {live} may live, {position} is held"

    def _live_most(self, *, beside: bool) -> Decimal:
        """What may live of exits that count together: targets at rest beside stops are held against each other."""
        overdue = self.bracket._swaps.overdue(self.bracket.orders.values(), self.now)  # the one documented exception
        side = self.bracket.signal.side
        exits = [o for o in self.orders.values() if o.role != "entry" and o.spec.side != side]
        counted = [o for o in exits if o.cl_ord_id not in overdue and (o.role == "close" or rests(o.view()) == beside)]
        return sum((o.bounds()[1] for o in counted), ZERO)

    def _check_not_refused(self, step: Step) -> None:
        assert self.named(step) not in self.refused_for_good, f"{step} was refused and is repeated"

    def named(self, step: Step) -> tuple[str, ...]:
        """Name a command by all it says: with exits that have moved since, it is another."""
        return (*step.key(), str(self.bracket.terms.stop_loss), str(self.bracket.terms.targets), str(self.moves))

    @property
    def bare(self) -> deque[tuple[Decimal, int]]:
        """What was held, and since when, of all above what stops have surely held since: they cover what came first."""
        return self.__dict__.setdefault("_bare", deque())

    @property
    def least(self) -> Decimal:
        """What surely rests under stops."""
        stops = [o for o in self.orders.values() if o.role == "stop" and o.spec.side != self.bracket.signal.side]
        return sum((o.bounds()[0] for o in stops), ZERO)

    def _learned(self, order: Order, events: list[OrderEvent]) -> None:
        super()._learned(order, events)
        while self.bare and (self.least >= self.position or self.bare[0][0] <= self.least):
            self.bare.popleft()

    moves = 0
    """How often a person has moved the exits."""

    @property
    def refused_for_good(self) -> set[tuple[str, ...]]:
        return self.__dict__.setdefault("_refused", set())


class Chaos:
    """A small honest venue: it only tells what it has done, and does only what it may."""

    def __init__(self, data: st.DataObject, signal_side: str, action: str, kind: str = "plain") -> None:
        self.data = data
        signal = kind_of(kind, signal_side)
        self.desk = WatchedDesk(signal, Policy(naked_action=action))  # type: ignore[arg-type]  # drawn from the literals
        if data.draw(st.integers(0, 9), "start"):  # mostly the entry gets somewhere
            self.desk.accept("entry")
            self.desk.fill("entry", "0.5")

    def some(self, *states: str) -> list[Order]:
        return [o for o in self.desk.orders.values() if o.state in states]

    def amount(self, order: Order) -> Decimal | None:
        lots = int(order.leaves_qty / Decimal("0.1"))
        return Decimal(self.data.draw(st.integers(1, lots), "lots")) / 10 if lots else None

    def step(self) -> None:
        moves = [self.wait, self.look]
        waiting = self.some("pending", "unknown", "pending_amend", "pending_cancel")
        moves += [self.answer] * 3 if waiting else []
        moves += [self.move_exits]
        moves += [self.trade] * 3 if self.some("open", "partial", "pending_cancel", "pending_amend") else []
        moves += [self.end] if self.some("open", "partial", "pending_cancel", "pending_amend") else []
        self.data.draw(st.sampled_from(moves), "move")()
        self.check()

    def wait(self) -> None:
        self.desk.after(self.data.draw(st.sampled_from([0.05, 0.2, 1.0, 2.0, 6.0]), "seconds"))

    def look(self) -> None:
        sights = [QUIET, QUIET, touched("0.3"), touched("5"), THROUGH, msgspec.structs.replace(QUIET, usable=False)]
        sights += [MarketFacts(usable=True, best=px(best)) for best in (85, 93, 98, 103, 107, 115)]
        self.desk.sees(self.data.draw(st.sampled_from(sights), "market"))

    def answer(self) -> None:
        waiting = self.some("pending", "unknown", "pending_amend", "pending_cancel")
        order = self.data.draw(st.sampled_from(waiting), "whom")
        outcome = self.data.draw(st.sampled_from(["yes", "yes", "no", "not now", "unknown", "not sent"]), "outcome")
        cl = order.cl_ord_id
        if outcome == "yes":
            self.desk.accept(cl)
            if order.state == "pending_cancel":
                self.desk.end(cl)
        elif outcome == "unknown":
            self.desk.answer(cl, Outcome.UNKNOWN)
        elif outcome == "not sent" and order.state != "unknown":
            self.desk.answer(cl, Outcome.NOT_SENT)
        else:
            code = "RATE_LIMIT" if outcome == "not now" else "INVALID_PRICE"
            step = self.desk.bracket._steps.last.get(cl)
            if step is not None and code not in TRANSIENT_CODES:
                self.desk.refused_for_good.add(self.desk.named(step))
            self.desk.refuse(cl, code)

    def move_exits(self) -> None:
        """A person moves the exits, sometimes to where they cannot go."""
        stop, target = self.data.draw(st.sampled_from([88, 92, 95, 105, 108, 112, None]), "stop"), None
        if self.data.draw(st.booleans(), "target too"):
            target = self.data.draw(st.sampled_from([85, 92, 108, 115]), "target")
        with contextlib.suppress(ValueError):
            self.desk.bracket.move_exits(None if stop is None else px(stop), None if target is None else px(target))
            self.desk.moves += 1
        self.desk.think()

    def trade(self) -> None:
        order = self.data.draw(st.sampled_from(self.some("open", "partial", "pending_cancel", "pending_amend")), "whom")
        amount = self.amount(order)
        if amount is None:
            return
        if order.role == "stop" and not order.triggered:
            self.desk.trigger(order.cl_ord_id)
        if not order.ended:
            self.desk.fill(order.cl_ord_id, amount)
        if order.role in ("target", "close") and not order.ended:
            self.desk.end(order.cl_ord_id)

    def end(self) -> None:
        order = self.data.draw(st.sampled_from(self.some("open", "partial", "pending_cancel", "pending_amend")), "whom")
        self.desk.end(order.cl_ord_id)

    def check(self) -> None:
        assert self.desk.plan().steps == (), "not a fixed point"
        bracket = self.desk.bracket
        self.check_cover()
        assert (bracket.state in BRACKET_ENDED) <= all(o.ended for o in self.desk.orders.values())

    def check_cover(self) -> None:
        """Bare past the bound without a word of it, never: the least cover is what the venue surely holds."""
        desk, bracket = self.desk, self.desk.bracket
        chosen = bracket.signal.protect_from == "full_fill" and not desk.orders["entry"].ended
        trading = bracket.swap is not None or bracket._swaps.targets_in_time(bracket.orders.values(), desk.now)
        held = bracket.instrument.orderable(desk.position, px(88)) and bracket.signal.stop_loss is not None
        bare = held and desk.least < desk.position and not trading and not chosen and not bracket.ended
        if not bare:
            desk.bare.clear()
        elif not desk.bare or desk.position > desk.bare[-1][0]:
            desk.bare.append((desk.position, desk.now))
        late = bare and desk.now > desk.bare[0][1] + 2 * NS
        exits = [o for o in desk.orders.values() if o.role != "entry" and not o.ended]
        at_work = [o for o in exits if o.role != "stop" or o.view().busy]
        said = bracket.state in ("naked", "taken_over") or (bracket.state == "exiting" and at_work)
        assert not late or said, f"{desk.position - desk.least} bare in {bracket.state} for too long"

    def calm_down(self) -> None:
        """Everything is answered truly from here on: the entry goes, the rest is as the plan wants it."""
        for _ in range(300):
            waiting = self.some("pending", "unknown", "pending_amend", "pending_cancel")
            traded = [o for o in self.some("open", "partial") if o.triggered or o.role in ("target", "close")]
            entries = [o for o in self.some("open", "partial") if o.role == "entry"]
            fired = any(o.triggered for o in self.desk.orders.values())
            asleep = [o for o in self.some("open", "partial") if o.role == "stop" and not o.triggered]
            if waiting:
                self.desk.accept(waiting[0].cl_ord_id)
                if waiting[0].state == "pending_cancel":
                    self.desk.end(waiting[0].cl_ord_id)
            elif traded:
                order = traded[0]
                if order.leaves_qty:
                    self.desk.fill(order.cl_ord_id, order.leaves_qty)
                else:
                    self.desk.tell(order.cl_ord_id, ReportType.FILLED, "filled")
            elif fired and asleep:
                self.desk.trigger(asleep[0].cl_ord_id)  # the stops of a bracket share their trigger price
            elif entries:
                self.desk.end(entries[0].cl_ord_id)
            elif (at := self.desk.bracket.wake_ns(self.desk.now)) is not None:
                self.desk.after((at - self.desk.now) / NS)
            else:
                return
        raise AssertionError("it never comes to rest")


def stuck(desk: Desk) -> bool:
    """All that would end it has been refused for good: nothing is left but to say so."""
    bracket = desk.bracket
    finals = bracket._steps.blocked - bracket._steps.deferred
    wanted = plan(msgspec.structs.replace(bracket._situation(desk.market, desk.now), blocked=frozenset())).steps
    told = bracket.state == "naked" or bracket.refused
    return bool(told and wanted) and all(step.key() in finals for step in wanted)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), st.sampled_from(["buy", "sell"]), st.sampled_from(["close", "alert"]))
@settings(max_examples=40, deadline=None)
def test_any_weather_keeps_the_rules_and_ends_covered_or_over(
    kind: str, data: st.DataObject, side: str, action: str
) -> None:
    """Exits never exceed the position, no refused step is repeated, every plan is a fixed point, and calm ends it."""
    chaos = Chaos(data, side, action, kind)
    for _ in range(data.draw(st.integers(1, 25), "length")):
        chaos.step()
    chaos.desk.sees(QUIET)
    chaos.calm_down()
    bracket = chaos.desk.bracket
    assert bracket.ended or bracket.state == "covered" or stuck(chaos.desk), (bracket.state, chaos.desk.plan())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_waking_only_when_told_misses_nothing(data: st.DataObject) -> None:
    """Between now and the announced moment no thought would bring a step: the runtime may sleep."""
    chaos = Chaos(data, "buy", "close")
    for _ in range(data.draw(st.integers(1, 15), "length")):
        chaos.step()
    desk = chaos.desk
    at = desk.bracket.wake_ns(desk.now)
    span = (at - desk.now - 1) / NS if at is not None else 3600.0
    assert [s for s in desk.after(span * 0.999) if not isinstance(s, CancelEntry)] == []


def test_chaos_amounts_are_orderable() -> None:
    """The weather deals in tenths, the instrument's minimum."""
    assert Desk().bracket.instrument.orderable(qty("0.1"), qty(90))
