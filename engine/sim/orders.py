"""The venue's record of an order and of an execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from engine.sim.numbers import ZERO

Side = Literal["buy", "sell"]
STP = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
TRIGGER_TYPES = ("stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit")
LIMIT_TYPES = ("limit", "stop-loss-limit", "take-profit-limit")
ORDER_TYPES = ("market", "limit", *TRIGGER_TYPES)
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


@dataclass(slots=True, kw_only=True)
class SimOrder:
    """One order. Quantities in base units, prices and ``cum_cost`` in quote, ``fee`` in ``fee_asset``."""

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
    def is_armed(self) -> bool:
        """A stop or take-profit that waits for its price."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A request for an order, whatever transport it came by; amounts as sent, not yet checked."""

    symbol: str
    side: Side
    order_type: str
    order_qty: Decimal
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """A request to change an open order in place; None leaves a member as it is."""

    order_id: str | None = None
    cl_ord_id: str | None = None
    order_qty: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    post_only: bool | None = None
    deadline_ns: int | None = None
