"""Rows of the public channels: ticker, trade, instrument (protocol section 6.5), and the views behind ``book``."""

from __future__ import annotations

from engine.sim.book import DepthView
from engine.sim.core import Core
from engine.sim.events import PublicTrade
from engine.sim.instruments import AssetSpec, PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import ZERO, number, rfc3339

_PAIR_STATUS = {
    "online": "online",
    "cancel_only": "cancel_only",
    "post_only": "post_only",
    "maintenance": "maintenance",
}


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
        "vwap": number(day.vwap, price),
        "low": number(day.low, price),
        "high": number(day.high, price),
        "change": number(change, price),
        "change_pct": number(change * 100 / day.open if day.open else ZERO, 2),
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


def status_row(status: str, connection_id: int) -> dict[str, object]:
    """Return the venue's mode as a connection is told it."""
    return {"system": status, "api_version": "v2", "connection_id": connection_id, "version": "2.0.0"}


def instrument_data(core: Core) -> dict[str, object]:
    """Return all assets and pairs; ``data`` of this channel is an object."""
    return {
        "assets": [_asset_row(asset) for asset in core.settings.assets],
        "pairs": [_pair_row(pair, core.status) for pair in core.settings.pairs],
    }


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


def _pair_row(pair: PairSpec, status: str) -> dict[str, object]:
    tick = number(pair.tick, pair.price_precision)
    return {
        "symbol": pair.symbol,
        "base": pair.base,
        "quote": pair.quote,
        "status": _PAIR_STATUS.get(status, "online"),
        "qty_precision": pair.qty_precision,
        "qty_increment": number(pair.lot, pair.qty_precision),
        "qty_min": number(pair.qty_min, pair.qty_precision),
        "price_precision": pair.price_precision,
        "price_increment": tick,
        "tick_size": tick,
        "cost_precision": pair.cost_precision,
        "cost_min": number(pair.cost_min, pair.cost_precision),
        "marginable": False,
        "has_index": False,
    }


class BookViews:
    """The depth views that somebody reads, shared by all connections."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._views: dict[tuple[str, int], DepthView] = {}

    def open(self, symbol: str, depth: int) -> DepthView:
        """Join a view, making it with the first reader."""
        view = self._views.get((symbol, depth))
        if view is None:
            view = self._views[symbol, depth] = DepthView(self._core.market(symbol), depth)
        view.readers += 1
        return view

    def close(self, symbol: str, depth: int) -> None:
        """Leave a view; without readers it costs nothing any more."""
        view = self._views[symbol, depth]
        view.readers -= 1
        if not view.readers:
            del self._views[symbol, depth]

    def snapshot(self, symbol: str, depth: int, stamp: str) -> dict[str, object]:
        """Return the snapshot row of a view that is open."""
        return self._views[symbol, depth].snapshot(stamp)

    def updates(self, symbol: str, stamp: str) -> dict[int, dict[str, object]]:
        """Return the update rows of a symbol by depth. Called once per change: views move on."""
        rows: dict[int, dict[str, object]] = {}
        for (of, depth), view in self._views.items():
            row = view.update(stamp) if of == symbol else None
            if row is not None:
                rows[depth] = row
        return rows
