"""The public stream: instruments, and book, trades and ticker of every watched symbol (§6.5)."""

from __future__ import annotations

import itertools
import math
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import msgspec
import structlog
import trio

from engine.errors import VenueError, VenueRefused
from engine.kraken import decode, encode, ws
from engine.kraken.feed import Feed, under_system
from engine.kraken.frames import BookRow, Channel, Response, Throttled, TickerRow
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.market.book import Book
from engine.net.backoff import Backoff
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.venue.protocol import PublicTrade, VenueSink

log = structlog.get_logger()

ACK_TIMEOUT_S = 5.0
"""Requests above the message rate are dropped without an answer; what is not acknowledged by then is asked again."""
CHANNELS = ("book", "trade", "ticker")

Subscription = tuple[str, str]
"""(channel, symbol)"""


class _Asked:
    """A subscribe or unsubscribe request: one answer per symbol is due."""

    def __init__(self, channel: str, symbols: Iterable[str]) -> None:
        self.channel = channel
        self.waiting = dict.fromkeys(symbols)
        self.done = trio.Event()


class PublicLink:
    """One connection after another, brought to the wanted set of subscriptions each time."""

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
    ) -> None:
        self._settings, self._sink, self._wire, self._tls, self._clock = settings, sink, wire, tls, clock
        self._symbols = symbols
        self._rng = chance.stream("kraken/public")
        self._backoff = Backoff(self._rng, settings.backoff_first_s, settings.backoff_most_s)
        self._req_ids = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._feeds: dict[str, Feed] = {}
        self._subscribed: dict[Subscription, None] = {}
        self._broken: dict[str, float] = {}  # symbol to the time its book is asked for again
        self._changed = trio.Event()
        self._up_since_s = math.inf
        self._system = "online"
        self.tickers: dict[str, TickerRow] = {}
        self.why = "never connected"
        self.known = trio.Event()
        """Set once the instruments are known."""

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
            self._changed.set()
        feed.holders += 1
        try:
            await feed.wait_usable()
            yield feed.book
        finally:
            feed.holders -= 1
            if feed.holders == 0:
                self._changed.set()

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        while True:
            self._up_since_s = math.inf
            why = await self._live_once()
            self._lose(why)
            wait_s = self._backoff.next_s(max(0.0, trio.current_time() - self._up_since_s))
            log.warning("link.lost", link="public", why=why, retry_in_s=round(wait_s, 3), attempt=self._backoff.tries)
            await trio.sleep(wait_s)

    async def _live_once(self) -> str:
        why = ""
        try:
            async with ws.open_socket(
                self._wire,
                self._settings.ws_url,
                self._tls,
                user_agent=self._settings.user_agent,
                connect_timeout_s=self._settings.connect_timeout_s,
                silence_bound_s=self._settings.heartbeat_bound_s,
            ) as socket:
                await self._serve(socket)
        except* ws.LOST as group:
            why = ws.why(group.exceptions)
        except* VenueError as group:
            why = ws.why(group.exceptions)
        return why or "closed"

    async def _serve(self, socket: ws.Socket) -> None:
        self._subscribed, self._asked, self._broken = {}, {}, {}
        await socket.send(
            encode.frame("subscribe", encode.subscription("instrument", snapshot=True), next(self._req_ids))
        )
        async with trio.open_nursery() as session_nursery:
            session_nursery.start_soon(self._keep_subscribed, socket, name="link/public/subscriptions")
            while True:
                self._take(await socket.receive())

    def _lose(self, why: str) -> None:
        self.why = why
        for feed in self._feeds.values():
            feed.lose()
            self._sink.on_book(feed.book)

    # bringing the subscriptions to what is wanted

    async def _keep_subscribed(self, socket: ws.Socket) -> None:
        await self.known.wait()
        while True:
            self._changed = trio.Event()
            self._drop_unheld()
            now_s = trio.current_time()
            due = [symbol for symbol, due_s in self._broken.items() if due_s <= now_s]
            for symbol in due:
                del self._broken[symbol]
            unwanted = [
                one for one in self._subscribed if one[1] not in self._feeds or (one[0] == "book" and one[1] in due)
            ]
            await self._ask(socket, "unsubscribe", unwanted)
            missing = [(c, s) for c in CHANNELS for s in self._feeds if (c, s) not in self._subscribed]
            complete = await self._ask(socket, "subscribe", [one for one in missing if one[1] not in self._broken])
            next_s = min(self._broken.values(), default=math.inf) if complete else trio.current_time() + 1
            with trio.move_on_at(next_s):
                await self._changed.wait()

    def _drop_unheld(self) -> None:
        """Forget feeds nobody holds, in the schedule that unsubscribes them: until then a new holder may take over."""
        for feed in [feed for feed in self._feeds.values() if feed.holders == 0]:
            del self._feeds[feed.symbol]
            self._broken.pop(feed.symbol, None)
            feed.lose()

    async def _ask(self, socket: ws.Socket, method: str, wanted: list[Subscription]) -> bool:
        """Send one request per channel and wait for all answers; tell whether they all came."""
        sent: list[tuple[int, _Asked]] = []
        for channel in CHANNELS:
            symbols = [symbol for name, symbol in wanted if name == channel]
            if not symbols:
                continue
            req_id, asked = next(self._req_ids), _Asked(channel, symbols)
            self._asked[req_id] = asked
            sent.append((req_id, asked))
            await socket.send(encode.frame(method, self._params(method, channel, symbols), req_id))
        with trio.move_on_after(ACK_TIMEOUT_S) as waiting:
            for _, asked in sent:
                await asked.done.wait()
        for req_id, asked in sent:
            del self._asked[req_id]
            if method == "unsubscribe":  # unanswered or not: a fresh subscription must follow
                for symbol in asked.waiting:
                    self._subscribed.pop((asked.channel, symbol), None)
        return not waiting.cancelled_caught

    def _params(self, method: str, channel: str, symbols: list[str]) -> encode.Params:
        params = encode.subscription(channel, symbols)
        if channel == "book":
            params["depth"] = self._settings.book_depth
        if method == "subscribe":
            params["snapshot"] = channel != "trade"
        return params

    def _answered(self, response: Response) -> None:
        asked = self._asked.get(response.req_id) if response.req_id is not None else None
        if asked is None:
            return
        symbol = response.symbol or (response.result.symbol if response.result is not None else None)
        if symbol is None and len(asked.waiting) == 1:
            symbol = next(iter(asked.waiting))
        if symbol not in asked.waiting:
            return
        del asked.waiting[symbol]
        if not asked.waiting:
            asked.done.set()
        key = (asked.channel, symbol)
        if response.method == "unsubscribe":
            self._subscribed.pop(key, None)
            return
        self._subscribed[key] = None
        feed = self._feeds.get(symbol)
        if not response.success and not (response.error or "").startswith("Already subscribed"):
            log.warning("subscription.refused", channel=asked.channel, symbol=symbol, text=response.error)
            if feed is not None and asked.channel == "book":
                feed.refuse(response.error or "subscription refused without a reason")

    # what comes in

    def _take(self, text: str | bytes) -> None:
        frame = decode.message(text)
        if isinstance(frame, Response):
            self._answered(frame)
        elif isinstance(frame, Throttled):
            log.warning("request.dropped", link="public", text=frame.text)
        elif isinstance(frame, Channel):
            match frame.name:
                case "book":
                    for row in decode.books(frame):
                        self._book(row, snapshot=frame.snapshot)
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

    def _book(self, row: BookRow, *, snapshot: bool) -> None:
        feed = self._feeds.get(row.symbol)
        if feed is None or not (snapshot or feed.synced):
            return  # not watched any more, or an update of a subscription that is being replaced
        ts_ns = decode.moment(row.timestamp) if row.timestamp is not None else self._clock.now_ns()
        if not feed.apply(row, snapshot=snapshot, ts_ns=ts_ns):
            log.warning("book.broken", symbol=feed.symbol, snapshot=snapshot)
            self._broken[feed.symbol] = trio.current_time() + feed.lose()
            self._changed.set()
        self._sink.on_book(feed.book)

    def _trades(self, frame: Channel) -> None:
        for row in decode.trades(frame):
            self._sink.on_trade(
                PublicTrade(row.symbol, row.side, row.price, row.qty, row.trade_id, decode.moment(row.timestamp))
            )

    def _instruments(self, frame: Channel) -> None:
        for instrument in self._symbols.learn_instruments(decode.instruments(frame)):
            feed = self._feeds.get(instrument.symbol)
            if feed is not None and not feed.fits(instrument):
                self._broken[feed.symbol] = trio.current_time() + feed.lose()
                self._changed.set()
                self._sink.on_book(feed.book)
            self._sink.on_instrument(self._effective(instrument))
        if not self.known.is_set() or self._up_since_s == math.inf:
            self._up_since_s = trio.current_time()
            log.info("link.up", link="public")
            self.known.set()

    def _mode(self, system: str) -> None:
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
