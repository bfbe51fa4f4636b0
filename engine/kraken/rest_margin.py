"""REST's margin positions and trade balance (§1.4). Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.accounts.margin import TradeBalance, VenuePosition
from engine.errors import VenueProtocolError
from engine.kraken import validate
from engine.kraken.symbols import Symbols
from engine.values.money import ZERO, Side


class PositionObject(msgspec.Struct, frozen=True):
    """A row of OpenPositions: amounts as they were opened, ``vol_closed`` what of ``vol`` is closed since."""

    ordertxid: str
    pair: str
    type: Side
    cost: Decimal
    vol: Decimal
    vol_closed: Decimal
    margin: Decimal


class TradeBalanceObject(msgspec.Struct, frozen=True):
    """TradeBalance: ``tb`` balance, ``m`` margin used, ``n`` unrealised, ``e`` equity, ``mf`` free, ``ml`` level.

    ``ml`` is absent without positions.
    """

    tb: Decimal
    m: Decimal
    n: Decimal
    e: Decimal
    mf: Decimal
    ml: Decimal | None = None


def venue_position(position_id: str, row: PositionObject, symbols: Symbols) -> VenuePosition:
    """Return a position with what is left of it. Raises VenueProtocolError for numbers that are none."""
    for name in ("cost", "vol", "vol_closed", "margin"):
        validate.amount("OpenPositions", name, getattr(row, name))
    if row.vol_closed > row.vol or not row.vol:
        raise VenueProtocolError(f"OpenPositions: {position_id}: {row.vol_closed} of {row.vol} closed")
    left = row.vol - row.vol_closed
    return VenuePosition(
        position_id=position_id,
        order_id=row.ordertxid,
        symbol=symbols.symbol(row.pair) or row.pair,
        side=row.type,
        qty=left,
        cost=row.cost * left / row.vol if left else ZERO,
        margin=row.margin * left / row.vol if left else ZERO,
    )


def trade_balance(currency: str, row: TradeBalanceObject) -> TradeBalance:
    """Return the trade balance. Raises VenueProtocolError for numbers that are none."""
    for name in ("tb", "m", "n", "e", "mf", "ml"):
        validate.number("TradeBalance", name, getattr(row, name))
    return TradeBalance(currency, row.tb, row.e, row.m, row.mf, row.n, row.ml)
