"""The table ``limits``: what entries are held to. It stands in limits.toml, beside the settings file."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from engine.config.section import Amount, Count, Seconds, Section
from engine.risk.limits import NO_LEVERAGE, Limits, StrategyLimits, SymbolLimits

Bps = Annotated[Decimal, Field(gt=0, le=10_000)]
Reserve = Annotated[Decimal, Field(ge=0, le=1_000)]
Leverage = Annotated[int, Field(ge=NO_LEVERAGE, le=99)]
MarginUse = Annotated[Decimal, Field(gt=0, le=100)]
Patience = Annotated[float, Field(ge=5, le=86_400)]
Currency = Annotated[str, Field(pattern=r"^[A-Z0-9.]{2,10}$")]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9.]{1,20}/[A-Z0-9.]{1,20}$")]
StrategyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class SymbolSection(Section):
    """``limits.each_symbol`` and ``limits.symbol``: one market. What is left out is not limited."""

    order_qty_most: Amount | None = None
    position_qty_most: Amount | None = None
    exposure_most: Amount | None = None


class StrategySection(Section):
    """``limits.each_strategy`` and ``limits.strategy``: one strategy. What is left out is not limited."""

    exposure_most: Amount | None = None
    open_orders_most: Count | None = None
    daily_realized_loss_most: Amount | None = None
    daily_loss_most: Amount | None = None


class LimitsSection(Section):
    """``limits``: the built-in values are made for the simulated exchange's account."""

    currency: Currency = "USD"
    rates: dict[Currency, Amount] = Field(default_factory=dict)
    symbols: tuple[Symbol, ...] | None = None
    order_value_most: Amount = Decimal(25_000)
    collar_bps: Bps = Decimal(200)
    exposure_most: Amount = Decimal(100_000)
    open_orders_most: Count = 200
    orders_per_second: Count = 20
    repeats_most: Count = 60
    repeats_window_s: Seconds = 60.0
    daily_realized_loss_most: Amount = Decimal(2_000)
    daily_loss_most: Amount = Decimal(4_000)
    drawdown_most: Amount = Decimal(10_000)
    signal_age_most_s: Seconds = 300.0
    market_data_age_most_s: Seconds = 60.0
    check_balance: bool = True
    fee_reserve_bps: Reserve = Decimal(40)
    link_loss_halt_s: Patience = 300.0
    leverage_most: Leverage = NO_LEVERAGE
    margin_use_most_pct: MarginUse = Decimal(30)
    each_symbol: SymbolSection = SymbolSection(exposure_most=Decimal(50_000))
    each_strategy: StrategySection = StrategySection(exposure_most=Decimal(100_000), open_orders_most=100)
    symbol: dict[Symbol, SymbolSection] = Field(default_factory=dict)
    strategy: dict[StrategyName, StrategySection] = Field(default_factory=dict)

    def limits(self) -> Limits:
        """Return what engine.risk takes."""
        given: dict[str, Any] = self.model_dump()
        given["each_symbol"] = SymbolLimits(**given["each_symbol"])
        given["each_strategy"] = StrategyLimits(**given["each_strategy"])
        given["symbol"] = {name: SymbolLimits(**one) for name, one in given["symbol"].items()}
        given["strategy"] = {name: StrategyLimits(**one) for name, one in given["strategy"].items()}
        return Limits(**given)
