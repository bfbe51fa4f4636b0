"""What trading has made: one strategy's result in one market, in the market's own currencies. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from engine.values.money import ZERO


class Result(msgspec.Struct):
    """Profit of one strategy in one market, over a UTC day (``day`` counts them since 1970) or for ever (0).

    ``realized`` is in quote units, after the fees taken in quote and in base. ``fees`` are all fees by asset, in units
    of it: those in a third asset (``apart``) are in no other number here.
    """

    strategy_id: str
    symbol: str
    base: str
    quote: str
    day: int = 0
    realized: Decimal = ZERO
    fees: dict[str, Decimal] = {}
    fills: int = 0
    margin: bool = False

    @property
    def key(self) -> tuple[str, str, bool]:
        """Strategy, market, and whether on margin."""
        return self.strategy_id, self.symbol, self.margin

    def add(self, realized: Decimal, fees: Iterable[tuple[str, Decimal]], fills: int = 1) -> None:
        """Add what one fill, or another result, came to."""
        self.realized += realized
        self.fills += fills
        for asset, qty in fees:
            self.fees[asset] = self.fees.get(asset, ZERO) + qty

    @property
    def apart(self) -> dict[str, Decimal]:
        """Fees in neither base nor quote, which only a price of that asset can turn into quote units."""
        return {asset: qty for asset, qty in self.fees.items() if asset not in (self.base, self.quote) and qty}

    def copy(self) -> Result:
        """Copy it, its fees too."""
        return msgspec.structs.replace(self, fees=dict(self.fees))
