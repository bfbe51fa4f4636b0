"""A simulated exchange in the test's own process, for an engine in another: nothing that crosses the wire is hidden."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import trio

from engine.seams.chance import SystemChance
from engine.seams.clock import Clock, SystemClock
from engine.sim import Exchange, SimSettings


class SkewedClock(SystemClock):
    """A clock that is 20 seconds ahead of this machine's."""

    def now_ns(self) -> int:
        return super().now_ns() + 20 * 10**9


class _Tapped(trio.abc.Stream):
    """A connection whose bytes are kept, those of each way apart."""

    def __init__(self, stream: trio.abc.Stream, received: bytearray, sent: bytearray) -> None:
        self._stream, self._received, self._sent = stream, received, sent

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self._stream.receive_some(max_bytes))
        self._received += data
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._sent += data
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


@dataclass
class Venue:
    """The exchange, where it listens, and all bytes of every connection."""

    exchange: Exchange
    port: int = 0
    wires: list[tuple[bytearray, bytearray]] = field(default_factory=list)

    async def serve(self, stream: trio.abc.Stream) -> None:
        received, sent = bytearray(), bytearray()
        self.wires.append((received, sent))
        await self.exchange.serve(_Tapped(stream, received, sent))

    def environment(self, **more: str) -> dict[str, str]:
        """The variables that point an engine at it; ``more`` are further ones, without their prefix."""
        ws = f"ws://127.0.0.1:{self.port}/v2"
        given = {
            "VENUE": "simulated",
            "API_KEY": self.exchange.api_key,
            "API_SECRET": self.exchange.api_secret,
            "KRAKEN__REST_URL": f"http://127.0.0.1:{self.port}",
            "KRAKEN__WS_URL": ws,
            "KRAKEN__WS_AUTH_URL": ws,
            **more,
        }
        return {f"ENGINE_{name}": value for name, value in given.items()}

    def signatures(self) -> set[bytes]:
        """Every signature that a request came with."""
        return {found for wire, _ in self.wires for found in re.findall(rb"(?i)api-sign: *(\S+)", bytes(wire))}

    def tokens(self) -> set[bytes]:
        """Every WebSocket token that was given out."""
        return {found for _, wire in self.wires for found in re.findall(rb'"token": ?"([^"]+)"', bytes(wire))}


@asynccontextmanager
async def open_venue(clock: Clock | None = None, **settings: Any) -> AsyncIterator[Venue]:
    """Run an exchange on loopback with a quiet, wide market."""
    venue = Venue(Exchange(SimSettings(**settings), clock or SystemClock(), SystemChance()))
    house = venue.exchange.house
    house.quote("BTC/USD", "buy", Decimal(49990), Decimal(1))
    house.quote("BTC/USD", "sell", Decimal(50000), Decimal(1))
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    venue.port = int(listeners[0].socket.getsockname()[1])
    async with venue.exchange.running(), trio.open_nursery() as venue_nursery:
        venue_nursery.start_soon(trio.serve_listeners, venue.serve, listeners)
        yield venue
        venue_nursery.cancel_scope.cancel()
