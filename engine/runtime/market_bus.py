"""Hands what the market says to whoever reads it, by type and symbol. A slow reader costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar, cast

from engine.market.book import Book
from engine.market.updates import BookView, Candle, InstrumentChanged, PublicTrade, Ticker, TradesMissed, view_of
from engine.runtime.readers import Conflated, Every
from engine.values.instrument import Instrument

MarketMessage = BookView | Ticker | PublicTrade | TradesMissed | Candle | InstrumentChanged
"""Everything that is published."""
Told = PublicTrade | TradesMissed | Ticker | Candle | InstrumentChanged
"""What can be had one by one. Books cannot: only their latest state means anything."""
Kind = TypeVar("Kind", BookView, Ticker, PublicTrade, TradesMissed, Candle, InstrumentChanged)
Reader = TypeVar("Reader")


class _Filed(Generic[Reader]):
    """A reader and what it wants; no symbols are all."""

    def __init__(self, reader: Reader, kinds: tuple[type, ...], symbols: frozenset[str], depth: int | None) -> None:
        self.reader, self.kinds, self.symbols, self.depth = reader, kinds, symbols, depth

    def wants(self, kind: type, symbol: str) -> bool:
        """Whether it shall have this."""
        return kind in self.kinds and (not self.symbols or symbol in self.symbols)


class MarketBus:
    """A MarketSink that publishes synchronously, in the schedule that read the frame. Nothing here blocks."""

    def __init__(self) -> None:
        self._conflated: list[_Filed[Conflated[MarketMessage]]] = []
        self._every: list[_Filed[Every[Told]]] = []
        self.published = 0

    @property
    def readers(self) -> int:
        """How many read along."""
        return len(self._conflated) + len(self._every)

    def conflated(
        self, kind: type[Kind], symbols: frozenset[str] = frozenset(), depth: int | None = None
    ) -> Conflated[Kind]:
        """Add a reader of latest states. A book is cut to ``depth``."""
        reader: Conflated[MarketMessage] = Conflated()
        self._conflated.append(_Filed(reader, (kind,), symbols, depth))
        return cast("Conflated[Kind]", reader)

    def every(self, kinds: tuple[type[Told], ...], symbols: frozenset[str], capacity: int) -> Every[Told]:
        """Add a reader of everything of some kinds."""
        reader: Every[Told] = Every(capacity)
        self._every.append(_Filed(reader, kinds, symbols, None))
        return reader

    def leave(self, reader: object) -> None:
        """End a reader."""
        for one in self._all():
            if one is reader:
                one.close()
        self._conflated = [one for one in self._conflated if one.reader is not reader]
        self._every = [one for one in self._every if one.reader is not reader]

    def close(self) -> None:
        """End every reader after what it has waiting."""
        for reader in self._all():
            reader.close()

    def _all(self) -> list[Conflated[MarketMessage] | Every[Told]]:
        return [*(one.reader for one in self._conflated), *(one.reader for one in self._every)]

    def on_book(self, book: Book) -> None:
        """Publish that a book has changed; its levels are copied only for who reads them."""
        self.published += 1
        for one in self._conflated:
            if one.wants(BookView, book.symbol):
                one.reader.offer(book.symbol, partial(view_of, book, one.depth))

    def on_trade(self, trade: PublicTrade | TradesMissed) -> None:
        """Publish a trade, or that some are missing."""
        self._tell(trade)

    def on_ticker(self, ticker: Ticker) -> None:
        """Publish 24-hour figures."""
        self._tell(ticker)

    def on_candle(self, candle: Candle) -> None:
        """Publish a candle."""
        self._tell(candle)

    def on_instrument(self, instrument: Instrument) -> None:
        """Publish a new or changed instrument."""
        self._tell(InstrumentChanged(instrument))

    def _tell(self, message: Told) -> None:
        self.published += 1
        kind = type(message)
        for one in self._every:
            if one.wants(kind, message.symbol):
                one.reader.offer(message)
        key: Hashable = (message.symbol, message.interval) if isinstance(message, Candle) else message.symbol
        for filed in self._conflated:
            if filed.wants(kind, message.symbol):
                filed.reader.offer(key, _constant(message))


def _constant(message: MarketMessage) -> Callable[[], MarketMessage]:
    return lambda: message
