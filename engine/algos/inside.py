"""Hands on an engine in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Protocol

import trio

from engine import BookView, Conflated, Engine, Instrument, Price, SystemClock, parse_signal
from engine.algos.hands import Entry, Known, Moved, News, Quote, Room, Verdict


class _Clock(Protocol):
    def now_ns(self) -> int: ...


class EngineHands:
    """``clock`` is the engine's own, where it was given another than the machine's."""

    def __init__(self, engine: Engine, clock: _Clock | None = None) -> None:
        self._engine, self._clock = engine, clock or SystemClock()

    def now_ns(self) -> int:
        """See Hands."""
        return self._clock.now_ns()

    @asynccontextmanager
    async def watching(self, symbol: str, signal_ids: Sequence[str]) -> AsyncIterator[News]:
        """See Hands."""
        news = News()
        async with self._engine.market.books(symbol) as books, trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, news, frozenset(signal_ids))
            nursery.start_soon(_follow, news, books)
            yield news
            nursery.cancel_scope.cancel()

    async def _hear(self, news: News, signal_ids: Collection[str]) -> None:
        async with aclosing(self._engine.reports()) as reports:
            async for report in reports:
                if report.signal_id in signal_ids:
                    news.tell(report.signal_id)
        news.end()

    async def find(self, signal_id: str) -> Known | None:
        """See Hands."""
        found = self._engine.signal(signal_id)
        if found is None:
            return None
        orders = found.bracket.orders if found.bracket is not None else ()
        return Known(
            signal_id=signal_id,
            status=found.status,
            order_qty=found.signal.order_qty,
            valid_until_ns=found.signal.valid_until_ns,
            bracket_state=found.bracket.state if found.bracket is not None else "",
            entries=tuple(
                Entry(one.cl_ord_id, one.state, one.states, one.cum_qty, one.avg_px, one.limit_price, one.reason)
                for one in orders
                if one.role == "entry"
            ),
            code=found.code,
            reason=found.reason,
        )

    async def submit(self, text: str) -> Verdict:
        """See Hands."""
        done = await self._engine.submit(parse_signal(text))
        return Verdict("denied" if done.status == "denied" else "accepted", done.code, done.reason)

    async def end_entry(self, signal_id: str, why: str) -> None:
        """See Hands. It never blocks: a cancelled algorithm leaves nothing resting."""
        self._engine.cancel(signal_id, why)

    async def amend(self, cl_ord_id: str, limit_price: Decimal, why: str) -> Moved:
        """See Hands."""
        done = await self._engine.amend(cl_ord_id, Price(limit_price), why=why)
        if done.status == "refused":
            return Moved("refused", f"{done.code}: {done.reason}")
        return Moved("amended" if done.status == "amended" else "unknown", done.reason)

    async def quote(self, symbol: str) -> Quote | None:
        """See Hands."""
        book = self._engine.market.book(symbol, 1)
        if book is None or not book.usable or not book.bids or not book.asks:
            return None
        return Quote(book.bids[0][0], book.asks[0][0])

    async def instrument(self, symbol: str) -> Instrument | None:
        """See Hands."""
        return self._engine.market.instrument(symbol)

    async def room(self, symbol: str) -> Room | None:
        """See Hands."""
        full = self._engine.headroom(symbol)
        return None if full is None else Room(full.level, full.threshold)

    async def halted(self, strategy_id: str) -> str:
        """See Hands."""
        state = self._engine.trading_state(strategy_id)
        return "" if state == "ACTIVE" else f"TRADING_{state}"


async def _follow(news: News, books: Conflated[BookView]) -> None:
    async for _ in books:
        news.tell()
