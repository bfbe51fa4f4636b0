"""A raw client of the simulated exchange, written for these tests: it shares nothing with engine/kraken."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import random
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import h11
import pytest
import trio
import trio_websocket

from engine.net.wire import VirtualWire, Wire, open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import Clock, VirtualClock
from engine.sim import Exchange, PairSpec, SimSettings

HOST, PORT = "kraken.test", 443


class RestClient:
    """One kept-alive HTTP connection with signing and a counting nonce."""

    def __init__(self, wire: Wire, exchange: Exchange, host: str = HOST, port: int = PORT) -> None:
        self.wire, self.exchange, self.host, self.port = wire, exchange, host, port
        self.nonce = 1000
        self.key, self.secret = exchange.api_key, exchange.api_secret

    async def raw(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        stream = await self.wire.connect(self.host, self.port, tls=None)
        try:
            connection = h11.Connection(h11.CLIENT)
            head = [("host", self.host), ("content-length", str(len(body))), *headers.items()]
            request = connection.send(h11.Request(method=method, target=target, headers=head))
            await stream.send_all(request + connection.send(h11.Data(data=body)) + connection.send(h11.EndOfMessage()))
            return await self._answer(connection, stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, connection: h11.Connection, stream: trio.abc.Stream) -> tuple[int, bytes]:
        status, body = 0, b""
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError:  # the connection ended in the middle
                return status, body
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return status, body

    async def public(self, name: str, **params: object) -> dict[str, Any]:
        _, body = await self.raw("GET", f"/0/public/{name}?{urlencode(params)}", {}, b"")
        return json.loads(body, parse_float=str)

    async def private(self, name: str, as_json: bool = False, **params: object) -> dict[str, Any]:
        self.nonce += 1
        fields = {"nonce": str(self.nonce), **params}
        body = (json.dumps(fields) if as_json else urlencode(fields)).encode()
        status, answer = await self.signed(name, str(self.nonce), body, as_json=as_json)
        assert status == 200, (status, answer)
        return json.loads(answer, parse_float=str)

    async def signed(self, name: str, nonce: str, body: bytes, *, as_json: bool = False) -> tuple[int, bytes]:
        path = f"/0/private/{name}"
        message = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
        sign = base64.b64encode(hmac.new(base64.b64decode(self.secret), message, hashlib.sha512).digest()).decode()
        kind = "application/json" if as_json else "application/x-www-form-urlencoded"
        return await self.raw("POST", path, {"API-Key": self.key, "API-Sign": sign, "content-type": kind}, body)

    async def ok(self, name: str, **params: object) -> Any:
        answer = await self.private(name, **params)
        assert answer["error"] == [], answer
        return answer["result"]

    async def error(self, name: str, **params: object) -> str:
        answer = await self.private(name, **params)
        assert len(answer["error"]) == 1
        assert "result" not in answer
        return answer["error"][0]


class WsClient:
    """One WebSocket: every frame is kept in ``frames``, numbers as their text."""

    def __init__(self, ws: trio_websocket.WebSocketConnection) -> None:
        self.ws = ws
        self.frames: list[dict[str, Any]] = []
        self.token: str | None = None
        self.closed: object = None
        self._req_id = 0
        self._changed = trio.Event()

    async def read(self) -> None:
        while True:
            try:
                text = await self.ws.get_message()
            except trio_websocket.ConnectionClosed as closed:
                self.closed = closed.reason
                text = None
            if text is not None:
                self.frames.append(json.loads(text, parse_float=str))
            self._changed.set()
            self._changed = trio.Event()
            if text is None:
                return

    async def until(self, condition: Any, seconds: float = 5) -> None:
        with trio.fail_after(seconds):
            while not condition():
                await self._changed.wait()

    async def send(self, text: str) -> None:
        await self.ws.send_message(text)

    async def call(self, method: str, answers: int = 1, **params: object) -> Any:
        """Send a request and return its response (or the list of them)."""
        self._req_id += 1
        req_id = self._req_id
        if self.token is not None:
            params.setdefault("token", self.token)
        await self.send(json.dumps({"method": method, "params": params, "req_id": req_id}))
        await self.until(lambda: len(self.responses(req_id)) >= answers)
        found = self.responses(req_id)
        return found[0] if answers == 1 else found

    def responses(self, req_id: int) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("req_id") == req_id]

    def channel(self, name: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("channel") == name]

    def rows(self, name: str = "executions", kind: str = "update") -> list[dict[str, Any]]:
        return [row for frame in self.channel(name) if frame["type"] == kind for row in frame["data"]]

    def exec_types(self) -> list[str]:
        return [row["exec_type"] for row in self.rows()]

    async def add(self, **params: object) -> Any:
        answer = await self.call("add_order", **({"symbol": "BTC/USD", "order_type": "limit"} | params))
        return answer["result"] if answer["success"] else answer["error"]


class BookReader:
    """A client's book at one depth, kept as section 6.5 says, with its own checksum."""

    def __init__(self, depth: int, pair: PairSpec) -> None:
        self.depth, self.pair = depth, pair
        self.sides: dict[str, dict[Decimal, str]] = {"bids": {}, "asks": {}}

    def apply(self, row: dict[str, Any]) -> None:
        for name, side in self.sides.items():
            for level in row[name]:
                if Decimal(level["qty"]) == 0:
                    side.pop(Decimal(level["price"]), None)
                else:
                    side[Decimal(level["price"])] = level["qty"]
            for price in self.sorted(name)[self.depth :]:
                del side[price]
        assert self.checksum() == row["checksum"]

    def sorted(self, name: str) -> list[Decimal]:
        return sorted(self.sides[name], reverse=name == "bids")

    def checksum(self) -> int:
        text = ""
        for name in ("asks", "bids"):
            for price in self.sorted(name)[:10]:
                digits = f"{price:.{self.pair.price_precision}f}"
                text += "".join(t.replace(".", "").lstrip("0") for t in (digits, self.sides[name][price]))
        return zlib.crc32(text.encode())


class Sim:
    """An exchange on a virtual wire with its clients."""

    def __init__(self, exchange: Exchange, wire: VirtualWire, nursery: trio.Nursery) -> None:
        self.exchange, self.wire, self._nursery = exchange, wire, nursery
        self.house, self.truth, self.clock = exchange.house, exchange.truth, exchange.clock
        self.rest = RestClient(wire, exchange)

    async def ws(self, *, private: bool = True, host: str = HOST) -> WsClient:
        """Open a WebSocket; a private one has a token and both private channels with their snapshots."""
        with trio.fail_after(5):
            stream = await self.wire.connect(host, PORT, tls=None)
            client = WsClient(await trio_websocket.wrap_client_stream(self._nursery, stream, host, "/v2"))
        self._nursery.start_soon(client.read)
        if private:
            client.token = (await self.rest.ok("GetWebSocketsToken"))["token"]
            for channel in ({"channel": "executions", "snap_trades": True}, {"channel": "balances"}):
                assert (await client.call("subscribe", **channel))["success"]
        return client

    def quote(self, side: str, price: str, qty: str, symbol: str = "BTC/USD") -> str:
        return self.house.quote(symbol, side, Decimal(price), Decimal(qty))

    def take(self, side: str, qty: str, symbol: str = "BTC/USD") -> Decimal:
        return self.house.take(symbol, side, Decimal(qty))

    def print(self, price: str, qty: str = "0.001", side: str = "sell") -> None:
        self.house.print_trade("BTC/USD", Decimal(price), Decimal(qty), side)


@contextlib.asynccontextmanager
async def _open_sim(seed: int = 1, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Sim]:
    exchange = Exchange(replace(SimSettings(), **settings), clock or VirtualClock(), SeededChance(seed))
    async with open_virtual_wire(random.Random(seed)) as wire, trio.open_nursery() as nursery:
        wire.listen(HOST, PORT, exchange.serve)
        wire.listen(f"ws-auth.{HOST}", PORT, exchange.serve)
        async with exchange.running():
            yield Sim(exchange, wire, nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture
def open_sim() -> Any:
    """Give the opener of a simulated exchange: ``async with open_sim(**settings) as sim``.

    The test must take ``autojump_clock`` itself: pytest-trio looks for it among the test's own arguments.
    """
    return _open_sim


@pytest.fixture
def rest_client() -> type[RestClient]:
    """Give the REST client's class, for other wires."""
    return RestClient


@pytest.fixture
def ws_client() -> type[WsClient]:
    """Give the WebSocket client's class, for other wires."""
    return WsClient


@pytest.fixture
def book_reader() -> type[BookReader]:
    """Give the class of a client's book: ``book_reader(depth, pair)``."""
    return BookReader
