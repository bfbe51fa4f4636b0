"""What may be traded and in which steps."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.values.money import Price, Qty, Side, whole_lots

PairStatus = Literal[
    "online",
    "cancel_only",
    "post_only",
    "limit_only",
    "reduce_only",
    "maintenance",
    "delisted",
    "work_in_progress",
    "unknown",
]


class Instrument(msgspec.Struct, frozen=True):
    """One market. ``symbol`` is the venue-neutral name (BTC/USD); increments and minima are Decimals from the wire.

    ``price_increment`` is the tick (quote), ``qty_increment`` the lot (base), ``qty_min`` the least base quantity and
    ``cost_min`` the least price times quantity (quote) of an order. ``leverage_buy`` and ``leverage_sell`` are what the
    venue lends for on either side (empty: no margin), ``margin_stop`` the margin level in percent at which it
    liquidates (None: not told).
    """

    symbol: str
    base: str
    quote: str
    status: PairStatus
    price_precision: int
    price_increment: Price
    qty_precision: int
    qty_increment: Qty
    qty_min: Qty
    cost_precision: int
    cost_min: Decimal
    leverage_buy: tuple[int, ...] = ()
    leverage_sell: tuple[int, ...] = ()
    margin_stop: int | None = None

    def leverages(self, side: Side) -> tuple[int, ...]:
        """Return the leverages that orders of a side may ask for."""
        return self.leverage_buy if side == "buy" else self.leverage_sell

    def lots(self, qty: Decimal) -> Qty:
        """Round a quantity down to what can be ordered."""
        return whole_lots(qty, self.qty_increment)

    def orderable(self, qty: Decimal, price: Decimal) -> bool:
        """Tell whether ``qty`` at ``price`` meets the minima; what does not is dust."""
        lots = self.lots(qty)
        return lots >= self.qty_min and lots > 0 and lots * price >= self.cost_min
