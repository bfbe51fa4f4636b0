"""The other end: the simulated exchange in a process of its own, so that its work is not on the measured loop.

``python -m tests.bench.peer PAIRS ACCOUNT...`` prints its addresses as one line of JSON and then obeys lines of JSON:

- ``record``: fill an account's orders by real matches while its private frames are held back, byte for byte;
- ``send``: write held frames, to the account's own connection or, as a copy, to a floor's replay connection.

Every account has a port of its own for its private stream; replay connections name themselves by their path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
import trio
import trio.testing
import trio_websocket

from engine.seams.chance import SeededChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings
from engine.sim.instruments import DEFAULT_ASSETS, AssetSpec, PairSpec

PRICE, FILL, QTY = Decimal("100.00"), Decimal("0.01"), Decimal("100.0")
"""Every client order buys QTY at PRICE; every recorded fill is FILL of it."""
LEVELS = 11
"""House quotes above our orders: one more than the depth the engine watches, so that entries do not move its book."""


def symbol(number: int) -> str:
    """Name a pair."""
    return f"B{number:03d}/USD"


def settings_of(pairs: int, accounts: list[str]) -> SimSettings:
    """Return an exchange with room for all that is measured, which answers at once."""
    specs = tuple(
        PairSpec(
            symbol=symbol(number),
            altname=f"B{number:03d}USD",
            rest_key=f"XB{number:03d}ZUSD",
            wsname=symbol(number),
            base=f"B{number:03d}",
            quote="USD",
            price_precision=2,
            tick=Decimal("0.01"),
            qty_min=Decimal("0.0001"),
        )
        for number in range(pairs)
    )
    assets = tuple(
        AssetSpec(name=spec.base, rest_key="X" + spec.base, altname=spec.base, decimals=10, display_decimals=5)
        for spec in specs
    )
    funds = MappingProxyType({"USD": Decimal(10**9)} | {spec.base: Decimal(10**6) for spec in specs})
    return SimSettings(
        assets=(*DEFAULT_ASSETS[:1], *assets),
        pairs=specs,
        accounts=MappingProxyType(dict.fromkeys(accounts, funds)),
        max_open_orders=100_000,
        processing_delay_s=0.0,
    )


class Gate(trio.abc.Stream):
    """A server's end of a private connection that can hold what is written, in the order it was written."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._lock = trio.Lock()
        self.held: list[bytes] | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.held is not None:
            self.held.append(bytes(data))
            await trio.lowlevel.checkpoint()
        else:
            await self.write(bytes(data))

    async def write(self, data: bytes) -> None:
        """Write past the gate."""
        async with self._lock:
            await self._stream.send_all(data)

    async def open(self) -> None:
        """Write what is held and hold nothing any more."""
        held, self.held = self.held or [], None
        await self.write(b"".join(held))

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Peer:
    """The exchange and the commands."""

    def __init__(self, pairs: int, accounts: list[str]) -> None:
        self._pairs = pairs
        self.exchange = Exchange(settings_of(pairs, accounts), SystemClock(), SeededChance("bench"))
        self._gates: dict[str, Gate] = {}
        self._replays: dict[str, trio.SocketStream] = {}
        self._groups: dict[str, list[bytes]] = {}  # per account: all frames of one fill together
        self._sent: dict[str, int] = {}
        for number in range(pairs):
            for level in range(LEVELS):
                step = Decimal(level) / 100
                self.exchange.house.quote(symbol(number), "buy", PRICE + Decimal("0.50") - step, QTY)
                self.exchange.house.quote(symbol(number), "sell", PRICE + Decimal("1.00") + step, QTY)

    async def run(self, accounts: list[str]) -> None:
        """Serve until standard input ends."""
        async with self.exchange.running(), trio.open_nursery() as nursery:
            ports = {name: await self._listen(nursery, partial(self._private, name)) for name in accounts}
            public = await self._listen(nursery, self.exchange.serve)
            replay = await self._listen(nursery, self._replay)
            credentials = {name: self.exchange.credentials(name) for name in accounts}
            say({"public": public, "replay": replay, "private": ports, "credentials": credentials})
            async with trio.lowlevel.FdStream(os.dup(0)) as commands:
                pending = b""
                async for chunk in commands:
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        say(await self._obey(msgspec.json.decode(line)))
            nursery.cancel_scope.cancel()

    @staticmethod
    async def _listen(nursery: trio.Nursery, handler: Any) -> int:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handler, [listener])
        return int(listener.socket.getsockname()[1])

    async def _private(self, account: str, stream: trio.SocketStream) -> None:
        gate = self._gates[account] = Gate(stream)
        await self.exchange.serve(gate)

    async def _replay(self, stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            ws = await request.accept()
            self._replays[request.path.strip("/")] = stream
            try:
                await ws.get_message()  # nothing comes: the floor only listens
            except trio_websocket.ConnectionClosed:
                nursery.cancel_scope.cancel()

    async def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["do"]:
            case "record":
                return {"groups": await self._record(**command["with"])}
            case "send":
                return {"sent": await self._send(**command["with"])}
        raise ValueError(command)

    async def _record(self, account: str, pairs: list[int], fills: int) -> int:
        """Fill the orders of an account on ``pairs`` in turn, ``fills`` times altogether."""
        house, gate = self.exchange.house, self._gates[account]
        for number in pairs:
            house.clear(symbol(number))
        await trio.testing.wait_all_tasks_blocked()
        gate.held, groups = [], []
        for turn in range(fills):
            if house.take(symbol(pairs[turn % len(pairs)]), "sell", FILL) != FILL:
                raise RuntimeError(f"fill {turn} of {account} found no order")
            await trio.testing.wait_all_tasks_blocked()
            groups.append(b"".join(gate.held))
            gate.held.clear()
        self._groups[account], self._sent[account] = groups, 0
        return len(groups)

    async def _send(self, to: str, account: str, count: int, every_s: float) -> int:
        """Write the next ``count`` groups, each by itself or (``every_s`` 0) all at once.

        The account's own gate opens after its last group.
        """
        gate = self._gates.get(to)
        write = gate.write if gate is not None else self._replays[to].send_all
        start = self._sent.get(to, 0)
        groups = self._groups[account][start : start + count]
        self._sent[to] = start + len(groups)
        next_s = trio.current_time()
        for group in groups if every_s else [b"".join(groups)]:
            await write(group)
            next_s += every_s
            await trio.sleep_until(next_s)
        if gate is not None and self._sent[to] == len(self._groups[account]):
            await gate.open()
        return len(groups)


def say(message: dict[str, Any]) -> None:
    """Answer with one line."""
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


class RemotePeer:
    """The peer as the measuring process sees it."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._pending = b""
        self.public = self.replay = 0
        self.private: dict[str, int] = {}
        self.credentials: dict[str, tuple[str, str]] = {}

    async def hear(self) -> dict[str, Any]:
        """Return the next line."""
        while b"\n" not in self._pending:
            chunk = await self._process.stdout.receive_some(65_536)
            if not chunk:
                raise RuntimeError("the peer has ended")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return msgspec.json.decode(line)

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Have a command carried out."""
        await self._process.stdin.send_all(msgspec.json.encode({"do": do, "with": more}) + b"\n")
        return await self.hear()


@asynccontextmanager
async def open_peer(pairs: int, accounts: list[str]) -> AsyncIterator[RemotePeer]:
    """Run a peer while the block stands."""
    command = [sys.executable, "-m", "tests.bench.peer", str(pairs), *accounts]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        remote = RemotePeer(process)
        where = await remote.hear()
        remote.public, remote.replay, remote.private = where["public"], where["replay"], where["private"]
        remote.credentials = {name: tuple(pair) for name, pair in where["credentials"].items()}
        yield remote
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(Peer(int(sys.argv[1]), sys.argv[2:]).run, sys.argv[2:])
