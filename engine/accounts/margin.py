"""Margin as the venue tells it: its positions, what they bind, and how far the market is from a liquidation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from engine.values.money import ZERO, Side, sign

HUNDRED: Final = Decimal(100)
DISTANCE_STEP: Final = Decimal("0.01")

Held = Mapping[str, Decimal]
"""Signed base units on margin, by symbol: positive for a long."""


class VenuePosition(msgspec.Struct, frozen=True):
    """One position as the venue keeps it. ``qty`` base units still open, ``cost`` and ``margin`` quote units for them.

    ``order_id`` is the order that opened it, ``side`` that order's. Which position an exit closes is the venue's
    choice: first in, first out over all brackets, it seems.
    """

    position_id: str
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    cost: Decimal
    margin: Decimal


class TradeBalance(msgspec.Struct, frozen=True):
    """What the venue reckons the account can bear, in units of ``currency``.

    ``equity`` is ``balance`` with the positions' unrealised profit, ``free`` what further positions may bind, ``level``
    equity in percent of what is ``used`` (None: no position).
    """

    currency: str
    balance: Decimal
    equity: Decimal
    used: Decimal
    free: Decimal
    unrealized: Decimal
    level: Decimal | None = None


class Liquidation(msgspec.Struct, frozen=True):
    """Where one market would take the account to its liquidation: ``price``, and ``percent`` of ``mark`` away."""

    mark: Decimal
    price: Decimal
    percent: Decimal


def held_there(positions: Iterable[VenuePosition]) -> dict[str, Decimal]:
    """Return the signed base units that are open at the venue, by symbol."""
    held: dict[str, Decimal] = {}
    for one in positions:
        held[one.symbol] = held.get(one.symbol, ZERO) + sign(one.side) * one.qty
    return held


def leverage_of(positions: Iterable[VenuePosition]) -> Decimal | None:
    """Return cost over margin of some positions, None where nothing is bound."""
    some = list(positions)
    margin = sum((one.margin for one in some), ZERO)
    return (sum((one.cost for one in some), ZERO) / margin).quantize(DISTANCE_STEP) if margin else None


def differences(ours: Held, theirs: Held) -> dict[str, Decimal]:
    """Return what the venue holds beyond our books, by symbol; negative for a long: it holds less of it."""
    symbols = sorted(set(ours) | set(theirs))
    found = {symbol: theirs.get(symbol, ZERO) - ours.get(symbol, ZERO) for symbol in symbols}
    return {symbol: qty for symbol, qty in found.items() if qty}


def liquidation(balance: TradeBalance, qty: Decimal, mark: Decimal, rate: Decimal, stop_level: int) -> Liquidation:
    """Return where the market of a position (``qty`` signed) would bring the margin level down to ``stop_level``.

    As if this market alone moved and the collateral kept its worth. ``rate`` is the balance's currency for one unit of
    the market's quote. Raises ZeroDivisionError for no position.
    """
    to_lose = balance.equity - balance.used * stop_level / HUNDRED
    price = mark - to_lose / (qty * rate)
    return Liquidation(
        mark, price, (abs(price - mark) / mark * HUNDRED * (1 if to_lose > 0 else -1)).quantize(DISTANCE_STEP)
    )
