"""The table ``exchange`` and those in it (funds, account, market, scale, bounds, manners): the simulated Kraken."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.config.exchange_switches import BoundsSection, MannersSection
from engine.config.section import Amount, Funds, Pause, Percent, Place, Seconds, Section
from engine.errors import ConfigError
from engine.sim import DEFAULT_PAIRS, PERMISSIONS, AccountTerms, SimSettings, SyntheticMarket
from engine.sim.fees import RECORDED_FEES

Ticks = Annotated[int, Field(ge=1, le=100_000)]
Lots = Annotated[int, Field(ge=1, le=10**9)]
Factor = Annotated[float, Field(ge=0.01, le=100)]
AssetName = Annotated[str, Field(pattern=r"^[A-Z0-9.]{1,16}$")]
Permission = Literal[PERMISSIONS]  # type: ignore[valid-type]  # those words and no others

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


class ScaleSection(Section):
    """``exchange.scale``: by how much the synthetic markets differ from what ``exchange.market`` says.

    ``volatility`` widens the middle's steps, ``spread`` the distance of the best makers, ``depth`` what they quote;
    ``partial_fills`` lets takers come that much smaller and more often.
    """

    volatility: Factor = 1.0
    spread: Factor = 1.0
    depth: Factor = 1.0
    partial_fills: Factor = 1.0

    def applied(self, market: MarketSection) -> SyntheticMarket:
        """Return a market as engine.sim takes it."""
        levels, takers = market.level_lots, market.taker_lots
        scaled = {
            "walk_ticks": market.walk_ticks * self.volatility,
            "half_spread_ticks": max(1, round(market.half_spread_ticks * self.spread)),
            "level_lots": (max(1, round(levels[0] * self.depth)), max(1, round(levels[1] * self.depth))),
            "taker_lots": (
                max(1, round(takers[0] / self.partial_fills)),
                max(1, round(takers[1] / self.partial_fills)),
            ),
            "taker_every_s": market.taker_every_s / self.partial_fills,
        }
        return SyntheticMarket(**{**market.model_dump(), **scaled})


class AccountSection(Section):
    """``exchange.account``: an account beside ``client``; what is left out is as for everybody."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    funds: dict[AssetName, Funds] = Field(default_factory=dict)
    maker_fee_pct: Percent | None = None
    taker_fee_pct: Percent | None = None
    tier: Literal["starter", "intermediate", "pro"] | None = None
    permissions: tuple[Permission, ...] | None = None

    def terms(self) -> AccountTerms:
        """Return what engine.sim takes, without the key."""
        return AccountTerms(**self.model_dump(exclude={"name", "funds"}))


class ExchangeSection(Section):
    """``exchange``: the simulated Kraken, embedded or on its own.

    ``source`` is where its market comes from: ``synthetic``, ``script:FILE``, ``replay:FILE`` or ``live:URL``.
    """

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    free_port: bool = False
    source: Annotated[
        str,
        Field(
            pattern=r"^(synthetic$|script:.|replay:.|live:)",
            description="synthetic, script:FILE, replay:FILE or live:URL",
        ),
    ] = "synthetic"
    speed: Annotated[float, Field(ge=0.01, le=10_000)] = 1.0
    symbols: tuple[str, ...] = ()
    source_depth: Literal[10, 25, 100, 500, 1000] = 100
    faults: Place | None = None
    maker_fee_pct: Percent = _SIM.maker_fee_pct
    taker_fee_pct: Percent = _SIM.taker_fee_pct
    fees: Literal["flat", "recorded"] = "flat"
    tier: Literal["none", "starter", "intermediate", "pro"] = "intermediate"
    max_open_orders: Annotated[int, Field(ge=1, le=10_000)] = _SIM.max_open_orders
    keep_closed: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    processing_delay_s: Pause = _SIM.processing_delay_s
    funds: dict[AssetName, Funds] = Field(default_factory=lambda: dict(_SIM.accounts["client"]))
    account: tuple[AccountSection, ...] = ()
    market: tuple[MarketSection, ...] = _MARKETS
    scale: ScaleSection = ScaleSection()
    bounds: BoundsSection = BoundsSection()
    manners: MannersSection = MannersSection()

    def sim_settings(self, changes: dict[str, Any]) -> SimSettings:
        """Return what engine.sim takes, with the synthetic markets; ``changes`` are members of SimSettings.

        Raises ConfigError with every fault, one a line.
        """
        accounts = {"client": self.funds, **{account.name: account.funds for account in self.account}}
        plain = {name: getattr(self, name) for name in _PLAIN}
        given = {
            "tier": None if self.tier == "none" else self.tier,
            "fee_schedule": RECORDED_FEES if self.fees == "recorded" else (),
            "accounts": {name: dict(funds) for name, funds in accounts.items()},
            "terms": {account.name: account.terms() for account in self.account},
            "synthetic": tuple(self.scale.applied(market) for market in self.market),
        }
        switches = {**self.bounds.model_dump(), **self.manners.model_dump()}
        sim = SimSettings(**{**plain, **switches, **given, **changes})
        if faults := [*self._faulty_markets(sim), *self._faulty_accounts(sim)]:
            raise ConfigError("\n".join(faults))
        return sim

    def _faulty_markets(self, sim: SimSettings) -> Iterator[str]:
        listed = {pair.symbol: pair for pair in DEFAULT_PAIRS}
        for market in sim.synthetic:
            pair, where = listed[market.symbol], f"exchange.market {market.symbol}"
            if market.start_price % pair.tick:
                yield f"{where}: start_price {market.start_price} is off its tick"
            least = market.level_lots[0] * market.lot
            if least < pair.qty_min or least * market.start_price < 2 * pair.cost_min:
                yield f"{where}: a level of {least} is below what an order must be (level_lots, lot, scale.depth)"
            if market.level_lots[0] > market.level_lots[1] or market.taker_lots[0] > market.taker_lots[1]:
                yield f"{where}: level_lots and taker_lots are [least, most]"

    def _faulty_accounts(self, sim: SimSettings) -> Iterator[str]:
        names = ["client", "house", *(account.name for account in self.account)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"exchange.account: the name {name!r} is taken"
        assets = {asset.name for asset in sim.assets}
        for name, funds in sim.accounts.items():
            for asset in sorted(set(funds) - assets):
                yield f"exchange: account {name} has {asset}, listed are {', '.join(sorted(assets))}"


_PLAIN = (
    "maker_fee_pct",
    "taker_fee_pct",
    "max_open_orders",
    "keep_closed",
    "processing_delay_s",
)
"""What engine.sim calls the same."""
