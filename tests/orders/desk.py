"""A bracket with its orders, driven as the runtime does, with the clock in the test's hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from engine.orders.bracket_events import BracketEvent, MarketFacts, Policy
from engine.orders.brackets import Bracket
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.events import OrderEvent, Role
from engine.orders.order import Order
from engine.orders.plans import Plan
from engine.orders.replay import Fact, Intent, Opened, Requested
from engine.orders.reports import Answer, Fee, Fill, OrderReport, Outcome, ReportType, VenueStatus
from engine.orders.signal import Signal, StopLoss, TakeProfit
from engine.orders.specs import close_order, entry_order, stop_order, target_order
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Qty
from tests.orders.conftest import px, qty

NS = 1_000_000_000
START = 1_000 * NS
BTC = Instrument(
    symbol="BTC/USD", base="BTC", quote="USD", status="online", price_precision=1, price_increment=px("1"),
    qty_precision=2, qty_increment=qty("0.01"), qty_min=qty("0.1"), cost_precision=2, cost_min=Decimal("0.5"),
)  # fmt: skip
BUY = Signal(
    "s-1", "BTC/USD", "buy", "limit", qty(2), StopLoss(px(90)), limit_price=px(100), take_profit=TakeProfit(px(110))
)
SELL = msgspec.structs.replace(BUY, side="sell", stop_loss=StopLoss(px(110)), take_profit=TakeProfit(px(90)))
QUIET = MarketFacts(usable=True)
THROUGH = MarketFacts(usable=True, trigger_passed=True)


def touched(amount: str) -> MarketFacts:
    return MarketFacts(usable=True, touch_qty=qty(amount))


class Desk:
    """The smallest shell around a Bracket: what it plans is done at once, what the venue says is told by the test."""

    def __init__(self, signal: Signal = BUY, policy: Policy | None = None) -> None:
        self.now = START
        self.market = QUIET
        self.bracket = Bracket(signal, BTC, policy or Policy())
        self.orders: dict[str, Order] = {}
        self.facts: list[tuple[str, Fact]] = [("", Opened(signal, BTC))]
        self.steps: list[Step] = []
        self.events: list[BracketEvent] = []
        self._execs = 0
        if signal.entered:
            self.open(entry_order(signal, BTC, "entry"), "entry")

    # --- what the runtime does ------------------------------------------------------------------------------------

    def open(self, spec: NewOrder, role: Role, step: Step | None = None) -> None:
        order = self.orders[spec.cl_ord_id] = Order(spec, role)
        self.facts.append((spec.cl_ord_id, Intent(spec, role, "")))
        if step is not None:
            self.bracket.commanded(spec.cl_ord_id, step)
        self.bracket.learn(order.view(), [], self.now)
        self.facts.append((spec.cl_ord_id, Requested(spec, "ws", "")))
        self._learned(order, order.dispatched(self.now))

    def think(self) -> list[Step]:
        """Plan and act until nothing is missing; returns the new steps."""
        fresh: list[Step] = []
        for _ in range(20):
            plan, events = self.bracket.think(self.market, self.now)
            self._note(events)
            fresh += plan.steps
            if not plan.steps:
                self.steps += fresh
                return fresh
            for step in plan.steps:
                self._do(step)
        raise AssertionError(f"the plan reaches no fixed point: {fresh}")

    def _do(self, step: Step) -> None:
        signal, name = self.bracket.terms, f"x{len(self.orders)}"
        match step:
            case PlaceStop():
                self.open(stop_order(signal, BTC, name, step.qty), "stop", step)
            case PlaceTarget():
                self.open(target_order(signal, BTC, name, step.qty, step.place, rest=step.rest), "target", step)
            case PlaceClose():
                self.open(
                    close_order(
                        BTC, name, step.side, step.qty, step.limit_price, leverage=self.bracket.signal.leverage
                    ),
                    "close",
                    step,
                )
            case AmendStop(cl_ord_id=cl):
                terms = step.order_qty, step.limit_price, step.trigger_price
                self._ask(AmendOrder(cl, f"O-{cl}", "BTC/USD", *terms), step)
            case CancelExit(cl_ord_id=cl):
                self._ask(CancelOrder(cl, f"O-{cl}", "BTC/USD"), step)
            case CancelEntry():
                order = self.orders["entry"]
                order.cancel_wanted = True
                self.bracket.commanded("entry", step)
                self._learned(order, [])

    def _ask(self, request: AmendOrder | CancelOrder, step: Step) -> None:
        order = self.orders[request.cl_ord_id]
        order.outgoing = request
        self.bracket.commanded(request.cl_ord_id, step)
        self.facts.append((request.cl_ord_id, Requested(request, "ws", "")))
        self._learned(order, order.ask(request, self.now, ""))

    def _learned(self, order: Order, events: list[OrderEvent]) -> None:
        self.facts += [(order.cl_ord_id, event) for event in events]
        self.bracket.learn(order.view(), events, self.now)

    def _note(self, events: list[BracketEvent]) -> None:
        self.events += events
        self.facts += [("", event) for event in events]

    # --- what the venue and the clock do --------------------------------------------------------------------------

    def answer(self, cl: str, outcome: Outcome, code: str = "", text: str = "") -> list[Step]:
        order = self.orders[cl]
        kind = {"pending_amend": "amend", "pending_cancel": "cancel"}.get(order.state, "new")
        name = f"O-{cl}" if outcome is Outcome.ACCEPTED else None
        said = Answer(kind, cl, outcome, self.now, name, code, text)  # type: ignore[arg-type]
        self.facts.append((cl, said))
        order.outgoing = None
        self._learned(order, order.answered(said) + order.settle(self.now))
        return self.think()

    def accept(self, cl: str) -> list[Step]:
        return self.answer(cl, Outcome.ACCEPTED)

    def refuse(self, cl: str, code: str = "INVALID_PRICE", text: str = "") -> list[Step]:
        return self.answer(cl, Outcome.REFUSED, code, text)

    def tell(self, cl: str, kind: ReportType, status: VenueStatus, **said: Any) -> list[Step]:
        order = self.orders[cl]
        told = OrderReport(kind, "stream", f"O-{cl}", status, self.now, cl_ord_id=cl, **said)
        self._learned(order, order.reported(told) + order.settle(self.now))
        return self.think()

    def fill(self, cl: str, amount: str | Decimal, fees: tuple[Fee, ...] = ()) -> list[Step]:
        self._execs += 1
        part = Fill(f"e{self._execs}", qty(amount), px(100), Decimal(amount) * 100, fees, "taker", self.now)
        return self.tell(cl, ReportType.TRADE, "partially_filled", fill=part)

    def end(self, cl: str, reason: str = "") -> list[Step]:
        return self.tell(cl, ReportType.CANCELED, "canceled", reason=reason)

    def trigger(self, cl: str) -> list[Step]:
        return self.tell(cl, ReportType.TRIGGERED, "new", triggered=True)

    def sees(self, market: MarketFacts) -> list[Step]:
        self.market = market
        return self.think()

    def after(self, seconds: float) -> list[Step]:
        self.now += round(seconds * NS)
        return self.think()

    def plan(self) -> Plan:
        return self.bracket.think(self.market, self.now)[0]

    @property
    def position(self) -> Qty:
        return BTC.lots(max(ZERO, self.bracket.exposure))


def covered_desk(signal: Signal = BUY, policy: Policy | None = None) -> Desk:
    """A bracket whose entry of 2 has filled and whose stop x1 rests."""
    desk = Desk(signal, policy)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    assert desk.bracket.state == "covered"
    desk.now += 60 * NS  # the stop is old: amends are cheap
    desk.steps.clear()
    return desk
