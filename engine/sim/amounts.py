"""Quantities that a request leaves to the venue: so much quote currency, or all that closes (protocol section 1.5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused, invalid
from engine.sim.instruments import PairSpec
from engine.sim.orders import NewOrder
from engine.sim.positions import closable


def bought_by(cash: Decimal, price: Decimal, lot: Decimal) -> Decimal:
    """Return how many whole lots an amount of quote currency buys, before fees."""
    return (cash / price / lot).to_integral_value(ROUND_FLOOR) * lot


def completed(new: NewOrder, account: Account, pair: PairSpec, reference: Decimal | None) -> NewOrder:
    """Return the request with its quantity in base units; ``reference`` is what a market order is judged by.

    Raises Refused when quote currency has no price to be judged by, or when there is no position to close.
    """
    if new.cash_order_qty is not None:
        if reference is None:
            raise invalid("volume")
        return replace(new, order_qty=bought_by(new.cash_order_qty, reference, pair.lot))
    closes = new.leverage is not None or new.order_type == "settle-position"
    if new.order_qty or not closes:
        return new
    qty = closable(account.positions.values(), new.symbol, new.side)
    if not qty:
        raise Refused(errors.UNKNOWN_POSITION)
    return replace(new, order_qty=qty)
