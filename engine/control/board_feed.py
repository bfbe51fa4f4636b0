"""The board on its way to its viewers: gathered and encoded once for all of them, at most five times a second.

Nothing runs while nobody looks: whichever viewer wakes first takes the step for all. A viewer that takes its frames too
slowly is not waited for; it finds that they are gone, and begins anew with a snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import msgspec
import trio

from engine.control.board import Board
from engine.control.board_frames import ENCODER, Frames
from engine.control.board_market import MarketWatch, MarketWatches
from engine.control.board_state import BoardState
from engine.errors import ConfigError, VenueError
from engine.runtime.engine import Engine

STEP_S: Final = 0.2


class BoardFeed:
    """One for each running engine, which started at ``started_s`` of trio's clock."""

    def __init__(self, engine: Engine, started_s: float) -> None:
        self._engine = engine
        self._state = BoardState(engine, started_s)
        self._markets = MarketWatches(engine)
        self._frames = Frames()
        self._whole: tuple[int, msgspec.Raw] | None = None
        self._viewers = 0
        self._next_s = 0.0
        self._ended = False
        self._stepping = trio.Lock()

    async def snapshot(self) -> Board:
        """Return everything as it is now."""
        with self._viewed():
            await self._look()
            return self._state.board(self._frames.number)

    async def follow(self, symbol: str | None = None) -> AsyncGenerator[msgspec.Raw, None]:
        """Yield encoded frames until the engine ends: a snapshot, then changes, and the market of ``symbol``."""
        with self._viewed():
            async with self._watching(symbol) as market:
                seen, seen_market = -1, -1
                while True:
                    await self._look()
                    news = self._frames.since(seen)
                    if news is None:
                        number, whole = self._snapshot()
                        seen = number
                        yield whole
                    for frame in news or ():
                        seen += 1
                        yield frame
                    books = [] if market is None else market.frames.since(seen_market)
                    if market is not None and books is None:
                        seen_market = market.frames.number
                        yield market.whole()
                    for book in books or ():
                        seen_market += 1
                        yield book
                    if self._ended and seen == self._frames.number:
                        return
                    await trio.sleep_until(self._next_s)

    async def _look(self) -> None:
        """Take the step that is due; where it finds that something was missed, take everything anew."""
        while True:
            await self._state.begin()
            await self._step()
            if self._state.begun:
                return

    async def _step(self) -> None:
        """Take the step that is due, for all viewers; a second one who asks waits for it and finds it taken.

        Shielded: half a step would be lost to the others. It waits for nothing, it only lets other tasks run.
        """
        async with self._stepping:
            if self._state.begun and not self._ended and trio.current_time() >= self._next_s:
                with trio.CancelScope(shield=True):
                    await self._take_step()

    async def _take_step(self) -> None:
        self._next_s = trio.current_time() + STEP_S
        change = await self._state.step(self._frames.number + 1)
        if change is not None:
            self._frames.add(change)
            self._ended = change.ended
        elif not self._state.begun:
            self._frames.skip()
        await self._markets.step()

    def _snapshot(self) -> tuple[int, msgspec.Raw]:
        """Return the newest frame's number, and everything up to it, encoded once for whoever comes before the next."""
        number = self._frames.number
        if self._whole is None or self._whole[0] != number:
            self._whole = number, msgspec.Raw(ENCODER.encode(self._state.board(number)))
        return self._whole

    @contextmanager
    def _viewed(self) -> Iterator[None]:
        self._viewers += 1
        try:
            yield
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._state.end()
                self._frames.skip()
                self._whole = None

    @asynccontextmanager
    async def _watching(self, symbol: str | None) -> AsyncIterator[MarketWatch | None]:
        """Give the market's watch, None where none was asked for. A name that nobody lists is watched in vain."""
        async with AsyncExitStack() as stack:
            if symbol is None:
                yield None
                return
            try:
                watch = await stack.enter_async_context(self._markets.watching(symbol))
            except (VenueError, ConfigError) as error:
                watch = MarketWatch(self._engine, symbol, fault=str(error))
            yield watch
