"""The books of the public stream: each held one in step with the venue, or being sent anew (§6.5, §7)."""

from __future__ import annotations

import random
from collections.abc import Callable

import structlog
import trio

from engine.errors import VenueProtocolError
from engine.kraken import decode
from engine.kraken.feed import Feed
from engine.kraken.frames import BookRow, Channel
from engine.kraken.venue_time import VenueTime
from engine.market.topics import Topic
from engine.net.link_monitor import LinkMonitor
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.venue.protocol import MarketSink

log = structlog.get_logger()


class Books:
    """The feeds of all held symbols. ``renew`` has a topic sent anew after so many seconds."""

    def __init__(
        self,
        sink: MarketSink,
        monitor: LinkMonitor,
        renew: Callable[[Topic, float], None],
        *,
        venue_time: VenueTime,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._sink, self._monitor, self._renew = sink, monitor, renew
        self._venue_time, self._clock, self._rng = venue_time, clock, rng
        self.feeds: dict[str, Feed] = {}

    def want(self, instrument: Instrument, depth: int) -> None:
        """Keep a symbol's book at this depth at least; a deeper one than before is unusable until it has come."""
        feed = self.feeds.get(instrument.symbol)
        if feed is None:
            self.feeds[instrument.symbol] = Feed(instrument, depth, self._rng)
        elif feed.book.depth < depth:
            feed.deepen(depth)
            self._sink.on_book(feed.book)

    def drop(self, symbol: str) -> None:
        """Forget a book that nobody holds."""
        feed = self.feeds.pop(symbol)
        self._monitor.heal(feed.channel)
        feed.lose()

    def lose(self) -> None:
        """Every book is unusable until it is verified anew."""
        now_s = trio.current_time()
        for feed in self.feeds.values():
            if feed.synced:
                self._monitor.away(feed.channel, feed.book.version + 1, None, now_s)
            feed.lose()
            self._sink.on_book(feed.book)

    def fit(self, instrument: Instrument) -> None:
        """Have a book sent anew whose instrument has other precisions than it was kept in."""
        feed = self.feeds.get(instrument.symbol)
        if feed is not None and not feed.fits(instrument):
            self._resync(feed)

    def take(self, frame: Channel) -> None:
        """Take a frame of books. Raises VenueProtocolError; what it may have touched is sent anew then."""
        try:
            for row in decode.books(frame):
                self._take_row(row, snapshot=frame.snapshot)
        except VenueProtocolError:
            named = decode.symbols(frame)
            touched = [f for f in self.feeds.values() if f.synced and (f.symbol in named or not named)]
            for number, feed in enumerate(touched):
                self._broken(feed, counted=number == 0)
            raise

    def _take_row(self, row: BookRow, *, snapshot: bool) -> None:
        feed = self.feeds.get(row.symbol)
        if feed is None or not (snapshot or feed.synced):
            return  # not watched any more, or an update of a subscription that is being replaced
        now_ns = self._venue_time.now_ns(self._clock.now_ns())
        ts_ns = decode.moment(row.timestamp) if row.timestamp is not None else now_ns
        latency_ns = None if row.timestamp is None or snapshot else now_ns - ts_ns
        if not feed.apply(row, snapshot=snapshot, ts_ns=ts_ns, latency_ns=latency_ns):
            log.warning("book.broken", symbol=feed.symbol, snapshot=snapshot, fault=feed.book.fault)
            self._broken(feed)
            return
        if snapshot:
            self._monitor.heal(feed.channel)
        self._sink.on_book(feed.book)

    def _broken(self, feed: Feed, *, counted: bool = True) -> None:
        """Have a book sent anew: its checksum, or a frame that none could read, says that something was lost."""
        note = self._monitor.gap if counted else self._monitor.away  # one frame is one gap, however many it may touch
        note(feed.channel, feed.book.version, None, trio.current_time())
        self._resync(feed)

    def _resync(self, feed: Feed) -> None:
        """Ask for a feed's book anew, after its own back-off."""
        feed.clock.resyncs += 1
        self._renew(feed.topic, feed.lose())
        self._sink.on_book(feed.book)
