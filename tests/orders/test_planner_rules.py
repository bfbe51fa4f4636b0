"""Rules of the planner against a venue that fills, refuses, forgets and is meddled with at random."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders.brackets import BRACKET_ENDED, TRANSIENT_CODES, Policy
from engine.orders.contingents import AmendStop, CancelEntry, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.orders.order import Order
from engine.orders.reports import Outcome, ReportType
from engine.values.money import ZERO
from tests.orders.conftest import qty
from tests.orders.desk import BUY, NS, QUIET, SELL, THROUGH, Desk, touched


class WatchedDesk(Desk):
    """A desk that checks every step at the moment it is taken."""

    def _do(self, step: Step) -> None:
        position, live = self.position, self._live_most()
        super()._do(step)
        self._check_not_refused(step)
        if isinstance(step, PlaceStop | PlaceTarget) or (
            isinstance(step, PlaceClose) and step.side != self.bracket.signal.side
        ):
            assert live + step.qty <= position, f"{step}: {live} may live, {position} is held"
        if isinstance(step, AmendStop):
            old = self.orders[step.cl_ord_id]
            more = max(ZERO, step.order_qty - old.order_qty)
            assert live + more <= position or more == 0, f"{step}: {live} may live, {position} is held"

    def _live_most(self) -> Decimal:
        overdue = self.bracket._overdue(self.now)  # the one documented exception
        side = self.bracket.signal.side
        exits = [o for o in self.orders.values() if o.role != "entry" and o.spec.side != side]
        return sum((o.bounds()[1] for o in exits if o.cl_ord_id not in overdue), ZERO)

    def _check_not_refused(self, step: Step) -> None:
        assert step.key() not in self.refused_for_good, f"{step} was refused and is repeated"

    @property
    def refused_for_good(self) -> set[tuple[str, ...]]:
        return self.__dict__.setdefault("_refused", set())


class Chaos:
    """A small honest venue: it only tells what it has done, and does only what it may."""

    def __init__(self, data: st.DataObject, signal_side: str, action: str) -> None:
        self.data = data
        signal = BUY if signal_side == "buy" else SELL
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
        moves += [self.trade] * 3 if self.some("open", "partial", "pending_cancel", "pending_amend") else []
        moves += [self.end] if self.some("open", "partial", "pending_cancel", "pending_amend") else []
        self.data.draw(st.sampled_from(moves), "move")()
        self.check()

    def wait(self) -> None:
        self.desk.after(self.data.draw(st.sampled_from([0.05, 0.2, 1.0, 2.0, 6.0]), "seconds"))

    def look(self) -> None:
        sights = [QUIET, QUIET, touched("0.3"), touched("5"), THROUGH, msgspec.structs.replace(QUIET, usable=False)]
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
            step = self.desk.bracket._last_step.get(cl)
            if step is not None and code not in TRANSIENT_CODES:
                self.desk.refused_for_good.add(step.key())
            self.desk.refuse(cl, code)

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
        assert (bracket.state in BRACKET_ENDED) <= all(o.ended for o in self.desk.orders.values())

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


@given(st.data(), st.sampled_from(["buy", "sell"]), st.sampled_from(["close", "alert"]))
@settings(max_examples=250, deadline=None)
def test_any_weather_keeps_the_rules_and_ends_covered_or_over(data: st.DataObject, side: str, action: str) -> None:
    """Exits never exceed the position, no refused step is repeated, every plan is a fixed point, and calm ends it."""
    chaos = Chaos(data, side, action)
    for _ in range(data.draw(st.integers(1, 25), "length")):
        chaos.step()
    chaos.desk.sees(QUIET)
    chaos.calm_down()
    bracket = chaos.desk.bracket
    stuck = bracket.state == "naked" and bool(chaos.desk.refused_for_good)
    assert bracket.ended or bracket.state == "covered" or stuck, (bracket.state, chaos.desk.plan())


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
