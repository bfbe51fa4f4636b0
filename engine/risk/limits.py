"""The limits that entries are held to. None means: not limited. Values are in ``currency`` unless a name says else.

``config/limits.toml`` explains each one. Quantities are base units, ``_bps`` are hundredths of a percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from engine.values.instrument import Instrument
from engine.values.money import Qty

ONE = Decimal(1)
NO_LEVERAGE: Final = 1
"""Nothing is borrowed unless a limit above this says so: the one limit that stands where nobody has set any."""


class SymbolLimits(msgspec.Struct, frozen=True):
    """Limits of one market."""

    order_qty_most: Qty | None = None
    position_qty_most: Qty | None = None
    exposure_most: Decimal | None = None


class StrategyLimits(msgspec.Struct, frozen=True):
    """Limits of one strategy over all its markets."""

    exposure_most: Decimal | None = None
    open_orders_most: int | None = None
    daily_realized_loss_most: Decimal | None = None
    daily_loss_most: Decimal | None = None


class Limits(msgspec.Struct, frozen=True):
    """All limits. ``symbols`` None allows every market; ``strategies`` without an entry use ``each_strategy``.

    ``rates`` are units of ``currency`` for one unit of another quote currency.
    """

    currency: str = "USD"
    rates: Mapping[str, Decimal] = msgspec.field(default_factory=dict)
    symbols: tuple[str, ...] | None = None
    order_value_most: Decimal | None = None
    collar_bps: Decimal | None = None
    exposure_most: Decimal | None = None
    open_orders_most: int | None = None
    orders_per_second: int | None = None
    repeats_most: int | None = None
    repeats_window_s: float = 60.0
    daily_realized_loss_most: Decimal | None = None
    daily_loss_most: Decimal | None = None
    drawdown_most: Decimal | None = None
    signal_age_most_s: float | None = None
    market_data_age_most_s: float | None = None
    check_balance: bool = False
    fee_reserve_bps: Decimal = Decimal(40)
    link_loss_halt_s: float | None = None
    leverage_most: int = NO_LEVERAGE
    margin_use_most_pct: Decimal | None = None
    each_symbol: SymbolLimits = SymbolLimits()
    each_strategy: StrategyLimits = StrategyLimits()
    symbol: Mapping[str, SymbolLimits] = msgspec.field(default_factory=dict)
    strategy: Mapping[str, StrategyLimits] = msgspec.field(default_factory=dict)

    def of_symbol(self, symbol: str) -> SymbolLimits:
        """Return a market's own limits, else those that each market has."""
        return self.symbol.get(symbol, self.each_symbol)

    def of_strategy(self, strategy_id: str) -> StrategyLimits:
        """Return a strategy's own limits, else those that each strategy has."""
        return self.strategy.get(strategy_id, self.each_strategy)

    def rate(self, instrument: Instrument) -> Decimal | None:
        """Return units of ``currency`` for one unit of the market's quote, None when nobody has said."""
        return ONE if instrument.quote == self.currency else self.rates.get(instrument.quote)

    @property
    def judges_value(self) -> bool:
        """Whether any limit needs to know what a quote unit is worth."""
        markets = (self.each_symbol, *self.symbol.values())
        strategies = (self.each_strategy, *self.strategy.values())
        values = [self.order_value_most, self.exposure_most, *_losses(self), self.drawdown_most]
        values.append(self.margin_use_most_pct)
        values += [one.exposure_most for one in markets]
        values += [value for one in strategies for value in (one.exposure_most, *_losses(one))]
        return any(value is not None for value in values)

    @property
    def judges_nothing(self) -> bool:
        """Whether no limit stands at all, whatever currency and windows say."""
        blank = UNLIMITED
        return blank == msgspec.structs.replace(
            self,
            currency=blank.currency,
            rates=blank.rates,
            repeats_window_s=blank.repeats_window_s,
            fee_reserve_bps=blank.fee_reserve_bps,
            link_loss_halt_s=blank.link_loss_halt_s,
            leverage_most=blank.leverage_most,
        )

    @property
    def judges_losses(self) -> bool:
        """Whether any loss may halt."""
        losses = [loss for one in (self.each_strategy, *self.strategy.values()) for loss in _losses(one)]
        return any(loss is not None for loss in (*losses, *_losses(self), self.drawdown_most))


def _losses(one: Limits | StrategyLimits) -> tuple[Decimal | None, Decimal | None]:
    return one.daily_realized_loss_most, one.daily_loss_most


UNLIMITED = Limits()
