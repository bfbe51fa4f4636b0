"""The market that a viewer has chosen: its book and its trades, one encoder for all who look at the same one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec

from engine.control.board import MS, BoardBook, BoardTrade
from engine.control.board_frames import ENCODER, Frames
from engine.market.book import Level
from engine.market.updates import BookView, PublicTrade
from engine.runtime.engine import Engine
from engine.runtime.market_bus import Told
from engine.runtime.readers import Every
from engine.values.money import plain, trimmed

DEPTH: Final = 10
TRADES_MOST: Final = 40
"""Trades of one frame, the newest: more than a page shows, and a burst costs no more than this."""
READER_TRADES: Final = 1024
TOPICS: Final = ("book", "trade")

_NUMBERS = itertools.count(1)


class MarketWatch:
    """One symbol while anybody looks at it. With a ``fault`` it is one that cannot be had: only that is told."""

    def __init__(self, engine: Engine, symbol: str, *, fault: str = "") -> None:
        self._engine, self.symbol, self._fault = engine, symbol, fault
        self.viewers = 0
        self.frames = Frames()
        self._reader: Every[Told] | None = None
        self._reading = AsyncExitStack()
        self._shown: tuple[int, bool] | None = None
        self._trades: list[BoardTrade] = []

    async def begin(self) -> None:
        """Read trades from now on. Never waits."""
        reading = self._engine.market.every(PublicTrade, symbols=(self.symbol,), capacity=READER_TRADES)
        self._reader = await self._reading.enter_async_context(reading)

    async def end(self) -> None:
        """Read no more. Never waits."""
        await self._reading.aclose()

    async def renew(self) -> None:
        """Begin anew where a burst of trades was more than its reader holds. Never waits."""
        if self._reader is not None and self._reader.closed:
            await self.end()
            await self.begin()

    def step(self) -> None:
        """Make a frame when the book has moved or a trade was made."""
        trades, book = self._new_trades(), self._engine.market.book(self.symbol, DEPTH)
        shown = None if book is None else (book.version, book.usable)
        if shown == self._shown and not trades:
            return
        self._shown = shown
        self._trades = [*self._trades, *trades][-TRADES_MOST:]
        self.frames.add(self._frame(book, trades))

    def whole(self) -> msgspec.Raw:
        """Return what a new viewer begins with."""
        book = None if self._fault else self._engine.market.book(self.symbol, DEPTH)
        return msgspec.Raw(ENCODER.encode(self._frame(book, self._trades)))

    def _frame(self, book: BookView | None, trades: list[BoardTrade]) -> BoardBook:
        return BoardBook(
            symbol=self.symbol,
            at_ms=self._engine.services.clock.now_ns() // MS,
            usable=book is not None and book.usable,
            fault=self._fault or ("away" if book is None else book.fault),
            bids=() if book is None else _levels(book.bids),
            asks=() if book is None else _levels(book.asks),
            trades=tuple(trades),
        )

    def _new_trades(self) -> list[BoardTrade]:
        taken = [] if self._reader is None else self._reader.take()
        trades = [one for one in taken if isinstance(one, PublicTrade)][-TRADES_MOST:]
        return [BoardTrade(one.ts_ns // MS, one.side, plain(one.price), trimmed(one.qty)) for one in trades]


def _levels(levels: tuple[Level, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((plain(price), trimmed(qty)) for price, qty in levels)


class MarketWatches:
    """Watches by symbol; the first viewer subscribes, the last one ends it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watches: dict[str, MarketWatch] = {}

    async def step(self) -> None:
        """Let every watch look. Never waits."""
        for watch in list(self._watches.values()):
            await watch.renew()
            watch.step()

    @asynccontextmanager
    async def watching(self, symbol: str) -> AsyncIterator[MarketWatch]:
        """Hold a market's book and trades subscribed. Raises VenueRefused for one that the venue does not list."""
        link, holder = self._engine.services.link, f"board/{next(_NUMBERS)}"
        topics = [link.topic(channel, symbol) for channel in TOPICS]
        name = topics[0].symbol
        async with AsyncExitStack() as stack:
            for topic in topics:
                link.hold(topic, holder)
                stack.callback(link.release, topic, holder)
            if name not in self._watches:
                self._watches[name] = MarketWatch(self._engine, name)
                await self._watches[name].begin()
            watch = self._watches[name]
            watch.viewers += 1
            try:
                yield watch
            finally:
                watch.viewers -= 1
                if not watch.viewers:
                    del self._watches[name]
                    await watch.end()
