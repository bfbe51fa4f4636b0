"""Relative prices: a distance from a reference, in quote units or percent (protocol sections 1.5, 1.7, 8.1)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from engine.sim.numbers import fixed

_PERCENT_PLACES = 4


@dataclass(frozen=True, slots=True)
class Offset:
    """``value`` in quote units, or percent of the reference; ``by_side`` (``#``): side and type choose the sign."""

    value: Decimal
    percent: bool = False
    by_side: bool = False

    @property
    def price_type(self) -> str:
        """How WebSocket v2 calls it."""
        return "pct" if self.percent else "quote"

    def places(self, price_places: int) -> int:
        """Return the decimals that its value is written with."""
        return _PERCENT_PLACES if self.percent else price_places

    def distance(self, base: Decimal) -> Decimal:
        """Return the signed distance from ``base`` in quote units."""
        return base * self.value / 100 if self.percent else self.value

    def text(self, places: int) -> str:
        """Write as REST does: ``+10.0``, ``-2.5000%``."""
        sign = "#" if self.by_side else "-" if self.value < 0 else "+"
        return f"{sign}{fixed(abs(self.value), self.places(places))}" + "%" * self.percent


Price = Decimal | Offset


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Round to the nearest multiple of the tick, and to one tick at least: how Kraken rounds is not published."""
    return max((price / tick).to_integral_value(ROUND_HALF_UP), Decimal(1)) * tick
