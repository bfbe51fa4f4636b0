"""The venue's record of an order and of an execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from engine.sim.numbers import ZERO
from engine.sim.offsets import Offset, Price

Side = Literal["buy", "sell"]
STP = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
Reference = Literal["last", "index"]  # what a trigger looks at
TRAILING_TYPES = ("trailing-stop", "trailing-stop-limit")
TRIGGER_TYPES = ("stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit", *TRAILING_TYPES)
LIMIT_TYPES = ("limit", "iceberg", "stop-loss-limit", "take-profit-limit", "trailing-stop-limit")
ORDER_TYPES = ("market", "limit", "iceberg", *TRIGGER_TYPES, "settle-position")
CLOSE_TYPES = ("limit", "iceberg", *TRIGGER_TYPES)  # of the order that a fill creates
OPEN_STATUSES = ("pending_new", "new", "partially_filled")


def opposite(side: Side) -> Side:
    """Return the other side."""
    return "sell" if side == "buy" else "buy"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRecord:
    """The state of an order after one amend; the first record is the original."""

    amend_id: str
    amend_type: str
    order_qty: Decimal
    remaining_qty: Decimal
    limit_price: Decimal | None
    trigger_price: Decimal | None
    post_only: bool
    ts_ns: int
    display_qty: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSpec:
    """The order that every fill of a primary creates on the other side; relative prices count from that moment."""

    order_type: str
    limit_price: Price | None = None
    trigger_price: Price | None = None


@dataclass(slots=True, kw_only=True)
class SimOrder:
    """One order. Quantities in base units, prices and ``cum_cost`` in quote, ``fee`` in ``fee_asset``.

    A trailing order's ``trigger_offset`` is its distance, and ``trigger_price`` follows the peak. An order for quote
    currency has ``cash_order_qty``; its ``order_qty`` is what that would buy and final once it has ended.
    """

    order_id: str
    account: str
    symbol: str
    side: Side
    order_type: str
    order_qty: Decimal
    fee_asset: str
    opened_ns: int
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: str = "gtc"
    expire_ns: int | None = None
    post_only: bool = False
    fee_in_base: bool = False
    stp: STP = "cancel_newest"
    cl_ord_id: str | None = None
    userref: int | None = None
    owner: str = ""  # who quotes, among the house's own orders
    status: str = "pending_new"
    cum_qty: Decimal = ZERO
    cum_cost: Decimal = ZERO
    fee: Decimal = ZERO
    triggered: bool = False
    amended: bool = False
    amended_ns: int | None = None
    reason: str | None = None
    closed_ns: int | None = None
    last_at_trigger: Decimal | None = None  # the price that fired it
    place: int = 0  # grows with every order that comes to rest or is armed: its turn within one price
    trigger_reference: Reference = "last"
    trigger_offset: Offset | None = None  # as asked for
    limit_offset: Offset | None = None  # as asked for; from the trigger on a trailing order
    peak_price: Decimal | None = None  # a trailing order's: highest (sell) or lowest (buy) reference since entry
    display_qty: Decimal | None = None  # an iceberg's slice
    shown_qty: Decimal = ZERO  # what is left of the slice in the book
    cash_order_qty: Decimal | None = None
    effective_ns: int | None = None
    close: CloseSpec | None = None
    ref_id: str | None = None  # the primary that created it
    leverage: int | None = None
    reduce_only: bool = False
    liquidates: bool = False  # sent by the venue itself
    sender_sub_id: str | None = None
    amends: list[AmendRecord] = field(default_factory=list)
    exec_ids: list[str] = field(default_factory=list)

    @property
    def leaves_qty(self) -> Decimal:
        """What may still fill; nothing once the order has ended."""
        return self.order_qty - self.cum_qty if self.is_open else ZERO

    @property
    def is_open(self) -> bool:
        """Not yet filled, canceled or expired."""
        return self.status in OPEN_STATUSES

    @property
    def visible_qty(self) -> Decimal:
        """What the book shows of it while it rests."""
        return self.leaves_qty if self.display_qty is None else min(self.shown_qty, self.leaves_qty)

    @property
    def trails(self) -> bool:
        """Its trigger follows the market until it fires."""
        return self.order_type in TRAILING_TYPES

    @property
    def is_scheduled(self) -> bool:
        """Accepted, and waiting for its effective time."""
        return self.status == "pending_new" and self.effective_ns is not None

    @property
    def is_armed(self) -> bool:
        """A stop or take-profit that waits for its price, or for the time from which it will."""
        return self.order_type in TRIGGER_TYPES and not self.triggered and self.is_open

    @property
    def avg_price(self) -> Decimal:
        """Cost per unit so far, zero without fills."""
        return self.cum_cost / self.cum_qty if self.cum_qty else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTrade:
    """One side of one match, as its account sees it. ``liquidity`` is ``t`` (taker) or ``m`` (maker)."""

    exec_id: str
    order_id: str
    cl_ord_id: str | None
    account: str
    symbol: str
    side: Side
    order_type: str
    price: Decimal
    qty: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: str
    trade_id: int
    ts_ns: int
    leverage: int | None = None
    margin: Decimal = ZERO  # what the opened part binds
    position_status: str | None = None  # of a margin trade: opened, closing (a part), closed
    liquidated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A request for an order, whatever transport it came by; amounts as sent, not yet checked.

    Relative prices count from the reference of the trigger, a limit's from the last price; a trailing order's
    ``trigger_price`` is its distance and its ``limit_price`` counts from the trigger.
    """

    symbol: str
    side: Side
    order_type: str
    order_qty: Decimal
    limit_price: Price | None = None
    trigger_price: Price | None = None
    time_in_force: str = "gtc"
    expire_ns: int | None = None
    post_only: bool = False
    fee_in_base: bool = False
    stp: STP = "cancel_newest"
    cl_ord_id: str | None = None
    userref: int | None = None
    deadline_ns: int | None = None
    validate: bool = False
    owner: str = ""
    trigger_reference: Reference = "last"
    display_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    effective_ns: int | None = None
    close: CloseSpec | None = None
    leverage: int | None = None
    reduce_only: bool = False
    sender_sub_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """A request to change an open order in place; None leaves a member as it is."""

    order_id: str | None = None
    cl_ord_id: str | None = None
    order_qty: Decimal | None = None
    display_qty: Decimal | None = None
    limit_price: Price | None = None
    trigger_price: Price | None = None
    post_only: bool | None = None
    deadline_ns: int | None = None
