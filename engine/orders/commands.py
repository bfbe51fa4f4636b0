"""What we ask of a venue for one order. Quantities in base units, prices in quote per base, times UTC nanoseconds."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.values.money import Price, Qty, Side

OrderType = Literal[
    "market", "limit", "stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit", "trailing-stop"
]
TRIGGERED_TYPES = frozenset({"stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit", "trailing-stop"})
"""They wait for a price outside the book, then enter it as a market or limit order."""
TimeInForce = Literal["gtc", "ioc", "fok", "gtd"]
TriggerReference = Literal["last", "index"]
StpType = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
RequestKind = Literal["new", "amend", "cancel"]


class Conditional(msgspec.Struct, frozen=True):
    """The close that Kraken makes of each fill of an order: a stop of the other side for just that fill."""

    order_type: Literal["stop-loss", "stop-loss-limit"]
    trigger_price: Price
    limit_price: Price | None = None


class NewOrder(msgspec.Struct, frozen=True, tag="new"):
    """Place an order. ``deadline_ns`` (venue time) is stamped when the limiter lets it go; 0 until then.

    ``trigger_price`` belongs to the stop and take-profit types, ``limit_price`` to those with a limit. A trailing stop
    has ``trail`` instead: how far its trigger lies behind the best price, in ``trail_unit``. ``expire_ns`` ends a gtd
    order (venue time), 0 for all others. With ``leverage`` it trades on margin; such an order that is ``reduce_only``
    makes a position smaller or does nothing.
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
    trigger_reference: TriggerReference = "last"
    trail: Decimal | None = None
    trail_unit: Literal["quote", "pct"] = "quote"
    post_only: bool = False
    expire_ns: int = 0
    conditional: Conditional | None = None
    leverage: int | None = None
    reduce_only: bool = False


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
