"""A listener that hears nothing, for verbs that only ask."""

from __future__ import annotations

from collections.abc import Sequence

from engine.market.book import Book
from engine.market.updates import Candle, PublicTrade, Ticker, TradesMissed
from engine.orders.reports import OrderReport
from engine.values.instrument import Instrument
from engine.venue.protocol import Balance


class SilentSink:
    """Hears nothing: only questions are asked."""

    def on_report(self, report: OrderReport) -> None:
        """Ignore it."""

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        """Ignore it."""

    def on_private_link(self, *, up: bool, why: str) -> None:
        """Ignore it."""

    def on_book(self, book: Book) -> None:
        """Ignore it."""

    def on_trade(self, trade: PublicTrade | TradesMissed) -> None:
        """Ignore it."""

    def on_ticker(self, ticker: Ticker) -> None:
        """Ignore it."""

    def on_candle(self, candle: Candle) -> None:
        """Ignore it."""

    def on_instrument(self, instrument: Instrument) -> None:
        """Ignore it."""

    def on_balances(self, balances: Sequence[Balance]) -> None:
        """Ignore it."""

    def on_balance(self, balance: Balance) -> None:
        """Ignore it."""

    def on_alarm(self, code: str, text: str) -> None:
        """Ignore it: nothing is going to be ordered."""
