"""Malformed frames and REST bodies at our client: each a value, a counted invalid frame, or an error of ours."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import structlog
import trio
import trio.testing

from engine.errors import VenueError, VenueProtocolError
from engine.kraken import decode
from engine.kraken.frames import Channel
from engine.kraken.key_info import check_key
from engine.kraken.link import KrakenLink
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.queries import Queries
from engine.kraken.rest import RestClient
from engine.kraken.rest_orders import RestOrders
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.net.budget import RollingBudget
from engine.net.wire import TcpWire
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.reports import Answer
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.values.money import Price, Qty
from engine.venue.protocol import Lane
from tests.fuzz.mutation import Mutator, messages

READERS = (
    decode.executions, decode.balances, decode.books, decode.trades, decode.tickers, decode.candles, decode.statuses,
    decode.instruments,
)  # fmt: skip
BATCH = 250
"""Cases on one world: state that a bad frame left behind must not make the next one fail."""
VIRTUAL_BOUND_S = 3600.0
"""No question waits that long on virtual time: one that does hangs."""
SHOWN = 600
"""Bytes of a case that a failure shows; its seed brings the rest."""
FAR_NS = 4 * 10**18
BOOK = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":49999.0,"qty":1.00000000}],'
    b'"asks":[{"price":50001.0,"qty":0.50000000}],"checksum":1,"timestamp":"2026-01-01T00:00:00.000000Z"}]}'
)
OHLC = (
    b'{"channel":"ohlc","type":"update","timestamp":"2026-01-01T00:01:00.000000000Z","data":[{"symbol":"BTC/USD",'
    b'"open":50000.0,"high":50001.0,"low":49999.0,"close":50000.5,"vwap":50000.1,"trades":3,"volume":0.50000000,'
    b'"interval_begin":"2026-01-01T00:00:00.000000000Z","interval":1,"timestamp":"2026-01-01T00:01:00.000000Z"}]}'
)
BATCH_ANSWER = (
    b'{"method":"batch_add","req_id":1,"success":true,"result":[{"order_id":"OAAAAA-BBBBB-CCCCCC","cl_ord_id":"c-1"}],'
    b'"time_in":"2026-01-01T00:00:00.000000Z","time_out":"2026-01-01T00:00:00.000100Z"}'
)


_NEW = NewOrder("c-1", "BTC/USD", "buy", "limit", Qty(Decimal("0.01")), Price(Decimal(49000)), deadline_ns=FAR_NS)
_AMEND = AmendOrder("c-1", "OAAAAA-BBBBB-CCCCCC", "BTC/USD", Qty(Decimal("0.01")), deadline_ns=FAR_NS)
_CANCEL = CancelOrder("c-1", "OAAAAA-BBBBB-CCCCCC", "BTC/USD", deadline_ns=FAR_NS)


class Failure(AssertionError):
    """A case that did what none may do. Its bytes are in the message."""


class _Deaf:
    """A sink that only takes what is typed as it promises."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values, **named: None


def run(cases: int, seed: int) -> dict[str, int]:
    """Try so many cases, half frames and half REST bodies; return how they ended. Raises Failure."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    ended: Counter[str] = Counter()
    try:
        for number in range(0, cases, BATCH):
            part = min(BATCH, cases - number)
            trio.run(_batch, part, f"{seed}/{number}", ended, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        structlog.reset_defaults()
    return dict(sorted(ended.items()))


async def _batch(cases: int, seed: str, ended: Counter[str]) -> None:
    rng = random.Random(seed)
    frames = Mutator(rng, [*messages(rest=False).values(), BOOK, OHLC, BATCH_ANSWER])
    streams = _Streams(rng)
    async with _rest_world(rng) as rest:
        for number in range(cases):
            raw = rest.draw() if number % 2 else frames.draw()
            try:
                with trio.fail_after(VIRTUAL_BOUND_S):
                    how = await rest.take() if number % 2 else streams.take(frames.text(raw))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                raise Failure(f"seed {seed}, case {number}: {what}: {raw[:SHOWN]!r}") from error
            ended[how] += 1


class _Streams:
    """The decoder, and both streams of an adapter that never connects."""

    def __init__(self, rng: random.Random) -> None:
        link = KrakenLink(
            _settings(),
            _Deaf(),  # type: ignore[arg-type]  # a sink by its ear
            _NoRest(),  # type: ignore[arg-type]  # nothing is asked of it here
            wire=TcpWire(),
            clock=VirtualClock(),
            chance=SeededChance(rng.randrange(2**32)),
            dialling=RollingBudget(120, 600),
        )
        self._streams = (link._public, link._private)
        for stream in self._streams:
            stream._monitor.dial(0)
            stream._monitor.connected(0)
        link._public._take(messages(rest=False)["instrument"])
        for channel in ("book", "trade", "ticker", "ohlc"):
            link.hold(link.topic(channel, "BTC/USD"), "fuzz")  # type: ignore[arg-type]

    def take(self, text: str | bytes) -> str:
        """Feed one frame to the decoder, then to both streams; return how it ended."""
        ended = self._decoded(text)
        for stream in self._streams:
            before = stream._monitor.view(0).invalid
            try:
                stream._take(text)
            except VenueProtocolError:
                if stream is self._streams[0]:
                    raise  # a bad frame never costs the public stream its connection
            counted = stream._monitor.view(0).invalid - before
            if ended == "unreadable" and not counted:
                raise AssertionError(f"a frame that nobody can read was not counted by {type(stream).__name__}")
        return f"frame {ended}"

    @staticmethod
    def _decoded(text: str | bytes) -> str:
        try:
            frame = decode.message(text)
        except VenueProtocolError:
            return "unreadable"
        if not isinstance(frame, Channel):
            return "value"
        read = 0
        for reader in READERS:
            try:
                _require_numbers(reader(frame))
                read += 1
            except VenueProtocolError:
                decode.symbols(frame)
        return "value" if read else "of no channel"


class _RestWorld:
    """The REST client over a transport that answers with drawn bytes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, self._body = rng, b""
        self._sound = messages(rest=True)
        self._bodies = Mutator(rng, list(self._sound.values()))
        settings, clock, chance = _settings(), VirtualClock(), SeededChance(1)
        self.http = httpx.AsyncClient(base_url=settings.rest_url, transport=httpx.MockTransport(self._answer))
        client = RestClient(settings, self.http, clock, chance, MemoryNonceStore())
        ask = self._queries = Queries(client, Symbols(), clock, VenueTime())
        self._orders = RestOrders(settings, client, Symbols(), clock, VenueTime())
        self._trade_key = client.trade_key
        self._questions: tuple[tuple[str, Callable[[], Awaitable[Any]]], ...] = (
            ("rest_time", ask.measure_clock),
            ("rest_system_status", ask.system_status),
            ("rest_asset_pairs", ask.learn_pairs),
            ("rest_websockets_token", ask.websockets_token),
            ("rest_open_orders", ask.open_orders),
            ("rest_closed_orders", ask.closed_orders),
            ("rest_closed_orders", lambda: ask.query_orders(["OAAAAA-BBBBB-CCCCCC"])),
            ("rest_trades_history", lambda: ask.trades_since(0)),
            ("rest_trades_history", lambda: ask.query_trades(["TAAAAA-BBBBB-CCCCCC"])),
            ("rest_balance_ex", ask.balances),
            ("rest_trade_volume", lambda: ask.fee_rates("BTC/USD")),
            ("rest_failure", self._key_info),
            ("rest_add_order", self._order(_NEW)),
            ("rest_amend_order", self._order(_AMEND)),
            ("rest_cancel_order", self._order(_CANCEL)),
        )
        self._question = self._questions[0][1]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self._rng.choices((200, 500, 301), (38, 1, 1))[0], content=self._body)

    def draw(self) -> bytes:
        """Choose a question and the bytes that will answer it: mostly a spoiled answer to this very question."""
        name, self._question = self._rng.choice(self._questions)
        self._body = self._bodies.draw(self._sound[name] if self._rng.random() < 0.8 else None)
        return self._body

    async def take(self) -> str:
        """Ask, and return how it ended."""
        try:
            answer = await self._question()
        except VenueError as error:
            return f"query {type(error).__name__}"
        _require_numbers(answer)
        return f"order {answer.outcome.name}" if isinstance(answer, Answer) else "query value"

    def _order(self, request: Request) -> Callable[[], Awaitable[Answer]]:
        return lambda: self._orders.send(request, Lane.EMERGENCY)

    async def _key_info(self) -> None:
        check_key(await self._queries.key_info(self._trade_key), now_ns=VirtualClock().now_ns())


@asynccontextmanager
async def _rest_world(rng: random.Random) -> AsyncIterator[_RestWorld]:
    world = _RestWorld(rng)
    async with world.http:
        yield world


def _require_numbers(value: object) -> None:
    """Nothing that is no number may pass for one."""
    text = repr(value)
    if "Decimal('NaN" in text or "Decimal('sNaN" in text or "Infinity')" in text:
        raise AssertionError(f"no number: {text[:SHOWN]}")


class _NoRest:
    """Nothing is asked here."""

    down_since_s = None


def _settings() -> KrakenSettings:
    return KrakenSettings(
        api_key=Secret("k"), api_secret=Secret("c2Vj" * 21 + "cw=="), mode="simulated", rest_url="http://h",
        ws_url="ws://h/v2", ws_auth_url="ws://h/v2", plain_host="h",
    )  # fmt: skip
