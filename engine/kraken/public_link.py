"""The public stream: instruments, and whatever of the market somebody holds subscribed (§6.5)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import structlog
import trio

from engine.errors import ConfigError, VenueError, VenueProtocolError, VenueRefused
from engine.kraken import decode, encode, ws
from engine.kraken.books import Books
from engine.kraken.feed import Feed
from engine.kraken.frames import Channel, Heartbeat, Message, Response, Throttled
from engine.kraken.holds import Holds
from engine.kraken.pair_modes import PairModes
from engine.kraken.quotes import Quotes
from engine.kraken.settings import KrakenSettings
from engine.kraken.stream import Stream
from engine.kraken.subscriptions import ACK_TIMEOUT_S, Subscriptions
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.market.book import Book
from engine.market.freshness import Freshness
from engine.market.topics import Held, MarketChannel, Topic
from engine.market.updates import Ticker
from engine.net.budget import RollingBudget
from engine.net.link_view import LinkView
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.venue.protocol import MarketSink

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
        sink: MarketSink,
        *,
        wire: Wire,
        tls: ssl.SSLContext | None,
        clock: Clock,
        chance: Chance,
        symbols: Symbols,
        budget: RollingBudget,
        venue_time: VenueTime,
    ) -> None:
        self._settings, self._symbols = settings, symbols
        self._quotes, self._holds = Quotes(sink), Holds()
        self._rng = chance.stream("kraken/public")
        self._stream = Stream(
            "public", settings.ws_url, tls, settings=settings, wire=wire, rng=self._rng, budget=budget
        )
        self._monitor = self._stream.monitor
        self._subscriptions = Subscriptions(settings, self._stream.req_ids, self._wanted, self._refused)
        self._books = Books(
            sink, self._monitor, self._subscriptions.renew, venue_time=venue_time, clock=clock, rng=self._rng
        )
        self._complete = trio.Event()
        self._modes = PairModes(symbols, sink)
        self._invalid = 0  # frames of this connection
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
        return None if found is None else self._modes.effective(found)

    def book(self, spelling: str) -> Book | None:
        """Return the book of a watched symbol."""
        feed = self._books.feeds.get(self._symbols.symbol(spelling) or spelling)
        return None if feed is None else feed.book

    @asynccontextmanager
    async def watch(self, spelling: str, holder: str = "") -> AsyncIterator[Book]:
        """Hold a symbol's book; see MarketLink.watch."""
        topic = self.topic("book", spelling)
        self.hold(topic, holder)
        try:
            await self.wait_standing(topic)
            yield self._books.feeds[topic.symbol].book
        finally:
            self.release(topic, holder)

    def topic(self, channel: MarketChannel, spelling: str, variant: int | None = None) -> Topic:
        """See MarketLink.topic."""
        instrument = self._symbols.instrument(spelling)
        if instrument is None:
            raise VenueRefused([f"EQuery:Unknown asset pair:{spelling}"])
        if variant is None:
            variant = {"book": self._settings.book_depth, "ohlc": 1}.get(channel, 0)
        topic = Topic(channel, instrument.symbol, variant)
        if fault := topic.fault():
            raise ConfigError(fault)
        return topic

    def hold(self, topic: Topic, holder: str) -> None:
        """See MarketLink.hold."""
        instrument = self._symbols.instrument(topic.symbol)
        if instrument is None:
            raise VenueRefused([f"EQuery:Unknown asset pair:{topic.symbol}"])
        self._holds.hold(topic, holder)
        if topic.channel == "book":
            self._books.want(instrument, topic.variant)
        self._subscriptions.change()

    def release(self, topic: Topic, holder: str) -> bool:
        """See MarketLink.release."""
        self._subscriptions.change()
        return self._holds.release(topic, holder, trio.current_time())

    async def wait_standing(self, topic: Topic) -> None:
        """See MarketLink.wait_standing."""
        if topic.channel == "book":
            await self._books.feeds[topic.symbol].wait_usable()
        else:
            await self._subscriptions.wait_standing(topic)

    def held(self) -> tuple[Held, ...]:
        """See MarketLink.held."""
        return tuple(self._held(topic) for topic in self._holds.topics if self._holds.holders(topic))

    def _held(self, topic: Topic) -> Held:
        sent = self._books.feeds[topic.symbol].topic if topic.channel == "book" else topic
        stands, refusal = self._subscriptions.stands(sent), self._subscriptions.refusal(sent)
        return Held(topic, self._holds.holders(topic), stands, refusal)

    def ticker(self, spelling: str) -> Ticker | None:
        """See MarketLink.ticker."""
        return self._quotes.tickers.get(self._symbols.symbol(spelling) or spelling)

    def freshness(self) -> tuple[Freshness, ...]:
        """See MarketLink.freshness."""
        return tuple(self._fresh(feed, trio.current_time()) for feed in self._books.feeds.values())

    def _fresh(self, feed: Feed, now_s: float) -> Freshness:
        instrument = self.instrument(feed.symbol)
        holders = [name for topic in self._holds.of("book", feed.symbol) for name in self._holds.holders(topic)]
        status = "unknown" if instrument is None else instrument.status
        return feed.freshness(status, tuple(dict.fromkeys(holders)), now_s)

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
        self._books.lose()

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
        await self._subscriptions.keep(socket, self._expire)

    # what is wanted

    def _wanted(self) -> Iterator[Topic]:
        """Name what the venue shall send: of each book the deepest that was asked for, the rest as it is held."""
        for feed in self._books.feeds.values():
            yield feed.topic
        yield from (topic for topic in self._holds.topics if topic.channel != "book")

    def _expire(self, now_s: float) -> float:
        """Forget what nobody holds any more; return when to look again."""
        for topic in self._holds.expire(now_s):
            if topic.channel != "book":
                self._quotes.forget(topic.channel, topic.symbol)
            elif not self._holds.of("book", topic.symbol):
                self._books.drop(topic.symbol)
        return self._holds.next_s

    def _refused(self, topic: Topic, why: str | None) -> None:
        feed = self._books.feeds.get(topic.symbol)
        if topic.channel == "book" and feed is not None:
            feed.refuse(why)

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
            if self._subscriptions.answered(frame):
                self._monitor.error(now_s)
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
                self._books.take(frame)
            case "trade":
                self._quotes.trades(frame)
            case "ticker":
                self._quotes.ticker(frame)
            case "ohlc":
                self._quotes.candles(frame)
            case "instrument":
                self._instruments(frame)
            case "status":
                for status in decode.statuses(frame):
                    self._stream.mode = status.system
                    self._modes.enter(status.system)
            case _:
                pass

    def _instruments(self, frame: Channel) -> None:
        for instrument in self._symbols.learn_instruments(decode.instruments(frame, self._count_invalid)):
            self._books.fit(instrument)
            self._modes.tell(instrument)
        if not self._complete.is_set():
            self._stream.complete()
            self._complete.set()
            self.known.set()
