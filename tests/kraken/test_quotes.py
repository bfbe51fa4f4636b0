"""Trades each once and in order, what is missing told; tickers and candles to the digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import VenueProtocolError
from engine.kraken import decode
from engine.kraken.quotes import Quotes
from engine.market.updates import TradesMissed

TRADE = '{"symbol":"%s","side":"buy","price":50000.10,"qty":0.00100000,"ord_type":"market","trade_id":%d,"timestamp":"2026-01-01T00:00:00.5Z"}'  # noqa: E501
CANDLE = (
    '{"channel":"ohlc","type":"update","timestamp":"2026-01-01T00:01:00.000000001Z","data":[{"symbol":"BTC/USD",'
    '"open":50000.0,"high":50001.0,"low":49999.0,"close":50000.50,"vwap":50000.1,"trades":3,"volume":0.50000000,'
    '"interval_begin":"2026-01-01T00:00:00.000000000Z","interval":%s,"timestamp":"2026-01-01T00:01:00.000000Z"}]}'
)


def trades(*ids: int, symbol: str = "BTC/USD", kind: str = "update"):
    """A trade frame."""
    rows = ",".join(TRADE % (symbol, one) for one in ids)
    return decode.message(f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}')


def told(recorder):
    """What reached the sink: ids of trades, ranges of missed ones."""
    return [(t.first, t.last) if isinstance(t, TradesMissed) else t.trade_id for t in recorder.trades]


def test_a_snapshot_after_a_reconnect_makes_up_for_what_was_lost(recorder):
    """Those known already are not told again, whatever their order in the frame."""
    quotes = Quotes(recorder)
    quotes.trades(trades(7, 8))
    quotes.trades(trades(10, 9, 8, 7, kind="snapshot"))
    quotes.trades(trades(10, 11))
    assert told(recorder) == [7, 8, 9, 10, 11]


def test_trades_that_no_snapshot_holds_any_more_are_told_as_missed(recorder):
    """The reader learns which; another symbol counts for itself."""
    quotes = Quotes(recorder)
    quotes.trades(trades(7))
    quotes.trades(trades(3, symbol="ETH/USD"))
    quotes.trades(trades(60, 61, kind="snapshot"))
    assert told(recorder) == [7, 3, (8, 59), 60, 61]


def test_a_venue_that_numbers_anew_is_followed(recorder):
    """A simulated exchange begun again: its snapshot ends below what was known."""
    quotes = Quotes(recorder)
    quotes.trades(trades(500))
    quotes.trades(trades(1, 2, kind="snapshot"))
    quotes.trades(trades(3))
    assert told(recorder) == [500, 1, 2, 3]


def test_what_is_forgotten_begins_anew(recorder):
    """Subscribed again after nobody held it: nothing counts as missed."""
    quotes = Quotes(recorder)
    quotes.trades(trades(5))
    quotes.forget("trade", "BTC/USD")
    quotes.trades(trades(900))
    assert told(recorder) == [5, 900]


def test_a_frame_with_one_bad_trade_tells_nothing(recorder):
    """Either all of a frame is told or none: what it lost shows as missed with the next."""
    quotes = Quotes(recorder)
    quotes.trades(trades(5))
    with pytest.raises(VenueProtocolError):
        quotes.trades(decode.message(
            f'{{"channel":"trade","type":"update","data":[{TRADE % ("BTC/USD", 6)},'
            f'{(TRADE % ("BTC/USD", 7)).replace("2026-01", "2026-13")}]}}'
        ))  # fmt: skip
    quotes.trades(trades(8))
    assert told(recorder) == [5, (6, 7), 8]


def test_candles_keep_every_digit(recorder):
    """Times in nanoseconds, the volume with its zeros."""
    Quotes(recorder).candles(decode.message(CANDLE % 1))
    (candle,) = recorder.candles
    assert (candle.interval, candle.trades, str(candle.volume), str(candle.close)) == (1, 3, "0.50000000", "50000.50")
    assert candle.begin_ns == decode.moment("2026-01-01T00:00:00Z")
    with pytest.raises(VenueProtocolError, match="interval"):
        decode.candles(decode.message(CANDLE % 0))


def test_tickers_say_all_the_venue_says(recorder, wire_text):
    """And do without what it leaves out."""
    quotes = Quotes(recorder)
    quotes.ticker(decode.message(wire_text("ticker")))
    (ticker,) = recorder.tickers
    assert (ticker.low, ticker.high, ticker.change_pct) == (Decimal(49000), Decimal(51000), Decimal("0.02"))
    assert str(ticker.volume) == "1234.50000000"
    quotes.ticker(decode.message(wire_text("ticker").replace(',"low":49000.0', "")))
    assert quotes.tickers["BTC/USD"].low is None
