"""What we ask of a venue for one order. Quantities in base units, prices in quote per base, times UTC nanoseconds."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.values.money import Price, Qty, Side

OrderType = Literal["market", "limit", "stop-loss", "stop-loss-limit"]
TimeInForce = Literal["gtc", "ioc"]
StpType = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
RequestKind = Literal["new", "amend", "cancel"]


class NewOrder(msgspec.Struct, frozen=True, tag="new"):
    """Place an order. ``deadline_ns`` (venue time) is stamped when the limiter lets it go; 0 until then.

    ``trigger_price`` belongs to the stop types, ``limit_price`` to limit and stop-loss-limit.
    """

    cl_ord_id: str
    symbol: str
    side: Side
    order_type: OrderType
    order_qty: Qty
    limit_price: Price | None = None
    trigger_price: Price | None = None
    time_in_force: TimeInForce = "gtc"
    stp_type: StpType = "cancel_newest"
    fee_preference: Literal["base", "quote"] | None = None
    deadline_ns: int = 0


class AmendOrder(msgspec.Struct, frozen=True, tag="amend"):
    """Set absolute values on a resting order. ``order_qty`` is the new total, fills included."""

    cl_ord_id: str
    order_id: str
    symbol: str
    order_qty: Qty
    limit_price: Price | None = None
    trigger_price: Price | None = None
    deadline_ns: int = 0


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel"):
    """Take a resting order back."""

    cl_ord_id: str
    order_id: str
    symbol: str
    deadline_ns: int = 0


Request = NewOrder | AmendOrder | CancelOrder


def kind_of(request: Request) -> RequestKind:
    """Return the request's kind as it stands in journals and answers."""
    match request:
        case NewOrder():
            return "new"
        case AmendOrder():
            return "amend"
        case CancelOrder():
            return "cancel"
