"""Prices, quantities and the named ways to round them. Decimal from wire text, never float."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Literal, NewType

Price = NewType("Price", Decimal)
"""Quote units per one base unit."""
Qty = NewType("Qty", Decimal)
"""Base units."""

Side = Literal["buy", "sell"]

ZERO = Decimal(0)
NO_QTY = Qty(ZERO)


def other_side(side: Side) -> Side:
    """Return the side that undoes ``side``."""
    return "sell" if side == "buy" else "buy"


def sign(side: Side) -> int:
    """Return +1 for a buy, -1 for a sell: what a fill adds to the position."""
    return 1 if side == "buy" else -1


# the division itself must not round to the wrong side, however many digits the amount has
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)
_UP = Context(prec=60, rounding=ROUND_CEILING)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of ``step`` not above ``value``, written with the digits of ``step``."""
    return _DOWN.multiply(_DOWN.divide(value, step).to_integral_value(ROUND_FLOOR), step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of ``step`` not below ``value``, written with the digits of ``step``."""
    return _UP.multiply(_UP.divide(value, step).to_integral_value(ROUND_CEILING), step)


def whole_lots(qty: Decimal, increment: Decimal) -> Qty:
    """Quantity rule of every order: never more than asked or held."""
    return Qty(floor_to(qty, increment))


def limit_not_worse(side: Side, price: Decimal, tick: Decimal) -> Price:
    """Limit rule of entries and targets: a buy never pays more than asked, a sell never gets less."""
    return Price(floor_to(price, tick) if side == "buy" else ceil_to(price, tick))


def trigger_not_later(exit_side: Side, price: Decimal, tick: Decimal) -> Price:
    """Trigger rule of stops: a selling stop is moved up, a buying stop down, so it never fires later than asked."""
    return Price(ceil_to(price, tick) if exit_side == "sell" else floor_to(price, tick))


def limit_more_willing(exit_side: Side, price: Decimal, tick: Decimal) -> Price:
    """Limit rule of stop-loss-limit: rounded towards filling, because an unfilled stop protects nothing."""
    return Price(floor_to(price, tick) if exit_side == "sell" else ceil_to(price, tick))


def average(cost: Decimal, qty: Decimal, precision: int) -> Decimal:
    """Cost per unit rounded half-even to ``precision`` digits after the point; zero for no quantity."""
    if qty == 0:
        return ZERO
    return (cost / qty).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_EVEN)


def plain(value: Decimal) -> str:
    """Decimal text without an exponent: ``1E-8`` becomes ``0.00000001``."""
    return format(value, "f")


def trimmed(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros after the point: for people."""
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
