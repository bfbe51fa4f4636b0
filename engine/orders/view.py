"""What others may know of an order."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.orders.commands import NewOrder
from engine.orders.events import Role
from engine.orders.machine import ENDED, unshown
from engine.values.money import NO_QTY, ZERO, Price, Qty


class OrderView(msgspec.Struct, frozen=True):
    """What others may know of an order; a copy, never the order itself.

    ``least`` and ``most`` bound the quantity that may still rest on the venue: the arithmetic of doubt.
    ``done_qty`` counts fills the venue has told of, even those whose details are missing. Trigger and limit are what
    they were last amended to. ``waits``: a change of it has been decided, and can still be altered or taken back.
    """

    cl_ord_id: str
    role: Role
    state: str
    spec: NewOrder
    order_id: str | None
    order_qty: Qty
    cum_qty: Qty
    done_qty: Qty
    cum_cost: Decimal
    avg_px: Decimal
    fees: dict[str, Decimal]
    least: Qty
    most: Qty
    busy: bool
    triggered: bool
    cancel_wanted: bool
    changed_ns: int
    dispatched_ns: int
    reason: str
    code: str
    states: tuple[str, ...]
    trigger_price: Price | None = None
    limit_price: Price | None = None
    waits: bool = False

    @property
    def ended(self) -> bool:
        """Nothing of it rests on the venue."""
        return self.state in ENDED

    @property
    def in_doubt(self) -> bool:
        """Nothing from the venue shows it: unknown, or live by an operator's word alone."""
        return unshown(self.state, self.order_id)

    @property
    def leaves_qty(self) -> Qty:
        """Quantity not yet filled, zero once ended."""
        return NO_QTY if self.ended else Qty(max(ZERO, self.order_qty - self.done_qty))
