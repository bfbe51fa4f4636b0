"""A reader of somebody else's public WebSocket v2: what a live market and a recorder hear."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

import msgspec
import trio
import trio_websocket

from engine.net.wire import Wire
from engine.sim.source_frames import Frame, decode_frame

KRAKEN_URL = "wss://ws.kraken.com/v2"
DEPTHS = (10, 25, 100, 500, 1000)
_OPEN_S = 10.0
_SILENCE_S = 10.0  # a heartbeat comes every second
_FAREWELL_S = 0.1  # enough to say it; whether it is heard does not matter any more
_MOST_MESSAGE = 1 << 24
_FRAMES_AHEAD = 1024
_PAUSE_FIRST_S, _PAUSE_MOST_S = 1.0, 30.0
_SETTLED_S = 30.0
_encode = msgspec.json.Encoder().encode
Request = dict[str, object]
INSTRUMENTS: Request = {"method": "subscribe", "params": {"channel": "instrument"}}


class SourceLost(Exception):
    """The source cannot be reached, or fell silent, or went away."""


class SourceRefused(Exception):
    """The source does not have what it was asked for, or says what nobody can read."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a source listens."""

    host: str
    port: int
    path: str
    tls: bool


def address_of(url: str) -> Address:
    """Read a ``ws://`` or ``wss://`` address; the path is /v2 when there is none. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a WebSocket: ws://HOST:PORT/v2 or wss://HOST/v2")
    tls = parts.scheme == "wss"
    return Address(parts.hostname, parts.port or (443 if tls else 80), parts.path.rstrip("/") or "/v2", tls)


def subscriptions(symbols: Iterable[str], depth: int) -> list[Request]:
    """Return what a follower asks for: books and trades of its symbols."""
    named = list(symbols)
    return [
        {"method": "subscribe", "params": {"channel": "book", "symbol": named, "depth": depth}},
        {"method": "subscribe", "params": {"channel": "trade", "symbol": named, "snapshot": False}},
    ]


def book_again(symbol: str, depth: int) -> list[Request]:
    """Return what brings a new snapshot of one symbol's book."""
    params = {"channel": "book", "symbol": [symbol], "depth": depth}
    return [{"method": "unsubscribe", "params": params}, {"method": "subscribe", "params": params}]


class Pauses:
    """The waits before new connections: doubling to a bound, each from its upper half, anew after a settled life."""

    def __init__(self, rng: Random) -> None:
        self._rng, self._next_s = rng, _PAUSE_FIRST_S

    def next_s(self, lived_s: float) -> float:
        """Return the wait after a connection that lived so long."""
        if lived_s >= _SETTLED_S:
            self._next_s = _PAUSE_FIRST_S
        bound, self._next_s = self._next_s, min(_PAUSE_MOST_S, self._next_s * 2)
        return bound * (0.5 + self._rng.random() / 2)


async def follow(
    wire: Wire, address: Address, requests: Iterable[Request], take: Callable[[Frame, str], Sequence[Request]]
) -> None:
    """Connect, ask, and hand every frame over with its text until the connection ends; ``take`` returns what to ask
    further. Ends by SourceLost, by SourceRefused, or by what ``take`` raises.
    """
    outcome: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            await _follow(nursery, wire, address, requests, take)
    except BaseExceptionGroup as group:
        outcome = _leaf(group)
        if outcome is None:
            raise
    if isinstance(outcome, _LOST):
        raise SourceLost(_why(outcome)) from outcome
    if outcome is not None:
        raise outcome


async def _follow(
    nursery: trio.Nursery,
    wire: Wire,
    address: Address,
    requests: Iterable[Request],
    take: Callable[[Frame, str], Sequence[Request]],
) -> None:
    tls = ssl.create_default_context() if address.tls else None
    with trio.fail_after(_OPEN_S):
        stream = await wire.connect(address.host, address.port, tls=tls)
        host = address.host if address.port in (80, 443) else f"{address.host}:{address.port}"
        ws = await trio_websocket.wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any stream will do; the hints are narrower than the code
            host,
            address.path,
            extra_headers=[(b"User-Agent", b"kraken-order-engine")],
            max_message_size=_MOST_MESSAGE,
            message_queue_size=_FRAMES_AHEAD,
        )
    try:
        await _send(ws, requests)
        while True:
            with trio.fail_after(_SILENCE_S):
                message = await ws.get_message()
            text = message if isinstance(message, str) else message.decode()
            frame = _decoded(text)
            if frame.method == "subscribe" and frame.success is False:
                raise SourceRefused(frame.error or "a subscription was refused")
            await _send(ws, take(frame, text))
    finally:
        with trio.move_on_after(_FAREWELL_S, shield=True):
            await ws.aclose()
        nursery.cancel_scope.cancel()


async def _send(ws: trio_websocket.WebSocketConnection, requests: Iterable[Request]) -> None:
    for request in requests:
        with trio.fail_after(_SILENCE_S):
            await ws.send_message(_encode(request).decode())


def _decoded(text: str) -> Frame:
    try:
        return decode_frame(text)
    except ValueError as error:
        raise SourceRefused(f"it sends what is no frame: {error}") from error


_LOST = (
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    OSError,
)
_OURS = (SourceLost, SourceRefused, ValueError)


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return what a group is about, when everything in it is one of our own ends; None when anything else is."""
    leaves = list(_leaves(group))
    if not all(isinstance(error, (*_LOST, *_OURS)) for error in leaves):
        return None
    return next((error for error in leaves if isinstance(error, _OURS)), leaves[0])


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _why(error: BaseException) -> str:
    match error:
        case trio.TooSlowError():
            return f"nothing was heard for {math.floor(_SILENCE_S)} s"
        case trio_websocket.ConnectionRejected():
            return f"it refused the connection with status {error.status_code}"
        case trio_websocket.ConnectionClosed() if error.reason is not None:
            return f"it closed the connection: {error.reason.code} {error.reason.reason or ''}".rstrip()
        case OSError() if error.strerror:
            return error.strerror
    return str(error) or type(error).__name__
