"""Assets and pairs: names, precisions, minima; and the ones that the exchange lists by default."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSpec:
    """An asset under its three names; ``decimals`` is the ledger's precision."""

    name: str  # WebSocket v2 name
    rest_key: str
    altname: str
    decimals: int
    display_decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSpec:
    """A market under its four names, with its minima and precisions."""

    symbol: str  # WebSocket v2 name
    altname: str
    rest_key: str
    wsname: str
    base: str  # v2 asset names
    quote: str
    price_precision: int
    tick: Decimal
    qty_precision: int = 8
    qty_min: Decimal
    cost_precision: int = 5
    cost_min: Decimal = Decimal("0.5")
    leverage_buy: tuple[int, ...] = ()  # empty: no margin on this side
    leverage_sell: tuple[int, ...] = ()
    margin_call: int = 80  # margin levels in percent
    margin_stop: int = 40

    @property
    def lot(self) -> Decimal:
        """The smallest step of a quantity."""
        return Decimal(1).scaleb(-self.qty_precision)


DEFAULT_ASSETS = (
    AssetSpec(name="USD", rest_key="ZUSD", altname="USD", decimals=4, display_decimals=2),
    AssetSpec(name="BTC", rest_key="XXBT", altname="XBT", decimals=10, display_decimals=5),
    AssetSpec(name="ETH", rest_key="XETH", altname="ETH", decimals=10, display_decimals=5),
    AssetSpec(name="SOL", rest_key="SOL", altname="SOL", decimals=10, display_decimals=5),
)

DEFAULT_PAIRS = (
    PairSpec(
        symbol="BTC/USD",
        altname="XBTUSD",
        rest_key="XXBTZUSD",
        wsname="XBT/USD",
        base="BTC",
        quote="USD",
        price_precision=1,
        tick=Decimal("0.1"),
        qty_min=Decimal("0.00005"),
        leverage_buy=(2, 3, 4, 5),
        leverage_sell=(2, 3, 4, 5),
    ),
    PairSpec(
        symbol="ETH/USD",
        altname="ETHUSD",
        rest_key="XETHZUSD",
        wsname="ETH/USD",
        base="ETH",
        quote="USD",
        price_precision=2,
        tick=Decimal("0.01"),
        qty_min=Decimal("0.001"),
        leverage_buy=(2, 3, 4, 5),
        leverage_sell=(2, 3, 4, 5),
    ),
    PairSpec(
        symbol="SOL/USD",
        altname="SOLUSD",
        rest_key="SOLUSD",
        wsname="SOL/USD",
        base="SOL",
        quote="USD",
        price_precision=2,
        tick=Decimal("0.01"),
        qty_min=Decimal("0.02"),
    ),
)
