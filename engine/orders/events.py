"""What we concluded about an order: the rows of the journal, and the execution reports made from them."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.reports import Fill
from engine.values.money import Price, Qty, Side

Role = Literal["entry", "stop", "target", "close"]


class Numbers(msgspec.Struct, frozen=True):
    """What a check compared: ``observed`` with ``limit``. ``in_flight`` is the part of it that is not filled yet."""

    limit: Decimal
    observed: Decimal
    in_flight: Decimal | None = None


class OrderEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conclusion. Folding an order's events in sequence gives the order again.

    ``move`` is the machine's event, "" when the fact moves no state. None = unchanged. ``from_state`` and ``to_state``
    are what the machine did; a replay checks them. ``alarm`` names what a person must look at, ``numbers`` what a
    check of ours compared.
    """

    move: str
    from_state: str
    to_state: str
    ts_ns: int
    why: str = ""
    code: str = ""
    fill: Fill | None = None
    order_id: str | None = None
    order_qty: Qty | None = None
    limit_price: Price | None = None
    trigger_price: Price | None = None
    venue_cum: Qty | None = None
    triggered: bool = False
    alarm: str = ""
    numbers: Numbers | None = None


class ExecutionReport(msgspec.Struct, frozen=True):
    """What subscribers get: one step of one order (FIX words). ``offset`` is its journal row, so one can resume there.

    Quantities in base units, prices in quote per base, ``ts_ns`` our wall clock in UTC nanoseconds. ``last_qty`` and
    ``last_px`` belong to ``exec_type == "trade"``. ``code`` names why something was denied, rejected or refused, and
    ``numbers`` what was compared for a denial. A signal that was denied has no order: its ``cl_ord_id`` is empty.
    """

    offset: int
    ts_ns: int
    exec_type: str
    ord_status: str
    signal_id: str
    strategy_id: str
    cl_ord_id: str
    order_id: str | None
    role: Role
    symbol: str
    side: Side
    order_type: str
    order_qty: Qty
    cum_qty: Qty
    leaves_qty: Qty
    avg_px: Decimal
    last_qty: Qty | None = None
    last_px: Price | None = None
    exec_id: str | None = None
    liquidity_ind: str | None = None
    reason: str = ""
    alarm: str = ""
    code: str = ""
    numbers: Numbers | None = None


EXEC_TYPE_OF_MOVE = {
    "deny": "denied",
    "dispatch": "pending_new",
    "not_sent": "denied",
    "accept": "new",
    "doubt": "unknown",
    "reject": "rejected",
    "prove_dead": "rejected",
    "trade": "trade",
    "ask_amend": "pending_replace",
    "ask_cancel": "pending_cancel",
    "amended": "replaced",
    "refuse_change": "cancel_reject",
    "fill_out": "filled",
    "cancel": "canceled",
    "expire": "expired",
    "settle": "settled",
    "": "order_status",
}
"""The published exec_type of each machine event (FIX ExecType, CancelReject for a refused change)."""
