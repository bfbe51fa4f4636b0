"""Market data of a running engine, for programs: subscribe, look, read. ``engine.market``."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog

from engine.errors import ConfigError, VenueRefused
from engine.market.freshness import Freshness
from engine.market.topics import Held, MarketChannel, Topic
from engine.market.updates import (
    BookView,
    Candle,
    InstrumentChanged,
    PublicTrade,
    Ticker,
    TradesMissed,
    view_of,
)
from engine.runtime.market_bus import Kind, MarketBus, Told
from engine.runtime.readers import Conflated, Every
from engine.runtime.settings import MarketSettings
from engine.values.instrument import Instrument
from engine.venue.protocol import MarketLink

log = structlog.get_logger()

CONFIG, USER = "config", "user"
"""Names under which subscriptions are held; brackets and readers have names of their own."""


class MarketData:
    """Subscriptions are counted by who holds them: each ends its own, never another's.

    A symbol may be spelt as the venue does anywhere. VenueRefused means that the venue does not list it, or will not
    send it and says why; ConfigError that a depth or interval is not offered.
    """

    def __init__(self, link: MarketLink, bus: MarketBus, settings: MarketSettings) -> None:
        self._link, self._bus, self._settings = link, bus, settings
        self._numbers = itertools.count(1)

    def begin(self) -> None:
        """Hold the configured pairs; one that cannot be had is told of and left out."""
        for spelling in self._settings.pairs:
            try:
                for topic in self._topics(spelling, None, None, None):
                    self._link.hold(topic, CONFIG)
            except (VenueRefused, ConfigError) as error:
                log.error("market.pair_left_out", symbol=spelling, why=str(error))

    def prepared(self, settings: MarketSettings) -> Callable[[], None]:
        """Return what lets other settings hold. Raises VenueRefused or ConfigError for a pair that cannot be had."""
        wanted = [topic for one in settings.pairs for topic in self._topics(one, settings.channels, None, None)]

        def hold() -> None:
            held = [one.topic for one in self._link.held() if CONFIG in one.holders]
            for topic in dict.fromkeys(wanted):
                if topic not in held:
                    self._link.hold(topic, CONFIG)
            for topic in held:
                while topic not in wanted and self._link.release(topic, CONFIG):
                    pass  # a pair that was spelt twice is held twice
            self._settings = settings

        return hold

    async def subscribe(
        self,
        symbol: str,
        channels: Sequence[MarketChannel] | None = None,
        *,
        depth: int | None = None,
        interval: int | None = None,
        holder: str = USER,
    ) -> tuple[Topic, ...]:
        """Subscribe, in the name of ``holder``, and return once everything stands; the caller owns the deadline.

        What this name holds already is not counted again. When it fails or is cancelled nothing new is held.
        """
        taken: list[Topic] = []
        topics = self._topics(symbol, channels, depth, interval)
        try:
            for topic in topics:
                if holder not in self.holders(topic):
                    self._link.hold(topic, holder)
                    taken.append(topic)
            for topic in topics:
                await self._link.wait_standing(topic)
        except BaseException:
            self._release(taken, holder)
            raise
        return topics

    def unsubscribe(
        self,
        symbol: str,
        channels: Sequence[MarketChannel] | None = None,
        *,
        depth: int | None = None,
        interval: int | None = None,
        holder: str = USER,
    ) -> tuple[Held, ...]:
        """End what this name holds of a symbol; without ``channels`` all of it, whatever its depth or interval.

        Returns what goes on for others, with their names: a bracket's book cannot be taken away. Raises VenueRefused
        when this name holds nothing of the kind.
        """
        name = self._link.topic("trade", symbol).symbol
        mine = [one.topic for one in self._link.held() if one.topic.symbol == name and holder in one.holders]
        wanted = [topic for topic in mine if _meant(topic, channels, depth, interval)]
        if not wanted:
            others = {other: None for one in self._link.held() if one.topic.symbol == name for other in one.holders}
            by = f"; it is held by {', '.join(others)}" if others else ""
            raise VenueRefused([f"nothing of {name} is subscribed in the name of {holder}{by}"])
        self._release(wanted, holder)
        return tuple(one for one in self._link.held() if one.topic in wanted)

    def subscriptions(self) -> tuple[Held, ...]:
        """Return everything that is held, by whom, and whether it stands."""
        return self._link.held()

    def holders(self, topic: Topic) -> tuple[str, ...]:
        """Return who holds a topic."""
        return next((one.holders for one in self._link.held() if one.topic == topic), ())

    def freshness(self) -> tuple[Freshness, ...]:
        """Return how old and how late every held book is."""
        return self._link.freshness()

    def book(self, symbol: str, depth: int | None = None) -> BookView | None:
        """Return a held symbol's book as it is now; look at ``usable`` before resting anything on it."""
        book = self._link.book(symbol)
        return None if book is None else view_of(book, depth)

    def instrument(self, symbol: str) -> Instrument | None:
        """Return tick, lot, minima and status of a market in any spelling; None when the venue does not list it."""
        return self._link.instrument(symbol)

    def ticker(self, symbol: str) -> Ticker | None:
        """Return the last ticker of a symbol whose ticker is held."""
        return self._link.ticker(symbol)

    @asynccontextmanager
    async def books(self, *symbols: str, depth: int | None = None) -> AsyncIterator[Conflated[BookView]]:
        """Read the latest state of books, usable or not; they are held while the block stands."""
        async with self._held([self._link.topic("book", one, depth) for one in symbols]):
            reader = self._bus.conflated(BookView, self._names(symbols), depth)
            for symbol in symbols:
                if (book := self._link.book(symbol)) is not None:
                    reader.offer(book.symbol, partial(view_of, book, depth))
            try:
                yield reader
            finally:
                self._bus.leave(reader)

    @asynccontextmanager
    async def trades(
        self, *symbols: str, capacity: int | None = None
    ) -> AsyncIterator[Every[PublicTrade | TradesMissed]]:
        """Read every trade from now on; the trades are held while the block stands."""
        reader = self._bus.every((PublicTrade, TradesMissed), self._names(symbols), self._capacity(capacity))
        try:
            async with self._held([self._link.topic("trade", one) for one in symbols]):
                yield reader  # type: ignore[misc]  # the bus gives it these two kinds only
        finally:
            self._bus.leave(reader)

    @asynccontextmanager
    async def tickers(self, *symbols: str) -> AsyncIterator[Conflated[Ticker]]:
        """Read the latest 24-hour figures; the tickers are held while the block stands."""
        async with self._latest(Ticker, [self._link.topic("ticker", one) for one in symbols]) as reader:
            yield reader

    @asynccontextmanager
    async def candles(self, *symbols: str, interval: int = 1) -> AsyncIterator[Conflated[Candle]]:
        """Read the latest candle of each symbol; held while the block stands."""
        async with self._latest(Candle, [self._link.topic("ohlc", one, interval) for one in symbols]) as reader:
            yield reader

    @asynccontextmanager
    async def every(
        self, *kinds: type[Told], symbols: Iterable[str] = (), capacity: int | None = None
    ) -> AsyncIterator[Every[Told]]:
        """Read every message of some kinds about what is subscribed anyway; without ``symbols`` about all of it."""
        reader = self._bus.every(kinds, self._names(tuple(symbols)), self._capacity(capacity))
        try:
            yield reader
        finally:
            self._bus.leave(reader)

    @asynccontextmanager
    async def instruments(self) -> AsyncIterator[Conflated[InstrumentChanged]]:
        """Read the latest state of every instrument that changes: its status, its steps."""
        async with self._latest(InstrumentChanged, []) as reader:
            yield reader

    # --- inside ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _latest(self, kind: type[Kind], topics: list[Topic]) -> AsyncIterator[Conflated[Kind]]:
        reader = self._bus.conflated(kind, frozenset(topic.symbol for topic in topics))
        try:
            async with self._held(topics):
                yield reader
        finally:
            self._bus.leave(reader)

    @asynccontextmanager
    async def _held(self, topics: list[Topic]) -> AsyncIterator[None]:
        holder = f"reader/{next(self._numbers)}"
        taken: list[Topic] = []
        try:
            for topic in topics:
                self._link.hold(topic, holder)
                taken.append(topic)
            for topic in topics:
                await self._link.wait_standing(topic)
            yield
        finally:
            self._release(taken, holder)

    def _release(self, topics: Iterable[Topic], holder: str) -> None:
        for topic in topics:
            self._link.release(topic, holder)

    def _names(self, spellings: Iterable[str]) -> frozenset[str]:
        return frozenset(self._link.topic("trade", one).symbol for one in spellings)

    def _capacity(self, capacity: int | None) -> int:
        return self._settings.reader_queue if capacity is None else capacity

    def _topics(
        self, symbol: str, channels: Sequence[MarketChannel] | None, depth: int | None, interval: int | None
    ) -> tuple[Topic, ...]:
        chosen = self._settings.channels if channels is None else channels
        variants = {"book": depth, "ohlc": interval}
        return tuple(self._link.topic(channel, symbol, variants.get(channel)) for channel in dict.fromkeys(chosen))


def _meant(topic: Topic, channels: Sequence[MarketChannel] | None, depth: int | None, interval: int | None) -> bool:
    if channels is not None and topic.channel not in channels:
        return False
    variant = {"book": depth, "ohlc": interval}.get(topic.channel)
    return variant is None or topic.variant == variant
