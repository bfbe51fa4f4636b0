"""The public stream: instruments, and book, trades and ticker of every watched symbol (§6.5)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
import trio

from engine.errors import VenueError, VenueProtocolError, VenueRefused
from engine.kraken import decode, encode, ws
from engine.kraken.feed import Feed, under_system
from engine.kraken.frames import BookRow, Channel, Heartbeat, Message, Response, Throttled, TickerRow
from engine.kraken.settings import KrakenSettings
from engine.kraken.stream import Stream
from engine.kraken.subscriptions import ACK_TIMEOUT_S, Subscriptions
from engine.kraken.symbols import Symbols
from engine.market.book import Book
from engine.net.budget import RollingBudget
from engine.net.link_view import LinkView
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.venue.protocol import PublicTrade, VenueSink

log = structlog.get_logger()

ASKED_TIMES = 3
"""The instruments are asked for so many times, ``ACK_TIMEOUT_S`` apart, before a connection is given up."""


class PublicLink:
    """One connection after another, brought to the wanted set of subscriptions each time.

    It counts as complete once the instruments are known; each book tells for itself whether it is usable.
    """

    def __init__(
        self,
        settings: KrakenSettings,
        sink: VenueSink,
        *,
        wire: Wire,
        tls: ssl.SSLContext | None,
        clock: Clock,
        chance: Chance,
        symbols: Symbols,
        budget: RollingBudget,
    ) -> None:
        self._settings, self._sink, self._clock, self._symbols = settings, sink, clock, symbols
        self._rng = chance.stream("kraken/public")
        self._stream = Stream(
            "public", settings.ws_url, tls, settings=settings, wire=wire, rng=self._rng, budget=budget
        )
        self._monitor = self._stream.monitor
        self._feeds: dict[str, Feed] = {}
        self._subscriptions = Subscriptions(settings, self._feeds, self._monitor, self._stream.req_ids)
        self._complete = trio.Event()
        self._system = "online"
        self._invalid = 0  # frames of this connection
        self.tickers: dict[str, TickerRow] = {}
        self.known = trio.Event()
        """Set once the instruments are known."""

    @property
    def why(self) -> str:
        """Why the stream is not up; empty while it is."""
        return self._stream.why

    def view(self, now_s: float) -> LinkView:
        """Return the link's figures."""
        return self._monitor.view(now_s)

    def instrument(self, spelling: str) -> Instrument | None:
        """Return an instrument with the status that holds for it now."""
        found = self._symbols.instrument(spelling)
        return None if found is None else self._effective(found)

    def book(self, spelling: str) -> Book | None:
        """Return the book of a watched symbol."""
        feed = self._feeds.get(self._symbols.symbol(spelling) or spelling)
        return None if feed is None else feed.book

    @asynccontextmanager
    async def watch(self, spelling: str) -> AsyncIterator[Book]:
        """Hold a symbol subscribed; see VenueLink.watch."""
        instrument = self._symbols.instrument(spelling)
        if instrument is None:
            raise VenueRefused([f"EQuery:Unknown asset pair:{spelling}"])
        feed = self._feeds.get(instrument.symbol)
        if feed is None:
            feed = self._feeds[instrument.symbol] = Feed(instrument, self._settings.book_depth, self._rng)
            self._subscriptions.change()
        feed.holders += 1
        try:
            await feed.wait_usable()
            yield feed.book
        finally:
            feed.holders -= 1
            if feed.holders == 0:
                self._subscriptions.change()

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        await self._stream.run(self)

    # the life of a connection

    async def prepare(self) -> None:
        """Nothing is needed for a connection."""

    async def serve(self, socket: ws.Socket) -> None:
        """Subscribe and listen until the connection ends."""
        self._subscriptions.begin()
        self._complete, self._invalid = trio.Event(), 0
        async with trio.open_nursery() as session_nursery:
            session_nursery.start_soon(self._open_up, socket, name="link/public/subscriptions")
            while True:
                self._take(await socket.receive())

    def lose(self, why: str) -> None:  # noqa: ARG002 - the stream remembers it
        """Every book is unusable until it is verified anew."""
        now_s = trio.current_time()
        for feed in self._feeds.values():
            if feed.synced:
                self._monitor.away(feed.channel, feed.book.version + 1, None, now_s)
            feed.lose()
            self._sink.on_book(feed.book)

    def failed(self, error: VenueError) -> None:
        """No failure of this stream is for ever."""

    async def _open_up(self, socket: ws.Socket) -> None:
        """Ask for the instruments until they come, then for what is watched."""
        for _ in range(ASKED_TIMES):
            req_id = next(self._stream.req_ids)
            await socket.send(encode.frame("subscribe", encode.subscription("instrument", snapshot=True), req_id))
            with trio.move_on_after(ACK_TIMEOUT_S):
                await self._complete.wait()
                break
            log.warning("subscription.unanswered", link="public", channel="instrument")
        else:
            socket.abandon("the subscription to instruments was not answered")
            return
        await self._subscriptions.keep(socket)

    # what comes in

    def _take(self, text: str | bytes) -> None:
        """Take one message. One that breaks the contract is counted and left out; a book it may touch is renewed."""
        now_s = trio.current_time()
        try:
            self._route(decode.message(text), now_s)
        except VenueProtocolError as error:
            self._count_invalid(str(error))

    def _count_invalid(self, why: str) -> None:
        self._monitor.invalid(trio.current_time())
        self._invalid += 1
        if self._invalid & (self._invalid - 1) == 0:  # the first, and then ever fewer: there may be thousands
            log.warning("frame.invalid", link="public", why=why, frames=self._invalid)

    def _route(self, frame: Message, now_s: float) -> None:
        if isinstance(frame, Response):
            if frame.method == "pong":
                self._monitor.ponged(frame.req_id, now_s)
            self._subscriptions.answered(frame)
        elif isinstance(frame, Heartbeat):
            self._monitor.beat(now_s)
        elif isinstance(frame, Throttled):
            self._monitor.error(now_s)
            log.warning("request.dropped", link="public", text=frame.text)
        elif isinstance(frame, Channel):
            self._channel(frame, now_s)

    def _channel(self, frame: Channel, now_s: float) -> None:
        if frame.name != "status":
            self._monitor.beat(now_s)
        match frame.name:
            case "book":
                self._books(frame)
            case "trade":
                self._trades(frame)
            case "ticker":
                self.tickers.update((row.symbol, row) for row in decode.tickers(frame))
            case "instrument":
                self._instruments(frame)
            case "status":
                for status in decode.statuses(frame):
                    self._mode(status.system)
            case _:
                pass

    def _books(self, frame: Channel) -> None:
        try:
            for row in decode.books(frame):
                self._book(row, snapshot=frame.snapshot)
        except VenueProtocolError:
            named = decode.symbols(frame)
            touched = [f for f in self._feeds.values() if f.synced and (f.symbol in named or not named)]
            for number, feed in enumerate(touched):
                self._broken(feed, counted=number == 0)
            raise

    def _book(self, row: BookRow, *, snapshot: bool) -> None:
        feed = self._feeds.get(row.symbol)
        if feed is None or not (snapshot or feed.synced):
            return  # not watched any more, or an update of a subscription that is being replaced
        ts_ns = decode.moment(row.timestamp) if row.timestamp is not None else self._clock.now_ns()
        if not feed.apply(row, snapshot=snapshot, ts_ns=ts_ns):
            log.warning("book.broken", symbol=feed.symbol, snapshot=snapshot)
            self._broken(feed)
            return
        if snapshot:
            self._monitor.heal(feed.channel)
        self._sink.on_book(feed.book)

    def _broken(self, feed: Feed, *, counted: bool = True) -> None:
        """Have a book sent anew: its checksum, or a frame that none could read, says that something was lost."""
        note = self._monitor.gap if counted else self._monitor.away  # one frame is one gap, however many it may touch
        note(feed.channel, feed.book.version, None, trio.current_time())
        self._subscriptions.resync(feed)
        self._sink.on_book(feed.book)

    def _trades(self, frame: Channel) -> None:
        for row in decode.trades(frame):
            self._sink.on_trade(
                PublicTrade(row.symbol, row.side, row.price, row.qty, row.trade_id, decode.moment(row.timestamp))
            )

    def _instruments(self, frame: Channel) -> None:
        for instrument in self._symbols.learn_instruments(decode.instruments(frame, self._count_invalid)):
            feed = self._feeds.get(instrument.symbol)
            if feed is not None and not feed.fits(instrument):
                self._subscriptions.resync(feed)
                self._sink.on_book(feed.book)
            self._sink.on_instrument(self._effective(instrument))
        if not self._complete.is_set():
            self._stream.complete()
            self._complete.set()
            self.known.set()

    def _mode(self, system: str) -> None:
        self._stream.mode = system
        if system == self._system:
            return
        log.warning("venue.mode", mode=system, before=self._system)
        before = {one.symbol: self._effective(one) for one in self._symbols.instruments()}
        self._system = system
        for instrument in self._symbols.instruments():
            if (now := self._effective(instrument)) != before[instrument.symbol]:
                self._sink.on_instrument(now)

    def _effective(self, instrument: Instrument) -> Instrument:
        status = under_system(instrument.status, self._system)
        return instrument if status == instrument.status else msgspec.structs.replace(instrument, status=status)
