"""The book of one held symbol, and what is known about its subscription."""

from __future__ import annotations

import random

import trio

from engine.errors import VenueRefused
from engine.kraken.frames import BookRow
from engine.market.book import Book
from engine.market.freshness import Freshness, FreshnessClock
from engine.market.topics import Topic
from engine.net.backoff import Backoff
from engine.values.instrument import Instrument, PairStatus

RESYNC_FIRST_S = 0.1


class Feed:
    """A symbol whose book somebody holds. ``synced`` from a verified snapshot until the book is lost."""

    def __init__(self, instrument: Instrument, depth: int, rng: random.Random) -> None:
        self.symbol = instrument.symbol
        self.channel = f"book {instrument.symbol}"
        self.book = Book(instrument.symbol, depth, instrument.price_precision, instrument.qty_precision)
        self.clock = FreshnessClock()
        self.synced = False
        self.refusal: str | None = None
        self._backoff = Backoff(rng, first_s=RESYNC_FIRST_S)
        self._synced_at_s = 0.0
        self._news = trio.Event()

    @property
    def topic(self) -> Topic:
        """What the venue is asked for: one depth a symbol, or nobody could tell whose an update is."""
        return Topic("book", self.symbol, self.book.depth)

    async def wait_usable(self) -> None:
        """Return once the book is verified. Raises VenueRefused when the venue will not send it."""
        while not self.book.usable:
            if self.refusal is not None:
                raise VenueRefused([self.refusal])
            await self._news.wait()

    def apply(self, row: BookRow, *, snapshot: bool, ts_ns: int, latency_ns: int | None) -> bool:
        """Apply a message and tell whether the book is as the venue says."""
        bids = [(level.price, level.qty) for level in row.bids]
        asks = [(level.price, level.qty) for level in row.asks]
        agreed = self.book.apply(bids, asks, snapshot=snapshot, checksum=row.checksum, ts_ns=ts_ns)
        now_s = trio.current_time()
        self.clock.heard(now_s, latency_ns, verified=agreed)
        if agreed and not self.synced:
            self.synced, self.refusal, self._synced_at_s = True, None, now_s
            self._tell()
        return agreed

    def fits(self, instrument: Instrument) -> bool:
        """Take the instrument's precisions; tell whether the book was kept in these already."""
        now = (instrument.price_precision, instrument.qty_precision)
        before = (self.book.price_precision, self.book.qty_precision)
        self.book.price_precision, self.book.qty_precision = now
        return now == before

    def deepen(self, depth: int) -> None:
        """Keep more levels from the next snapshot on; until then the book is unusable."""
        self.synced = False
        self.book.depth = depth
        self.book.lose()

    def lose(self) -> float:
        """Mark the book unusable; return how long to wait before asking for a new snapshot."""
        lived_s = trio.current_time() - self._synced_at_s if self.synced else 0.0
        self.synced = False
        self.book.lose()
        return self._backoff.next_s(lived_s)

    def refuse(self, text: str | None) -> None:
        """Note that the venue refuses the subscription, or (None) that it is being asked again."""
        self.refusal = text
        self._tell()

    def freshness(self, status: PairStatus, holders: tuple[str, ...], now_s: float) -> Freshness:
        """Return how old and how late the book is; what it cannot know itself is given."""
        update_age_s, verified_age_s = self.clock.ages(now_s)
        latency_s, worst_s = self.clock.latencies()
        return Freshness(
            symbol=self.symbol,
            status=status,
            depth=self.book.depth,
            usable=self.book.usable,
            fault=self.book.fault,
            update_age_s=update_age_s,
            verified_age_s=verified_age_s,
            latency_s=latency_s,
            latency_worst_s=worst_s,
            updates=self.clock.updates,
            resyncs=self.clock.resyncs,
            holders=holders,
        )

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()
