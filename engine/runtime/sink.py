"""The engine's ear: what the venue says goes to the desks in the schedule in which it was read."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from engine.market.book import Book
from engine.market.updates import Candle, PublicTrade, Ticker, TradesMissed
from engine.orders.reports import OrderReport
from engine.runtime.balance_desk import BalanceDesk
from engine.runtime.entry_gate import EntryGate
from engine.runtime.market_bus import MarketBus
from engine.runtime.market_desk import MarketDesk
from engine.runtime.order_desk import OrderDesk
from engine.values.instrument import Instrument
from engine.venue.protocol import Balance

log = structlog.get_logger()


class Sink:
    """Hears the venue and routes at once. Nothing here blocks."""

    def __init__(
        self, desk: OrderDesk, market: MarketDesk, gate: EntryGate, bus: MarketBus, balance_desk: BalanceDesk
    ) -> None:
        self._desk, self._market, self._gate, self._bus, self._balance_desk = desk, market, gate, bus, balance_desk
        self.stream_up = False

    def on_report(self, report: OrderReport) -> None:
        """Route a report to its order."""
        self._desk.route(report)

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        """Route everything, then suspect resting orders the snapshot does not hold."""
        for report in (*trades, *open_orders):
            self._desk.route(report)
        names = (report.cl_ord_id or self._desk.name_of(report.order_id) for report in open_orders)
        self._desk.opened_with(frozenset(name for name in names if name))

    def on_private_link(self, *, up: bool, why: str) -> None:
        """Remember whether the stream is complete up to now; entries wait for it."""
        if up != self.stream_up:
            log.info("stream.complete" if up else "stream.lost", why=why)
        self.stream_up = up
        if up:
            self._market.wake_all()

    def on_book(self, book: Book) -> None:
        """Let brackets look at a changed book, then who reads along."""
        self._market.on_book(book)
        self._bus.on_book(book)

    def on_trade(self, trade: PublicTrade | TradesMissed) -> None:
        """For readers only, as tickers and candles are: prices are judged by books alone."""
        self._bus.on_trade(trade)

    def on_ticker(self, ticker: Ticker) -> None:
        """For readers only."""
        self._bus.on_ticker(ticker)

    def on_candle(self, candle: Candle) -> None:
        """For readers only."""
        self._bus.on_candle(candle)

    def on_instrument(self, instrument: Instrument) -> None:
        """For readers: whoever orders reads instruments from the link when needed."""
        self._bus.on_instrument(instrument)

    def on_balances(self, balances: Sequence[Balance]) -> None:
        """Remember what entries can be paid from. Positions come from our own fills, never from balances."""
        self._balance_desk.opened(balances)

    def on_balance(self, balance: Balance) -> None:
        """Remember it, and hold it against our fills."""
        self._balance_desk.moved(balance)

    def on_alarm(self, code: str, text: str) -> None:
        """Halt entries: what the venue told of is not ours to judge."""
        self._gate.close(code, text)
