"""The wire: how a byte stream to a host comes to be. Real (TCP, TLS) or virtual (pipes on trio's clock)."""

from __future__ import annotations

import contextlib
import math
import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import trio

Handler = Callable[[trio.abc.Stream], Awaitable[None]]
"""Serves one accepted connection until it ends; the caller closes the stream afterwards."""


class Wire(Protocol):
    """Opens byte streams."""

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> trio.abc.Stream:
        """Open a stream to host:port, inside TLS when a context is given.

        Raises OSError when nothing answers there: then certainly nothing was sent. Has no deadline of its own.
        """
        ...


class TcpWire:
    """The machine's network. ``around`` may put something around each connection, beneath TLS."""

    def __init__(self, around: Callable[[trio.SocketStream], trio.abc.HalfCloseableStream] | None = None) -> None:
        self._around = around

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> trio.abc.Stream:
        """Open TCP, then TLS with the certificate checked against ``host`` before anything is sent."""
        socket = await trio.open_tcp_stream(host, port)
        tcp = socket if self._around is None else self._around(socket)
        if tls is None:
            return tcp
        secure = trio.SSLStream(tcp, tls, server_hostname=host, https_compatible=True)
        try:
            await secure.do_handshake()
        except trio.BrokenResourceError as error:
            await trio.aclose_forcefully(secure)
            raise OSError(f"TLS with {host}:{port} failed: {error.__cause__ or error}") from error
        except BaseException:
            await trio.aclose_forcefully(secure)
            raise
        return secure


class _Pipe:
    """One direction of a virtual connection: (arrival time, bytes), in order as TCP keeps it."""

    def __init__(self) -> None:
        self.queue: deque[tuple[float, bytes]] = deque()
        self.last_at = 0.0
        self.eof = False
        self.broken = False
        self.stalled_until = 0.0
        self.trickle: tuple[int, float, float] | None = None  # bytes, pause between them, until when
        self._waiting: list[trio.CancelScope] = []  # one for each reader, with its deadline at what is due next

    def poke(self) -> None:
        """Let whoever waits look again when the next bytes are due, at once where none will come."""
        due = -math.inf if self.broken or (self.eof and not self.queue) else self._due()
        for scope in self._waiting:
            scope.deadline = due

    def _due(self) -> float:
        return max(self.queue[0][0], self.stalled_until) if self.queue else math.inf

    def put(self, data: bytes, latency: float) -> None:
        self.last_at = max(self.last_at, trio.current_time() + latency)
        if self.trickle is not None and trio.current_time() < self.trickle[2]:
            size, pause_s, _ = self.trickle
            for start in range(0, len(data), size):
                self.queue.append((self.last_at, data[start : start + size]))
                self.last_at += pause_s
        else:
            self.queue.append((self.last_at, data))
        self.poke()

    def readable(self) -> bool:
        return self.broken or (self.eof and not self.queue) or self._due() <= trio.current_time()

    async def get(self, max_bytes: int | None) -> bytes:
        """Return what is due; a checkpoint in any case."""
        if self.readable():
            await trio.lowlevel.checkpoint()
        while not self.readable():
            with trio.CancelScope(deadline=self._due()) as scope:
                self._waiting.append(scope)
                try:
                    await trio.sleep_forever()
                finally:
                    self._waiting.remove(scope)
        if self.broken:
            raise trio.BrokenResourceError("virtual connection reset")
        return self._take(max_bytes) if self.queue else b""

    def _take(self, max_bytes: int | None) -> bytes:
        due, data = self.queue.popleft()
        if max_bytes is not None and len(data) > max_bytes:
            self.queue.appendleft((due, data[max_bytes:]))
            return data[:max_bytes]
        return data


class VirtualStream(trio.abc.HalfCloseableStream):
    """One end of a virtual connection. Its repr holds no memory address, so traces stay equal."""

    def __init__(self, name: str, incoming: _Pipe, outgoing: _Pipe, wire: VirtualWire) -> None:
        self.name = name
        self._incoming, self._outgoing, self._wire = incoming, outgoing, wire
        self._closed = False

    def __repr__(self) -> str:
        return f"<VirtualStream {self.name}>"

    def is_readable(self) -> bool:
        """Tell whether a read would return at once (bytes, end or reset): httpcore asks before it reuses."""
        return self._incoming.readable()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Put bytes on the wire; they arrive after the wire's latency, in order.

        They go at once, as a socket with room takes them: others run only after that.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise trio.ClosedResourceError("virtual stream is closed")
        if self._outgoing.broken:
            raise trio.BrokenResourceError("virtual connection reset")
        if data:
            self._wire._observe(self.name, bytes(data))
            self._outgoing.put(bytes(data), self._wire._latency())
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: a virtual pipe never fills."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return bytes that have arrived, b"" after the peer's end."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("virtual stream is closed")
        data = await self._incoming.get(max_bytes)
        if self._closed:
            raise trio.ClosedResourceError("virtual stream is closed")
        return data

    async def send_eof(self) -> None:
        """Tell the peer that nothing more comes."""
        await trio.lowlevel.checkpoint()
        self._outgoing.eof = True
        self._outgoing.poke()

    async def aclose(self) -> None:
        """Close both directions; what was sent before still arrives."""
        self.drop()
        await trio.lowlevel.checkpoint()

    def drop(self) -> None:
        """Close without a checkpoint, as the kernel does for a process that was killed."""
        if not self._closed:
            self._closed = True
            self._outgoing.eof = True
            self._outgoing.poke()
            self._incoming.broken = True  # our own pending receive wakes up
            self._incoming.poke()


@dataclass
class Connection:
    """A virtual connection seen from outside, with the faults that TCP can have."""

    name: str
    to_server: _Pipe
    to_client: _Pipe

    @property
    def dead(self) -> bool:
        """Both directions have ended."""
        return all(p.broken or p.eof for p in (self.to_server, self.to_client))

    def reset(self) -> None:
        """Drop everything in flight and break both directions."""
        for pipe in (self.to_server, self.to_client):
            pipe.broken = True
            pipe.queue.clear()
            pipe.poke()

    def truncate(self, keep_bytes: int) -> None:
        """Let ``keep_bytes`` of the next answer through, then end it."""
        if self.to_client.queue:
            due, data = self.to_client.queue[0]
            self.to_client.queue.clear()
            self.to_client.queue.append((due, data[:keep_bytes]))
        self.to_client.eof = True
        self.to_client.poke()

    def trickle(self, seconds: float, piece_bytes: int, pause_s: float) -> None:
        """Let what is sent from now on arrive in pieces with pauses between them, for a while."""
        for pipe in (self.to_server, self.to_client):
            pipe.trickle = (piece_bytes, pause_s, trio.current_time() + seconds)

    def stall(self, seconds: float, *, to_server: bool = True, to_client: bool = True) -> None:
        """Deliver nothing for a while in the chosen directions (half-open)."""
        for wanted, pipe in ((to_server, self.to_server), (to_client, self.to_client)):
            if wanted:
                pipe.stalled_until = max(pipe.stalled_until, trio.current_time() + seconds)
                pipe.poke()


class VirtualWire:
    """An internet in memory: handlers listen at (host, port), latencies come from a seeded stream.

    ``observers`` are called with (connection end, bytes) for everything sent: the byte-exact record of a run.
    """

    def __init__(self, nursery: trio.Nursery, rng: random.Random, latency_s: float = 0.01) -> None:
        self._nursery, self._rng = nursery, rng
        self.latency_s = latency_s
        self.observers: list[Callable[[str, bytes], None]] = []
        self.connections: list[Connection] = []
        self.refused_until = 0.0
        self.refusals = 0
        self._handlers: dict[tuple[str, int], Handler] = {}
        self._count = 0

    def listen(self, host: str, port: int, handler: Handler) -> None:
        """Answer connections to host:port with ``handler``."""
        self._handlers[host, port] = handler

    def refuse(self, seconds: float) -> None:
        """Refuse every new connection for a while."""
        self.refused_until = trio.current_time() + seconds

    def _latency(self) -> float:
        return self.latency_s * (0.5 + self._rng.random())

    def _observe(self, name: str, data: bytes) -> None:
        for observer in self.observers:
            observer(name, data)

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> trio.abc.Stream:  # noqa: ARG002
        """Open a virtual connection; TLS is left out on the virtual wire."""
        await trio.sleep(self._latency() * 2)
        if trio.current_time() < self.refused_until or (host, port) not in self._handlers:
            self.refusals += 1
            raise ConnectionRefusedError(f"connection refused by {host}:{port} (virtual)")
        self._count += 1
        name = f"{host}:{port}#{self._count}"
        connection = Connection(name, _Pipe(), _Pipe())
        client = VirtualStream(name + "/client", connection.to_client, connection.to_server, self)
        server = VirtualStream(name + "/server", connection.to_server, connection.to_client, self)
        self.connections = [c for c in self.connections if not c.dead] + [connection]
        self._nursery.start_soon(self._serve, self._handlers[host, port], server, name=f"serve/{name}")
        return client

    async def _serve(self, handler: Handler, stream: VirtualStream) -> None:
        try:
            await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer went away: ordinary on any network
        finally:
            with trio.move_on_after(1, shield=True):
                await stream.aclose()


@contextlib.asynccontextmanager
async def open_virtual_wire(rng: random.Random, latency_s: float = 0.01) -> AsyncIterator[VirtualWire]:
    """Give a virtual wire whose connections end with the block."""
    async with trio.open_nursery() as nursery:
        yield VirtualWire(nursery, rng, latency_s)
        nursery.cancel_scope.cancel()
