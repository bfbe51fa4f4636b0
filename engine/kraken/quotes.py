"""Trades, tickers and candles of the public stream, to the sink: typed, each trade once and in order (§6.5)."""

from __future__ import annotations

from engine.kraken import decode
from engine.kraken.frames import CandleRow, Channel, TickerRow, TradeRow
from engine.market.updates import Candle, PublicTrade, Ticker, TradesMissed
from engine.values.money import Price, Qty
from engine.venue.protocol import MarketSink


class Quotes:
    """Remembers the last trade of every symbol: what a connection lost is made up for from the next snapshot.

    What the snapshot no longer holds is told as missed.
    """

    def __init__(self, sink: MarketSink) -> None:
        self._sink = sink
        self._last_trade: dict[str, int] = {}
        self.tickers: dict[str, Ticker] = {}

    def forget(self, channel: str, symbol: str) -> None:
        """Nobody holds this any more: what comes later begins anew."""
        if channel == "trade":
            self._last_trade.pop(symbol, None)
        elif channel == "ticker":
            self.tickers.pop(symbol, None)

    def trades(self, frame: Channel) -> None:
        """Take a trade frame."""
        by_symbol: dict[str, list[TradeRow]] = {}
        for row in decode.trades(frame):
            by_symbol.setdefault(row.symbol, []).append(row)
        told = {symbol: [_trade(row) for row in rows] for symbol, rows in by_symbol.items()}
        for symbol, trades in told.items():
            trades.sort(key=lambda trade: trade.trade_id)
            if frame.snapshot and trades[-1].trade_id < self._last_trade.get(symbol, 0):
                del self._last_trade[symbol]  # the venue numbers anew
            for trade in trades:
                self._trade(trade)

    def _trade(self, trade: PublicTrade) -> None:
        last = self._last_trade.get(trade.symbol)
        if last is not None and trade.trade_id <= last:
            return
        if last is not None and trade.trade_id > last + 1:
            self._sink.on_trade(TradesMissed(trade.symbol, last + 1, trade.trade_id - 1))
        self._last_trade[trade.symbol] = trade.trade_id
        self._sink.on_trade(trade)

    def ticker(self, frame: Channel) -> None:
        """Take a ticker frame."""
        for ticker in [_ticker(row) for row in decode.tickers(frame)]:
            self.tickers[ticker.symbol] = ticker
            self._sink.on_ticker(ticker)

    def candles(self, frame: Channel) -> None:
        """Take an ohlc frame."""
        for candle in [_candle(row) for row in decode.candles(frame)]:
            self._sink.on_candle(candle)


def _trade(row: TradeRow) -> PublicTrade:
    return PublicTrade(row.symbol, row.side, row.price, row.qty, row.trade_id, decode.moment(row.timestamp))


def _ticker(row: TickerRow) -> Ticker:
    return Ticker(
        symbol=row.symbol,
        bid=Price(row.bid),
        bid_qty=Qty(row.bid_qty),
        ask=Price(row.ask),
        ask_qty=Qty(row.ask_qty),
        last=Price(row.last),
        volume=Qty(row.volume),
        vwap=row.vwap,
        low=row.low,
        high=row.high,
        change=row.change,
        change_pct=row.change_pct,
        ts_ns=0 if row.timestamp is None else decode.moment(row.timestamp),
    )


def _candle(row: CandleRow) -> Candle:
    return Candle(
        symbol=row.symbol,
        interval=row.interval,
        begin_ns=decode.moment(row.interval_begin),
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        vwap=row.vwap,
        trades=row.trades,
        volume=Qty(row.volume),
    )
