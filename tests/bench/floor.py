"""The floor: the smallest trio programs over the same frames. Nothing of the engine is imported here.

Same sockets (trio-websocket), same JSON (msgspec), no machine, no merging, no chain. With a ``PlainJournal`` one SQLite
insert and commit stands where the engine must have synced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import trio
import trio_websocket

RECEIVE_BYTES = 65_536


class Trigger(msgspec.Struct):
    """A signal's stop."""

    trigger_price: Decimal


class Target(msgspec.Struct):
    """A signal's target."""

    price: Decimal


class Signal(msgspec.Struct):
    """One signal line."""

    signal_id: str
    symbol: str
    side: str
    order_type: str
    order_qty: str
    limit_price: str
    stop_loss: Trigger
    take_profit: Target


class Fee(msgspec.Struct):
    """One fee."""

    asset: str
    qty: Decimal


class Execution(msgspec.Struct):
    """The members of an execution report that a fill needs."""

    order_id: str
    exec_type: str
    timestamp: str
    order_status: str | None = None
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    cum_qty: Decimal | None = None
    avg_price: Decimal | None = None
    exec_id: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cost: Decimal | None = None
    fees: tuple[Fee, ...] = ()
    liquidity_ind: str | None = None


class Frame(msgspec.Struct):
    """Any frame; ``data`` is decoded by channel."""

    channel: str | None = None
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    method: str | None = None
    success: bool = True
    error: str | None = None


frame_of = msgspec.json.Decoder(Frame).decode
signal_of = msgspec.json.Decoder(Signal).decode
executions_of = msgspec.json.Decoder(tuple[Execution, ...]).decode


class PlainJournal:
    """One table, one insert and one commit per record."""

    def __init__(self, path: Path, durability: str) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}")
        self._connection.execute("PRAGMA wal_autocheckpoint=0")
        self._connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        self._connection.commit()

    def write(self, body: bytes | str) -> None:
        """Keep one record."""
        self._connection.execute("INSERT INTO rows (body) VALUES (?)", (body,))
        self._connection.commit()

    def close(self) -> None:
        """Let go."""
        self._connection.close()


@asynccontextmanager
async def open_client(stream: trio.abc.Stream, path: str = "/v2") -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """Give a WebSocket on ``stream`` that ends with the block."""
    async with trio.open_nursery() as nursery:
        yield await trio_websocket.wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]
            "localhost",
            path,
            message_queue_size=1024,
            receive_buffer_size=RECEIVE_BYTES,
        )
        nursery.cancel_scope.cancel()


async def websocket_token(port: int, api_key: str, api_secret: str) -> str:
    """Ask for a WebSocket token with one hand-written request."""
    path, nonce = "/0/private/GetWebSocketsToken", str(time.time_ns())
    body = f"nonce={nonce}".encode()
    digest = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    sign = base64.b64encode(hmac.digest(base64.b64decode(api_secret), digest, hashlib.sha512)).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAPI-Key: {api_key}\r\nAPI-Sign: {sign}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(head.encode() + body)
        answer = b""
        async for chunk in stream:
            answer += chunk
    return str(msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["result"]["token"])


async def subscribe(ws: trio_websocket.WebSocketConnection, token: str) -> None:
    """Subscribe to executions and read up to the snapshot."""
    params = {"channel": "executions", "snap_orders": True, "token": token}
    await ws.send_message(msgspec.json.encode({"method": "subscribe", "params": params, "req_id": 1}).decode())
    while frame_of(await ws.get_message()).channel != "executions":
        pass


async def listen(
    ws: trio_websocket.WebSocketConnection,
    reports: trio.MemorySendChannel[Execution],
    journal: PlainJournal | None = None,
) -> None:
    """Decode every frame; journal executions if asked to; hand each of their rows to the subscriber."""
    while True:
        text = await ws.get_message()
        frame = frame_of(text)
        if frame.error is not None:
            raise RuntimeError(f"refused: {frame.error}")
        if frame.channel == "executions":
            for row in executions_of(frame.data):
                if journal is not None:
                    journal.write(text)
                reports.send_nowait(row)


async def send_order(
    ws: trio_websocket.WebSocketConnection, line: str, token: str, journal: PlainJournal | None = None
) -> None:
    """Turn one signal line into an add_order on the wire, journalled first if asked to."""
    signal = signal_of(line)
    params = {
        "order_type": signal.order_type,
        "side": signal.side,
        "symbol": signal.symbol,
        "order_qty": msgspec.Raw(signal.order_qty.encode()),
        "limit_price": msgspec.Raw(signal.limit_price.encode()),
        "time_in_force": "gtc",
        "stp_type": "cancel_newest",
        "cl_ord_id": signal.signal_id,
        "deadline": (datetime.now(UTC) + timedelta(seconds=5)).isoformat(timespec="milliseconds"),
        "token": token,
    }
    text = msgspec.json.encode({"method": "add_order", "params": params, "req_id": 2}).decode()
    if journal is not None:
        journal.write(text)
    await ws.send_message(text)


# --- memory: what 1 000 orders cost when each has no more than a record, an inbox and a task


class Order(msgspec.Struct):
    """The least that is known of a live order."""

    cl_ord_id: str
    order_id: str
    symbol: str
    side: str
    order_qty: Decimal
    limit_price: Decimal
    cum_qty: Decimal = Decimal(0)
    state: str = "open"


class Orders:
    """Live orders, each with a task that waits on its inbox."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.live: dict[str, tuple[Order, trio.MemorySendChannel[Execution]]] = {}

    def open(self, number: int) -> None:
        """Start one order."""
        name = f"{number:08x}-0000-8000-8000-000000000000"
        order = Order(name, f"O{number:05d}-AAAAA-BBBBBB", "B00/USD", "buy", Decimal("100.0"), Decimal("100.00"))
        send, receive = trio.open_memory_channel[Execution](256)
        self.live[name] = (order, send)
        self._nursery.start_soon(self._live, order, receive)

    @staticmethod
    async def _live(order: Order, inbox: trio.MemoryReceiveChannel[Execution]) -> None:
        async for row in inbox:
            order.cum_qty = row.cum_qty or order.cum_qty


# --- start: python -m tests.bench.floor


async def start(journal_path: Path) -> None:
    """Open an SQLite file, a WebSocket server on loopback and a client to it; print a line once a frame went round."""

    async def echo(request: trio_websocket.WebSocketRequest) -> None:
        ws = await request.accept()
        await ws.send_message(await ws.get_message())

    journal = PlainJournal(journal_path, "power")
    journal.write(b"{}")
    async with trio.open_nursery() as nursery:
        serve = trio_websocket.serve_websocket
        server = await nursery.start(serve, echo, "127.0.0.1", 0, None)
        async with open_client(await trio.open_tcp_stream("127.0.0.1", server.port)) as ws:
            await ws.send_message('{"method":"ping"}')
            frame_of(await ws.get_message())
            sys.stdout.write('{"ready":true}\n')
            sys.stdout.flush()
        nursery.cancel_scope.cancel()
    journal.close()


if __name__ == "__main__":
    trio.run(start, Path(sys.argv[1]))
