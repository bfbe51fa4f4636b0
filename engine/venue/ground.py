"""Where a check is tried: a symbol, amounts, and the hands that a simulated exchange lends."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.values.money import Price, Qty, Side


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Where to try: a symbol, amounts the account can pay for, and hands that the exchange may lend.

    The book must hold something to take on both sides: at least ``sweep_qty``, best in more than one order.
    """

    symbol: str
    qty: Qty
    """Of an ordinary order: above the venue's minima, twice."""
    sweep_qty: Qty
    """Of a market order that should fill in several parts."""
    resting_price: Price
    """A buy at this price rests; so does one a few ticks above it."""
    stop_price: Price
    """A selling stop at this price does not fire by itself."""
    unaffordable_qty: Qty
    """A buy of so much at ``resting_price`` is beyond the account's funds."""
    cut: Callable[[], object] | None = None
    """Breaks every connection there is, as the network would."""
    take: Callable[[Side, Qty, Price], object] | None = None
    """Lets somebody else trade with our resting order, by its side, all of it, wherever it stands in the book."""
    move: Callable[[Price], object] | None = None
    """Lets the last price be this one."""
