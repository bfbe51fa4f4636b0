"""Public REST endpoints (protocol section 1.3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from engine.sim import errors
from engine.sim.errors import Refused, invalid
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import NS, ZERO, fixed, rfc1123, rfc3339_seconds
from engine.sim.rest_params import Params
from engine.sim.venue import Venue

_PADDED = 5  # decimals of prices in Ticker and Depth, whatever the pair's precision


def time(venue: Venue, params: Params) -> dict[str, object]:  # noqa: ARG001
    """Time."""
    now = venue.clock.now_ns()
    return {"unixtime": now // NS, "rfc1123": rfc1123(now)}


def system_status(venue: Venue, params: Params) -> dict[str, object]:  # noqa: ARG001
    """SystemStatus."""
    return {"status": venue.core.status, "timestamp": rfc3339_seconds(venue.clock.now_ns())}


def assets(venue: Venue, params: Params) -> dict[str, object]:
    """Assets, all or those named by key, altname or v2 name. Raises Refused."""
    wanted = _names(params, "asset")
    rows: dict[str, object] = {}
    for asset in venue.settings.assets:
        names = {asset.name, asset.rest_key, asset.altname}
        if not wanted or names & set(wanted):
            rows[asset.rest_key] = {
                "aclass": "currency",
                "altname": asset.altname,
                "decimals": asset.decimals,
                "display_decimals": asset.display_decimals,
                "status": "enabled",
            }
    if len(rows) < len(wanted):
        raise Refused(errors.UNKNOWN_ASSET)
    return rows


def asset_pairs(venue: Venue, params: Params) -> dict[str, object]:
    """AssetPairs, all or those named. Raises Refused."""
    return {pair.rest_key: _pair_row(venue, pair) for pair in _pairs(venue, params)}


def _pair_row(venue: Venue, pair: PairSpec) -> dict[str, object]:
    settings = venue.settings
    taker, maker = (msgspec.Raw(str(pct).encode()) for pct in (settings.taker_fee_pct, settings.maker_fee_pct))
    return {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": settings.asset(pair.base).rest_key,
        "aclass_quote": "currency",
        "quote": settings.asset(pair.quote).rest_key,
        "lot": "unit",
        "cost_decimals": pair.cost_precision,
        "pair_decimals": pair.price_precision,
        "lot_decimals": pair.qty_precision,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, taker]],
        "fees_maker": [[0, maker]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": str(pair.qty_min),
        "costmin": str(pair.cost_min),
        "tick_size": str(pair.tick),
        "status": "online" if venue.core.status == "maintenance" else venue.core.status,
        "execution_venue": "international",
    }


def ticker(venue: Venue, params: Params) -> dict[str, object]:
    """Ticker, of all pairs or those named. Raises Refused."""
    now = venue.clock.now_ns()
    return {pair.rest_key: _ticker_row(venue.core.market(pair.symbol), now) for pair in _pairs(venue, params)}


def _ticker_row(market: Market, now_ns: int) -> dict[str, object]:
    pair, today, day = market.pair, market.tape.today(now_ns), market.tape.day(now_ns)
    last = market.tape.last

    def level(rows: list[tuple[Decimal, Decimal]]) -> list[str]:
        price, qty = rows[0] if rows else (ZERO, ZERO)
        return [fixed(price, _PADDED), str(int(qty)), fixed(qty, 3)]

    return {
        "a": level(market.book.asks.top(1)),
        "b": level(market.book.bids.top(1)),
        "c": [fixed(last.price if last else ZERO, _PADDED), fixed(last.qty if last else ZERO, pair.qty_precision)],
        "v": [fixed(figures.volume, 8) for figures in (today, day)],
        "p": [fixed(figures.vwap, _PADDED) for figures in (today, day)],
        "t": [figures.count for figures in (today, day)],
        "l": [fixed(figures.low, _PADDED) for figures in (today, day)],
        "h": [fixed(figures.high, _PADDED) for figures in (today, day)],
        "o": fixed(today.open, _PADDED),
    }


def depth(venue: Venue, params: Params) -> dict[str, object]:
    """Depth of one pair, ``count`` 1..500 levels. Raises Refused."""
    pair = _one_pair(venue, params)
    count = _count(params, "count", 100, 500)
    book, at = venue.core.market(pair.symbol).book, venue.clock.now_ns() // NS

    def side(rows: list[tuple[Decimal, Decimal]]) -> list[list[object]]:
        return [[fixed(price, _PADDED), fixed(qty, pair.qty_precision), at] for price, qty in rows]

    return {pair.rest_key: {"asks": side(book.asks.top(count)), "bids": side(book.bids.top(count))}}


def trades(venue: Venue, params: Params) -> dict[str, object]:
    """Trades of one pair after ``since`` (nanoseconds), at most ``count`` 1..1000. Raises Refused."""
    pair = _one_pair(venue, params)
    count, since = _count(params, "count", 1000, 1000), _count(params, "since", 0, 1 << 63, least=0)
    recent = [trade for trade in venue.core.market(pair.symbol).tape.recent if trade.ts_ns > since]
    shown = recent[:count] if since else recent[-count:]
    rows: list[list[object]] = [
        [
            fixed(trade.price, _PADDED),
            fixed(trade.qty, pair.qty_precision),
            msgspec.Raw(f"{trade.ts_ns // NS}.{trade.ts_ns % NS // 100:07d}".encode()),
            "b" if trade.side == "buy" else "s",
            "l" if trade.ord_type == "limit" else "m",
            "",
            trade.trade_id,
        ]
        for trade in shown
    ]
    return {pair.rest_key: rows, "last": str(shown[-1].ts_ns if shown else since)}


def _names(params: Params, name: str) -> list[str]:
    return [item for item in str(params.get(name, "")).split(",") if item]


def _pairs(venue: Venue, params: Params) -> list[PairSpec]:
    names = _names(params, "pair")
    if not names:
        return list(venue.settings.pairs)
    found = [venue.settings.pair_named(name) for name in names]
    if None in found:
        raise Refused(errors.UNKNOWN_PAIR)
    return [pair for pair in found if pair is not None]


def _one_pair(venue: Venue, params: Params) -> PairSpec:
    names = _names(params, "pair")
    if len(names) != 1:
        raise invalid("pair")
    return _pairs(venue, params)[0]


def _count(params: Params, name: str, default: int, most: int, *, least: int = 1) -> int:
    text = str(params.get(name, default))
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise invalid(name)
    return int(text)


PUBLIC: dict[str, Callable[[Venue, Params], dict[str, object]]] = {
    "Time": time,
    "SystemStatus": system_status,
    "Assets": assets,
    "AssetPairs": asset_pairs,
    "Ticker": ticker,
    "Depth": depth,
    "Trades": trades,
}
