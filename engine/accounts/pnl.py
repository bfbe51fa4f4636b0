"""What a bracket made: net quantity, realised profit, fees."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.values.instrument import Instrument
from engine.values.money import ZERO, sign


class BracketMoney(msgspec.Struct, frozen=True):
    """``net_qty`` base units still held (signed, after fees in base); the rest in quote units.

    ``realized_pnl`` is what the closed quantity made between average entry and average exit price, less all fees.
    ``fees`` counts charges in base at the average price of the order that paid them.
    """

    net_qty: Decimal
    realized_pnl: Decimal
    fees: Decimal


def money_of(signal: Signal, instrument: Instrument, orders: Iterable[OrderView]) -> BracketMoney:
    """Sum up the orders of one bracket. Exact: nothing is rounded here.

    Coins that were there before it came in at the signal's ``limit_price``: what they were worth then.
    """
    side, out_qty, out_cost, fees, base_fees = signal.side, ZERO, ZERO, ZERO, ZERO
    in_qty = ZERO if signal.entered else signal.order_qty
    in_cost = in_qty * (signal.limit_price or ZERO)
    for order in orders:
        if order.spec.side == side:
            in_qty, in_cost = in_qty + order.cum_qty, in_cost + order.cum_cost
        else:
            out_qty, out_cost = out_qty + order.cum_qty, out_cost + order.cum_cost
        base_fee = order.fees.get(instrument.base, ZERO)
        base_fees += base_fee
        fees += order.fees.get(instrument.quote, ZERO) + base_fee * order.avg_px
    closed = min(in_qty, out_qty)
    gross = ZERO
    if closed:
        gross = (out_cost / out_qty - in_cost / in_qty) * closed * sign(side)
    return BracketMoney((in_qty - out_qty) * sign(side) - base_fees, gross - fees, fees)
