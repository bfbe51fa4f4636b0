"""Public REST endpoints about one market: ticker, books, trades, candles, spreads (protocol section 1.3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from engine.sim.candles import INTERVALS, MOST, Candle, without_gaps
from engine.sim.errors import invalid
from engine.sim.market_state import Market
from engine.sim.numbers import NS, ZERO, amount, fixed, nearest
from engine.sim.orders import Side
from engine.sim.rest_params import Params, key_of, one_pair, optional_text, pairs_of, whole, word
from engine.sim.venue import Venue

PublicEndpoint = Callable[[Venue, Params], dict[str, object]]
_PADDED = 5  # decimals of prices in Ticker, Depth, Trades and Spread, whatever the pair's precision
_SECONDS_BELOW = 10**12  # a `since` below this is in seconds, above in nanoseconds
_GROUPED_DEPTHS = (10, 25, 100, 250, 1000)
_GROUPINGS = (1, 5, 10, 25, 50, 100, 250, 500, 1000)


def ticker(venue: Venue, params: Params) -> dict[str, object]:
    """Ticker, of all pairs or those named. Raises Refused."""
    if word(params, "asset_class", ("currency", "forex", "tokenized_asset"), "currency") == "tokenized_asset":
        return {}
    now = venue.clock.now_ns()
    return {
        key_of(venue, params, pair): _ticker_row(venue.core.market(pair.symbol), now)
        for pair in pairs_of(venue, params)
    }


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
        "v": [fixed(figures.volume, pair.qty_precision) for figures in (today, day)],
        "p": [fixed(nearest(figures.vwap, _PADDED), _PADDED) for figures in (today, day)],
        "t": [figures.count for figures in (today, day)],
        "l": [fixed(figures.low, _PADDED) for figures in (today, day)],
        "h": [fixed(figures.high, _PADDED) for figures in (today, day)],
        "o": fixed(today.open, _PADDED),
    }


def depth(venue: Venue, params: Params) -> dict[str, object]:
    """Depth of one pair, ``count`` 1..500 levels. Raises Refused."""
    pair = one_pair(venue, params)
    count = whole(params, "count", 100, 500)
    book, at = venue.core.market(pair.symbol).book, venue.clock.now_ns() // NS

    def side(rows: list[tuple[Decimal, Decimal]]) -> list[list[object]]:
        return [[fixed(price, _PADDED), fixed(qty, pair.qty_precision), at] for price, qty in rows]

    return {key_of(venue, params, pair): {"asks": side(book.asks.top(count)), "bids": side(book.bids.top(count))}}


def grouped_book(venue: Venue, params: Params) -> dict[str, object]:
    """GroupedBook: quantities summed over ``grouping`` ticks, asks rounded up and bids down. Raises Refused."""
    pair = one_pair(venue, params)
    most, ticks = whole(params, "depth", 10, 1000), whole(params, "grouping", 1, 1000)
    if most not in _GROUPED_DEPTHS:
        raise invalid("depth")
    if ticks not in _GROUPINGS:
        raise invalid("grouping")
    market = venue.core.market(pair.symbol)
    return {
        "pair": pair.symbol,
        "grouping": ticks,
        "bids": _grouped(market, "buy", most, ticks),
        "asks": _grouped(market, "sell", most, ticks),
    }


def _grouped(market: Market, side: Side, most: int, ticks: int) -> list[dict[str, str]]:
    step, levels = market.pair.tick * ticks, market.book.side(side)
    sums: dict[Decimal, Decimal] = {}
    for price, qty in levels.top(len(levels)):
        floor = price // step * step
        group = floor if side == "buy" or floor == price else floor + step
        if group not in sums and len(sums) == most:
            break
        sums[group] = sums.get(group, ZERO) + qty
    price_places, qty_places = market.pair.price_precision, market.pair.qty_precision
    return [{"price": fixed(price, price_places), "qty": fixed(qty, qty_places)} for price, qty in sums.items()]


def trades(venue: Venue, params: Params) -> dict[str, object]:
    """Trades of one pair after ``since``, at most ``count`` 1..1000; ``last`` is the next ``since``. Raises Refused."""
    pair = one_pair(venue, params)
    count, since = whole(params, "count", 1000, 1000), _since_ns(params)
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
    return {key_of(venue, params, pair): rows, "last": str(shown[-1].ts_ns if shown else since)}


def ohlc(venue: Venue, params: Params) -> dict[str, object]:
    """OHLC of one pair: at most 720 candles begun after ``since``, the running one last. Raises Refused.

    ``last`` is the newest candle that is over: as the next ``since`` it gives those that may still change.
    """
    pair = one_pair(venue, params)
    minutes, since_ns = whole(params, "interval", 1, max(INTERVALS)), _since_ns(params)
    if minutes not in INTERVALS:
        raise invalid("interval")
    rows = venue.core.market(pair.symbol).tape.candles.rows(minutes)
    if venue.settings.ohlc_fills_gaps:
        rows = without_gaps(rows, minutes, venue.clock.now_ns())
    last = (rows[-2] if len(rows) > 1 else rows[-1]).start_ns if rows else since_ns
    shown = [row for row in rows if row.start_ns > since_ns][-MOST:]
    return {key_of(venue, params, pair): [_candle(row, pair.price_precision) for row in shown], "last": last // NS}


def _candle(row: Candle, places: int) -> list[object]:
    prices = [fixed(nearest(price, places), places) for price in (row.open, row.high, row.low, row.close, row.vwap)]
    return [row.start_ns // NS, *prices, fixed(row.volume, 8), row.count]


def spread(venue: Venue, params: Params) -> dict[str, object]:
    """Spread of one pair: the newest 200 best bids and asks from ``since`` on. Raises Refused."""
    pair, since = one_pair(venue, params), _since_ns(params) // NS
    rows = [row for row in venue.core.market(pair.symbol).tape.spreads if row.ts_ns // NS >= since]
    shown: list[list[object]] = [[row.ts_ns // NS, fixed(row.bid, _PADDED), fixed(row.ask, _PADDED)] for row in rows]
    return {key_of(venue, params, pair): shown, "last": shown[-1][0] if shown else since}


def _since_ns(params: Params) -> int:
    """Read ``since``: seconds, or nanoseconds as ``last`` of Trades gives them. Raises Refused."""
    text = optional_text(params, "since")
    if text is None:
        return 0
    try:
        value = amount(text) if len(text) < 18 else Decimal(int(text))
    except ValueError:
        raise invalid("since") from None
    if not 0 <= value < 1 << 63:
        raise invalid("since")
    return int(value * NS if value < _SECONDS_BELOW else value)


MARKET: dict[str, PublicEndpoint] = {
    "Ticker": ticker,
    "Depth": depth,
    "GroupedBook": grouped_book,
    "OHLC": ohlc,
    "Trades": trades,
    "Spread": spread,
}
