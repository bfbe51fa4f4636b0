"""A sink that remembers, and the waits that rest on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from engine.market.book import Book
from engine.market.updates import Candle, PublicTrade, Ticker, TradesMissed
from engine.orders.reports import OrderReport
from engine.values.instrument import Instrument
from engine.venue.protocol import Balance

PATIENCE_S = 20.0
"""The longest wait for one answer or one report: deadline and grace of any request lie well below it."""


class Breach(Exception):
    """The adapter broke its contract; the text says how."""


class Witness:
    """A sink that keeps everything in the order it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.reports: list[OrderReport] = []
        self.snapshots: list[tuple[Sequence[OrderReport], Sequence[OrderReport]]] = []
        self.trades: list[PublicTrade] = []
        self.tickers: list[Ticker] = []
        self.candles: list[Candle] = []
        self.links: list[bool] = []
        self._news = trio.Event()

    def _tell(self, kind: str, what: object) -> None:
        self.told.append((kind, what))
        self._news.set()
        self._news = trio.Event()

    def on_report(self, report: OrderReport) -> None:
        """See VenueSink."""
        self.reports.append(report)
        self._tell("report", report)

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        """See VenueSink."""
        self.snapshots.append((tuple(open_orders), tuple(trades)))
        self._tell("snapshot", len(self.snapshots))

    def on_private_link(self, *, up: bool, why: str) -> None:
        """See VenueSink."""
        self.links.append(up)
        self._tell("up" if up else "down", why)

    def on_book(self, book: Book) -> None:
        """See VenueSink."""
        self._tell("book", book.symbol)

    def on_trade(self, trade: PublicTrade | TradesMissed) -> None:
        """See VenueSink."""
        if isinstance(trade, PublicTrade):
            self.trades.append(trade)
        self._tell("trade", trade.symbol)

    def on_ticker(self, ticker: Ticker) -> None:
        """See VenueSink."""
        self.tickers.append(ticker)
        self._tell("ticker", ticker.symbol)

    def on_candle(self, candle: Candle) -> None:
        """See VenueSink."""
        self.candles.append(candle)
        self._tell("candle", candle.symbol)

    def on_instrument(self, instrument: Instrument) -> None:
        """See VenueSink."""
        self._tell("instrument", instrument.symbol)

    def on_balances(self, balances: Sequence[Balance]) -> None:
        """See VenueSink."""
        for balance in balances:
            self._tell("balance", balance)

    def on_balance(self, balance: Balance) -> None:
        """See VenueSink."""
        self._tell("balance", balance)

    def on_alarm(self, code: str, text: str) -> None:
        """See VenueSink."""
        self._tell("alarm", f"{code}: {text}")

    async def until(self, condition: Callable[[], bool], missing: str) -> None:
        """Wait until something told makes the condition true. Raises Breach with ``missing``."""
        with trio.move_on_after(PATIENCE_S):
            while not condition():
                await self._news.wait()
            return
        raise Breach(f"{missing} within {PATIENCE_S:g} s")
