"""Rows of the public channels: ticker, trade, ohlc, instrument (protocol section 6.5), and the views behind book."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.book import DepthView
from engine.sim.candles import Candle
from engine.sim.core import Core
from engine.sim.events import PublicTrade
from engine.sim.instruments import AssetSpec, PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import NS, ZERO, nearest, number, rfc3339, rfc3339_nano, upward

_MARGIN_LIMIT = 5  # `margin` means the pair's greatest leverage, at most this (section 8.1)


def ticker_row(market: Market, now_ns: int) -> dict[str, object]:
    """Return the ticker of a market; what has never been is zero."""
    pair, day = market.pair, market.tape.day(now_ns)
    price, qty = pair.price_precision, pair.qty_precision
    bid = next(iter(market.book.bids.top(1)), (ZERO, ZERO))
    ask = next(iter(market.book.asks.top(1)), (ZERO, ZERO))
    last = market.tape.last_price or ZERO
    change = last - day.open if day.count else ZERO
    return {
        "symbol": pair.symbol,
        "bid": number(bid[0], price),
        "bid_qty": number(bid[1], qty),
        "ask": number(ask[0], price),
        "ask_qty": number(ask[1], qty),
        "last": number(last, price),
        "volume": number(day.volume, qty),
        "vwap": number(nearest(day.vwap, price), price),
        "low": number(day.low, price),
        "high": number(day.high, price),
        "change": number(change, price),
        "change_pct": number(nearest(change * 100 / day.open, 2) if day.open else ZERO, 2),
        "timestamp": rfc3339(now_ns),
    }


def trade_row(trade: PublicTrade, pair: PairSpec) -> dict[str, object]:
    """Return one trade of the tape."""
    return {
        "symbol": trade.symbol,
        "side": trade.side,
        "price": number(trade.price, pair.price_precision),
        "qty": number(trade.qty, pair.qty_precision),
        "ord_type": trade.ord_type,
        "trade_id": trade.trade_id,
        "timestamp": rfc3339(trade.ts_ns),
    }


def ohlc_row(candle: Candle, minutes: int, pair: PairSpec) -> dict[str, object]:
    """Return one candle; ``timestamp`` is its end, ``interval_begin`` has nanoseconds."""
    price, end_ns = pair.price_precision, candle.start_ns + minutes * 60 * NS
    return {
        "symbol": pair.symbol,
        "open": number(candle.open, price),
        "high": number(candle.high, price),
        "low": number(candle.low, price),
        "close": number(candle.close, price),
        "trades": candle.count,
        "volume": number(candle.volume, pair.qty_precision),
        "vwap": number(nearest(candle.vwap, price), price),
        "interval_begin": rfc3339_nano(candle.start_ns),
        "interval": minutes,
        "timestamp": rfc3339(end_ns),
    }


def status_row(status: str, connection_id: int) -> dict[str, object]:
    """Return the venue's mode as a connection is told it."""
    return {"system": status, "api_version": "v2", "connection_id": connection_id, "version": "2.0.0"}


def instrument_data(core: Core) -> dict[str, object]:
    """Return all assets and pairs; ``data`` of this channel is an object."""
    return {
        "assets": [_asset_row(asset) for asset in core.settings.assets],
        "pairs": pair_rows(core),
    }


def pair_rows(core: Core, symbol: str = "") -> list[dict[str, object]]:
    """Return the rows of all pairs, or of one."""
    markets = [core.markets[symbol]] if symbol else list(core.markets.values())
    return [_pair_row(market, core) for market in markets]


def pair_status(market: Market, venue_status: str) -> str:
    """Return how a pair stands: the venue's mode, when it has one, else its own."""
    return market.status if venue_status == "online" else venue_status


def _asset_row(asset: AssetSpec) -> dict[str, object]:
    return {
        "id": asset.name,
        "status": "enabled",
        "precision": asset.decimals,
        "precision_display": asset.display_decimals,
        "borrowable": False,
        "collateral_value": 1.0,
        "multiplier": 1,
    }


def _pair_row(market: Market, core: Core) -> dict[str, object]:
    pair = market.pair
    tick, leverage = number(pair.tick, pair.price_precision), max((*pair.leverage_buy, *pair.leverage_sell), default=0)
    row: dict[str, object] = {
        "symbol": pair.symbol,
        "base": pair.base,
        "quote": pair.quote,
        "status": pair_status(market, core.status),
        "qty_precision": pair.qty_precision,
        "qty_increment": number(pair.lot, pair.qty_precision),
        "qty_min": number(pair.qty_min, pair.qty_precision),
        "price_precision": pair.price_precision,
        "price_increment": tick,
        "tick_size": tick,
        "cost_precision": pair.cost_precision,
        "cost_min": number(pair.cost_min, pair.cost_precision),
        "marginable": bool(leverage),
        "has_index": market.has_index,
    }
    if leverage:
        row["margin_initial"] = number(upward(1 / Decimal(min(leverage, _MARGIN_LIMIT)), 2), 2)
    return row


class BookViews:
    """The depth views that somebody reads, shared by all connections."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._views: dict[str, dict[int, DepthView]] = {}  # by symbol and depth

    def open(self, symbol: str, depth: int) -> DepthView:
        """Join a view, making it with the first reader."""
        views = self._views.setdefault(symbol, {})
        view = views.get(depth)
        if view is None:
            view = views[depth] = DepthView(self._core.market(symbol), depth)
        view.readers += 1
        return view

    def close(self, symbol: str, depth: int) -> None:
        """Leave a view; without readers it costs nothing any more."""
        view = self._views[symbol][depth]
        view.readers -= 1
        if not view.readers:
            del self._views[symbol][depth]

    def snapshot(self, symbol: str, depth: int, stamp: str) -> dict[str, object]:
        """Return the snapshot row of a view that is open."""
        return self._views[symbol][depth].snapshot(stamp)

    def updates(self, symbol: str, stamp: str) -> dict[int, dict[str, object]]:
        """Return the update rows of a symbol by depth. Called once per change: views move on."""
        rows: dict[int, dict[str, object]] = {}
        for depth, view in self._views.get(symbol, {}).items():
            row = view.update(stamp)
            if row is not None:
                rows[depth] = row
        return rows
