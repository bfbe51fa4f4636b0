"""What trading has made: one strategy's result in one market, in the market's own currencies. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from engine.values.money import ZERO


class Result(msgspec.Struct):
    """Profit of one strategy in one market, over a UTC day (``day`` counts them since 1970) or for ever (0).

    ``realized`` is in quote units, after the fees taken in quote and in base. ``fees`` are all fees by asset, in units
    of it: those in a third asset (``apart``) are in no other number here. ``charges`` are the part of them that margin
    took beside the fees of its fills.
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
    charges: dict[str, Decimal] = {}

    @property
    def key(self) -> tuple[str, str, bool]:
        """Strategy, market, and whether on margin."""
        return self.strategy_id, self.symbol, self.margin

    def add(
        self,
        realized: Decimal,
        fees: Iterable[tuple[str, Decimal]],
        fills: int = 1,
        charges: Iterable[tuple[str, Decimal]] = (),
    ) -> None:
        """Add what one fill, or another result, came to."""
        self.realized += realized
        self.fills += fills
        for asset, qty in fees:
            self.fees[asset] = self.fees.get(asset, ZERO) + qty
        for asset, qty in charges:
            self.charges[asset] = self.charges.get(asset, ZERO) + qty

    def charge(self, asset: str, qty: Decimal) -> None:
        """Add what margin took beside the fees of its fills."""
        if asset == self.quote:
            self.realized -= qty
        self.fees[asset] = self.fees.get(asset, ZERO) + qty
        self.charges[asset] = self.charges.get(asset, ZERO) + qty

    @property
    def apart(self) -> dict[str, Decimal]:
        """Fees in neither base nor quote, and charges in base, which no position pays: only a price makes them quote
        units.
        """
        found = {asset: qty for asset, qty in self.fees.items() if asset not in (self.base, self.quote) and qty}
        if self.charges.get(self.base):
            found[self.base] = self.charges[self.base]
        return found

    def copy(self) -> Result:
        """Copy it, its fees too."""
        return msgspec.structs.replace(self, fees=dict(self.fees), charges=dict(self.charges))
