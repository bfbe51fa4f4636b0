"""The tables ``exchange``, ``exchange.funds`` and ``exchange.market``: the simulated Kraken."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.config.section import Amount, Funds, Pause, Percent, Seconds, Section
from engine.errors import ConfigError
from engine.sim import DEFAULT_PAIRS, SimSettings, SyntheticMarket

Ticks = Annotated[int, Field(ge=1, le=100_000)]
Lots = Annotated[int, Field(ge=1, le=10**9)]

_SIM = SimSettings()


class MarketSection(Section):
    """``exchange.market``: one synthetic market. Distances in ticks, quantities in lots of ``lot`` base units."""

    symbol: Literal["BTC/USD", "ETH/USD", "SOL/USD"]
    start_price: Amount
    half_spread_ticks: Ticks
    walk_ticks: Annotated[float, Field(ge=0, le=100_000)]
    refresh_s: Seconds
    levels: Annotated[int, Field(ge=1, le=500)]
    level_step_ticks: Ticks
    lot: Amount
    level_lots: tuple[Lots, Lots]
    taker_every_s: Seconds
    taker_lots: tuple[Lots, Lots]


def _market(symbol: Any, price: str, lot: str, *ticks: int, level_lots: tuple[int, int], taker: int) -> MarketSection:
    half_spread, walk, step = ticks
    return MarketSection(
        symbol=symbol,
        start_price=Decimal(price),
        half_spread_ticks=half_spread,
        walk_ticks=walk,
        refresh_s=0.5,
        levels=12,
        level_step_ticks=step,
        lot=Decimal(lot),
        level_lots=level_lots,
        taker_every_s=0.7,
        taker_lots=(taker // 20, taker),
    )


_MARKETS = (
    _market("BTC/USD", "50000", "0.0001", 20, 60, 15, level_lots=(200, 4000), taker=120),
    _market("ETH/USD", "3000", "0.001", 12, 40, 10, level_lots=(300, 6000), taker=200),
    _market("SOL/USD", "150", "0.02", 2, 3, 2, level_lots=(300, 6000), taker=200),
)


class ExchangeSection(Section):
    """``exchange``: the simulated Kraken, embedded or on its own."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    maker_fee_pct: Percent = _SIM.maker_fee_pct
    taker_fee_pct: Percent = _SIM.taker_fee_pct
    tier: Literal["none", "starter", "intermediate", "pro"] = "intermediate"
    max_open_orders: Annotated[int, Field(ge=1, le=10_000)] = _SIM.max_open_orders
    keep_closed: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    processing_delay_s: Pause = _SIM.processing_delay_s
    untriggered_stops_hold_funds: bool = _SIM.untriggered_stops_hold_funds
    funds: dict[Literal["USD", "BTC", "ETH", "SOL"], Funds] = Field(
        default_factory=lambda: dict(_SIM.accounts["client"])  # type: ignore[arg-type]  # its keys are those names
    )
    market: tuple[MarketSection, ...] = _MARKETS

    def sim_settings(self, changes: dict[str, Any]) -> SimSettings:
        """Return what engine.sim takes, with the synthetic markets; ``changes`` are members of SimSettings."""
        listed = {pair.symbol: pair for pair in DEFAULT_PAIRS}
        for market in self.market:
            if market.start_price % listed[market.symbol].tick:
                raise ConfigError(f"exchange.market {market.symbol}: start_price {market.start_price} is off its tick")
        plain = self.model_dump(exclude={"port", "tier", "funds", "market"})
        given = {
            "tier": None if self.tier == "none" else self.tier,
            "accounts": {"client": dict(self.funds)},
            "synthetic": tuple(SyntheticMarket(**market.model_dump()) for market in self.market),
        }
        return SimSettings(**{**plain, **given, **changes})
