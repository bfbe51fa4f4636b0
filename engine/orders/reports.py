"""What a venue says about our orders: answers to requests, and reports that come by themselves."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from engine.orders.commands import RequestKind
from engine.values.money import Price, Qty, Side


class Outcome(StrEnum):
    """What is certain about a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The end of one request. ``code`` is a stable name for routing, ``text`` the venue's own words.

    ``order_id`` is set when the venue named one. ``ts_ns`` is our wall clock when the outcome became certain, or
    when we stopped waiting (UNKNOWN).
    """

    request: RequestKind
    cl_ord_id: str
    outcome: Outcome
    ts_ns: int
    order_id: str | None = None
    code: str = ""
    text: str = ""
    transport: Literal["ws", "rest", "none"] = "none"


class ReportType(StrEnum):
    """Why the venue wrote (FIX ExecType; Kraken v2 ``exec_type``)."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    TRADE = "trade"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    AMENDED = "amended"
    RESTATED = "restated"
    TRIGGERED = "triggered"
    STATUS = "status"


VenueStatus = Literal["pending_new", "new", "partially_filled", "filled", "canceled", "expired"]


class Fee(msgspec.Struct, frozen=True):
    """A charge in units of ``asset``."""

    asset: str
    qty: Decimal


class Fill(msgspec.Struct, frozen=True):
    """One execution. ``exec_id`` identifies it for ever, over stream, snapshot and REST."""

    exec_id: str
    last_qty: Qty
    last_px: Price
    cost: Decimal
    fees: tuple[Fee, ...]
    liquidity_ind: Literal["maker", "taker", "unknown"]
    ts_ns: int


class OrderReport(msgspec.Struct, frozen=True, tag="report"):
    """One report on one order, with the venue's deltas already merged. None = the venue did not say.

    ``order_qty``, ``cum_qty`` in base units; ``ts_ns`` is the venue's time. ``fill`` is set on TRADE alone.
    ``ord_ref_id`` names the order that created this one. ``margin`` says whether it trades on margin, ``liquidated``
    that the venue closes a position of its own accord.
    """

    report_type: ReportType
    source: Literal["stream", "snapshot", "rest"]
    order_id: str
    ord_status: VenueStatus
    ts_ns: int
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: Side | None = None
    order_type: str | None = None
    order_qty: Qty | None = None
    cum_qty: Qty | None = None
    avg_px: Price | None = None
    limit_price: Price | None = None
    trigger_price: Price | None = None
    triggered: bool | None = None
    fill: Fill | None = None
    reason: str = ""
    ord_ref_id: str | None = None
    margin: bool | None = None
    leverage: int | None = None
    reduce_only: bool | None = None
    liquidated: bool | None = None

    @property
    def shows_life(self) -> bool:
        """It tells how the order stands, and that it stands on the venue."""
        return self.fill is None and self.ord_status in ("pending_new", "new", "partially_filled")
