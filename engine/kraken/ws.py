"""One WebSocket connection: opened, watched and closed within bounds."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
import trio_websocket

from engine.errors import VenueUnavailable
from engine.net.link_monitor import LinkMonitor
from engine.net.throttle import Throttle
from engine.net.wire import Wire
from engine.venue.protocol import Lane, always

RECEIVE_BYTES = 65_536
MOST_MESSAGE_BYTES = 2**24
"""The instrument snapshot of a full exchange passes one mebibyte."""
QUEUE_FRAMES = 1_024
"""Read ahead of us, so that a burst does not hold up the answers to pings: a second of a very busy market."""
OPCODE, TEXT = 0x0F, 0x01
"""Where a frame of the protocol says what it is, and that it is a message."""
CLOSE_S = 1.0
FAREWELL_S = 0.05


class Silent(Exception):
    """The peer has sent nothing for longer than it ever should, or we have given the connection up."""


class Withheld(Exception):
    """A message that was not written: it did not stand any more when its turn had come."""


class _Doorway(trio.abc.Stream):
    """The stream under a connection. Whoever sends a message is asked right before its bytes go whether it stands.

    Before that it waits for others' bytes, a full socket among them: what was decided then may not hold any more.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.stands: Callable[[], bool] = always
        self.passed = False
        """Whether bytes of the last message have gone."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if data[0] & OPCODE == TEXT:  # answers to pings and farewells go in between
            if not self.stands():
                raise Withheld
            self.passed = True
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Socket:
    """An open connection, its traffic counted. One task receives; anyone may send. Pings of the protocol are answered
    underneath.
    """

    def __init__(
        self,
        connection: trio_websocket.WebSocketConnection,
        doorway: _Doorway,
        silence_bound_s: float,
        monitor: LinkMonitor,
    ) -> None:
        self._connection, self._doorway, self._monitor = connection, doorway, monitor
        self._line = trio.Lock()
        policy = monitor.policy
        self._throttle = Throttle(
            policy.requests_most, policy.requests_within_s, policy.requests_reserved, urgent=Lane.CANCEL
        )
        self._silence_bound_s = silence_bound_s
        self._abandoned = ""
        self._listening = trio.CancelScope()
        self.last_frame_s = trio.current_time()

    @property
    def open(self) -> bool:
        """Whether a send would still be written, and may be answered."""
        return self._connection.closed is None and not self._abandoned

    async def turn(self, lane: Lane) -> bool:
        """Wait until one more message keeps within the venue's message rate; False: the connection went meanwhile.

        Exits go first, and cancels and pings may use what entries must leave. What is sent without a turn is not
        counted.
        """
        return await self._throttle.turn(lane) and self.open

    async def send(self, text: str, stands: Callable[[], bool] = always) -> None:
        """Write one message, if it still stands right before its first byte; Withheld tells that it does not.

        Raises ConnectionClosed or TooSlowError; then nobody knows how much of it was written.
        """
        with trio.fail_after(self._silence_bound_s):
            async with self._line:
                await self._write(text, stands)

    async def _write(self, text: str, stands: Callable[[], bool]) -> None:
        complete, self._doorway.stands, self._doorway.passed = False, stands, False
        try:
            await self._connection.send_message(text)
            complete = True
            self._monitor.sent(_size(text))
        finally:
            if self._doorway.passed and not complete:  # half a frame may be out: what followed were read as its rest
                self.abandon("a send was cut off")

    def abandon(self, why: str) -> None:
        """Make ``receive`` give up: the connection shall not be used any further."""
        self._abandoned = self._abandoned or why
        self._throttle.close()
        self._listening.cancel()

    async def receive(self) -> str | bytes:
        """Return the next message. Raises Silent, or ConnectionClosed at the end."""
        with trio.move_on_after(self._silence_bound_s) as self._listening:
            if self._abandoned:
                self._listening.cancel()
            message = await self._connection.get_message()
            self.last_frame_s = trio.current_time()
            self._monitor.received(_size(message), self.last_frame_s)
            return message
        raise Silent(self._abandoned or f"nothing heard for {self._silence_bound_s:g} s")


def _size(message: str | bytes) -> int:
    """Return the bytes of a message; nearly all are ASCII, and those tell without being encoded."""
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode())


LOST = (
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    OSError,
    Silent,
)
"""What a lost connection looks like, wherever it is noticed."""


def why(errors: Sequence[BaseException]) -> str:
    """Say in a few words what ended a connection, from the leaves of an exception group."""
    for error in errors:
        if isinstance(error, BaseExceptionGroup):
            return why(error.exceptions)
        if isinstance(error, trio_websocket.ConnectionClosed):
            reason = error.reason
            return f"closed by the peer: {reason.code} {reason.reason or ''}".rstrip() if reason else "closed"
        return str(error) or type(error).__name__
    return "closed"


@asynccontextmanager
async def open_socket(
    wire: Wire,
    url: str,
    tls: ssl.SSLContext | None,
    *,
    user_agent: str,
    connect_timeout_s: float,
    silence_bound_s: float,
    monitor: LinkMonitor,
) -> AsyncIterator[Socket]:
    """Connect and give the socket. Errors, the body's too, come out as groups: use ``except*``.

    Raises VenueUnavailable when the connection does not come about in time.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    async with trio.open_nursery() as socket_nursery:
        try:
            with trio.fail_after(connect_timeout_s):
                stream = await wire.connect(host, port, tls=tls)
                doorway = _Doorway(stream)
                connection = await _handshake(socket_nursery, doorway, parts.netloc, parts.path or "/", user_agent)
        except (OSError, trio.TooSlowError, trio_websocket.HandshakeError, trio_websocket.ConnectionClosed) as error:
            raise VenueUnavailable(f"no WebSocket to {host}:{port}: {error or type(error).__name__}") from error
        try:
            yield Socket(connection, doorway, silence_bound_s, monitor)
        finally:
            # A half-open peer would keep us for ever. Under cancellation the reader is gone and nobody would see the
            # peer's farewell: then ours only has to get out.
            cancelled = trio.current_effective_deadline() == -math.inf
            with trio.move_on_after(FAREWELL_S if cancelled else CLOSE_S, shield=True):
                await connection.aclose()
            with trio.CancelScope(shield=True):  # the library leaves it open when the peer broke the connection
                await trio.aclose_forcefully(stream)
            socket_nursery.cancel_scope.cancel()


async def _handshake(
    socket_nursery: trio.Nursery, stream: trio.abc.Stream, netloc: str, path: str, user_agent: str
) -> trio_websocket.WebSocketConnection:
    try:
        connection = await trio_websocket.wrap_client_stream(
            socket_nursery,
            stream,  # type: ignore[arg-type]  # any stream will do; the hints are narrower than the code
            netloc,
            path,
            extra_headers=[(b"User-Agent", user_agent.encode("ascii"))],
            message_queue_size=QUEUE_FRAMES,
            max_message_size=MOST_MESSAGE_BYTES,
            receive_buffer_size=RECEIVE_BYTES,
        )
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    if connection.closed is not None:
        raise trio_websocket.ConnectionClosed(connection.closed)
    return connection
