"""Words of the order tests: short builders for what a venue says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, RequestKind
from engine.orders.events import OrderEvent, Role
from engine.orders.order import Order
from engine.orders.reports import Answer, Fee, Fill, OrderReport, Outcome, ReportType, VenueStatus
from engine.values.money import Price, Qty

CL, OID = "c-1", "O-1"


def qty(text: str | int | Decimal) -> Qty:
    return Qty(Decimal(text))


def px(text: str | int) -> Price:
    return Price(Decimal(text))


def new_order(amount: str = "10", **other: Any) -> NewOrder:
    spec = {"cl_ord_id": CL, "symbol": "BTC/USD", "side": "buy", "order_type": "limit", "limit_price": px(100)}
    return NewOrder(**{**spec, "order_qty": qty(amount), **other})


def an_order(amount: str = "10", role: Role = "entry", **other: Any) -> Order:
    """An order whose request has been written and not answered."""
    order = Order(new_order(amount, **other), role)
    order.dispatched(1)
    return order


def an_open_order(amount: str = "10", role: Role = "entry", **other: Any) -> Order:
    order = an_order(amount, role, **other)
    order.answered(accepted())
    return order


def answer(outcome: Outcome, request: RequestKind = "new", code: str = "", order_id: str | None = None) -> Answer:
    return Answer(request=request, cl_ord_id=CL, outcome=outcome, ts_ns=2, order_id=order_id, code=code)


def accepted(request: RequestKind = "new") -> Answer:
    return answer(Outcome.ACCEPTED, request, order_id=OID)


def refused(request: RequestKind = "new", code: str = "INVALID_PRICE") -> Answer:
    return answer(Outcome.REFUSED, request, code)


def report(kind: ReportType, status: VenueStatus, **said: Any) -> OrderReport:
    said = {
        key: qty(value) if isinstance(value, str) and key.endswith("_qty") else value for key, value in said.items()
    }
    return OrderReport(**{"source": "stream", "order_id": OID, "ts_ns": 3, **said}, report_type=kind, ord_status=status)


def fill(exec_id: str, amount: str | Decimal, price: str = "100", fees: tuple[Fee, ...] = ()) -> Fill:
    return Fill(exec_id, qty(amount), px(price), Decimal(amount) * Decimal(price), fees, "maker", 3)


def trade(exec_id: str, amount: str | Decimal, status: VenueStatus = "partially_filled", **said: Any) -> OrderReport:
    return report(ReportType.TRADE, status, fill=fill(exec_id, amount), **said)


def acked() -> OrderReport:
    return report(ReportType.NEW, "new")


def canceled(**said: Any) -> OrderReport:
    return report(ReportType.CANCELED, "canceled", **said)


def filled(**said: Any) -> OrderReport:
    return report(ReportType.FILLED, "filled", **said)


def amended(order_qty: str, **said: Any) -> OrderReport:
    return report(ReportType.AMENDED, "new", order_qty=order_qty, **said)


def amend(order_qty: str, **terms: Any) -> AmendOrder:
    return AmendOrder(CL, OID, "BTC/USD", qty(order_qty), **terms)


def a_cancel() -> CancelOrder:
    return CancelOrder(CL, OID, "BTC/USD")


def alarms(events: list[OrderEvent]) -> list[str]:
    return [event.alarm for event in events if event.alarm]


def standing(order: Order) -> tuple[str, str, str]:
    """State, cum_qty and leaves_qty."""
    return order.state, str(order.cum_qty), str(order.leaves_qty)
