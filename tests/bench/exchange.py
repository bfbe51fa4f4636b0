"""The simulated exchange itself: orders and frames a second, and the memory of 100 symbols at depth 1 000.

Orders go through the core alone, and over a WebSocket on loopback with both ends in this process. Book frames are
counted as a connection is handed them: changed levels, checksum, JSON. Floors do the same over plain dicts.
"""

from __future__ import annotations

import bisect
import gc
import os
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import trio
import trio_websocket

from engine.seams.chance import SeededChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange
from engine.sim.orders import NewOrder
from tests.bench import floor
from tests.bench.figures import Figure, Section, against, quantile
from tests.bench.peer import settings_of, symbol

ROUNDS, ORDERS, SENT, WINDOW, FRAMES = 5, 400, 300, 20, 400
DEPTHS = (10, 100, 1000)
SYMBOLS, TRACED_SYMBOLS, LEVELS = 100, 10, 1000
TICK, PRICE, QTY = Decimal("0.01"), Decimal("100.00"), Decimal("1.0")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def make(pairs: int = 1) -> Exchange:
    """Return an exchange with one account, not running: no market moves by itself."""
    return Exchange(settings_of(pairs, ["a"]), SystemClock(), SeededChance("bench"))


def fill_book(exchange: Exchange, name: str, levels: int) -> None:
    """Quote so many levels on each side of a symbol."""
    for level in range(levels):
        exchange.house.quote(name, "buy", PRICE - TICK * (level + 1), QTY)
        exchange.house.quote(name, "sell", PRICE + TICK * (level + 1), QTY)


def limit(name: str, level: int) -> NewOrder:
    """Return a client's order that rests."""
    price = PRICE - TICK * (1 + level % 50)
    return NewOrder(symbol=name, side="buy", order_type="limit", order_qty=QTY, limit_price=price)


def rate(count: int, act: Callable[[], None]) -> float:
    """Do it and return how many a second."""
    started_s = time.perf_counter()
    act()
    return count / (time.perf_counter() - started_s)


# --- orders through the core


def core_orders(exchange: Exchange) -> None:
    """Add and cancel orders: checks, holds, book, reports; nobody listens."""
    core = exchange._venue.core
    for turn in range(ORDERS):
        order = core.add(core.accounts["a"], limit(symbol(0), turn))
        if order is None:
            raise RuntimeError("an order was only validated")
        core.cancel(order)


def floor_orders() -> None:
    """Keep a sorted list of prices and a queue for each; count the free money."""
    free, prices, queues = Decimal(10**9), list[Decimal](), dict[Decimal, dict[int, Decimal]]()
    for turn in range(ORDERS):
        price = PRICE - TICK * (1 + turn % 50)
        if price * QTY > free:
            raise RuntimeError("no money")
        free -= price * QTY
        if price not in queues:
            bisect.insort(prices, price)
        queues.setdefault(price, {})[turn] = QTY
        del queues[price][turn]
        free += price * QTY
        if not queues[price]:
            del queues[price]
            prices.remove(price)


def orders_section() -> Section:
    """Measure the core against its floor, in turn."""
    exchange = make()
    fill_book(exchange, symbol(0), 100)
    ours, base = [], []
    for _ in range(ROUNDS):
        ours.append(rate(ORDERS, lambda: core_orders(exchange)))
        base.append(rate(ORDERS, floor_orders))
    lines = against(_rate("add and cancel, core alone", ours), _rate("floor: a sorted list and dicts", base))
    return Section("Orders a second in the simulated exchange", lines)


# --- orders over a WebSocket


async def echo(request: trio_websocket.WebSocketRequest) -> None:
    """Answer every request by its req_id alone."""
    ws = await request.accept()
    while True:
        try:
            asked = _decode(await ws.get_message())
        except trio_websocket.ConnectionClosed:
            return
        result = {"order_id": "OAAAAA-BBBBB-CCCCCC", "cl_ord_id": asked["params"]["cl_ord_id"]}
        answer = {"method": "add_order", "req_id": asked["req_id"], "success": True, "result": result}
        await ws.send_message(_encode(answer).decode())


class Placing:
    """A client that keeps so many orders in flight and counts their answers."""

    def __init__(self, ws: trio_websocket.WebSocketConnection, token: str) -> None:
        self._ws, self._token, self._number = ws, token, 0

    async def place(self, count: int) -> float:
        """Place orders and return how many were answered a second."""
        started_s, answered, sent = time.perf_counter(), 0, 0
        while answered < count:
            while sent < min(count, answered + WINDOW):
                await self._ws.send_message(self._request())
                sent += 1
            if _decode(await self._ws.get_message()).get("method") == "add_order":
                answered += 1
        return count / (time.perf_counter() - started_s)

    def _request(self) -> str:
        self._number += 1
        params = {
            "order_type": "limit",
            "side": "buy",
            "symbol": symbol(0),
            "order_qty": 1.0,
            "limit_price": 90.0,
            "cl_ord_id": f"bench-{self._number}",
            "token": self._token,
        }
        return _encode({"method": "add_order", "req_id": self._number, "params": params}).decode()


async def wire_section() -> Section:
    """Measure the exchange's WebSocket against an echo, in turn."""
    exchange = make()
    ours, base = [], []
    async with exchange.running(), trio.open_nursery() as nursery:
        port = await nursery.start(exchange.serve_tcp)
        server = await nursery.start(trio_websocket.serve_websocket, echo, "127.0.0.1", 0, None)
        token = await floor.websocket_token(port, *exchange.credentials("a"))
        async with (
            floor.open_client(await trio.open_tcp_stream("127.0.0.1", port)) as ws,
            floor.open_client(await trio.open_tcp_stream("127.0.0.1", server.port)) as other,
        ):
            engine, plain = Placing(ws, token), Placing(other, token)
            for _ in range(ROUNDS):
                ours.append(await engine.place(SENT))
                base.append(await plain.place(SENT))
        nursery.cancel_scope.cancel()
    lines = against(_rate("add_order, answered", ours), _rate("floor: an echo", base))
    note = f"{WINDOW} in flight on one connection, client and server on one loop"
    return Section("Orders a second over a WebSocket on loopback", lines, [note])


# --- frames


class Level(msgspec.Struct):
    """One level of a floor's frame."""

    price: msgspec.Raw
    qty: msgspec.Raw


class FloorBook:
    """Ten levels a side and one changing: the text of the checksum, its sum, and the frame."""

    def __init__(self) -> None:
        self._rows = [(PRICE + TICK * level, QTY) for level in range(20)]

    def frames(self) -> None:
        """Write frames."""
        for turn in range(FRAMES):
            self._rows[0] = (PRICE, QTY + turn)
            text = "".join(f"{price:.2f}{qty:.8f}".replace(".", "") for price, qty in self._rows)
            raw = [Level(msgspec.Raw(b"%.2f" % price), msgspec.Raw(b"%.8f" % qty)) for price, qty in self._rows[:1]]
            row = {"symbol": symbol(0), "bids": raw, "asks": [], "checksum": zlib.crc32(text.encode())}
            _encode({"channel": "book", "type": "update", "data": [row]})


class Counted:
    """A reader of one book at one depth that only counts."""

    def __init__(self, depth: int) -> None:
        self.exchange, self.frames = make(), 0
        fill_book(self.exchange, symbol(0), LEVELS + 10)
        hub = self.exchange._venue.hub
        hub.views.open(symbol(0), depth)
        hub.join(("book", symbol(0), str(depth)), 1, self._take)

    def _take(self, _text: bytes) -> None:
        self.frames += 1

    def move(self) -> None:
        """Change one level after the other, each once: as many frames as changes."""
        house, before = self.exchange.house, self.frames
        for turn in range(FRAMES // 2):
            house.cancel(house.quote(symbol(0), "buy", PRICE - TICK * (1 + turn % 9), QTY))
        if self.frames - before != FRAMES:
            raise RuntimeError(f"{self.frames - before} frames of {FRAMES} changes")


def frames_section() -> Section:
    """Measure each depth against one floor, in turn."""
    readers, base = {depth: Counted(depth) for depth in DEPTHS}, FloorBook()
    found: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    plain = []
    for _ in range(ROUNDS):
        for depth, reader in readers.items():
            found[depth].append(rate(FRAMES, reader.move))
        plain.append(rate(FRAMES, base.frames))
    lines = []
    for depth, rates in found.items():
        lines += against(_rate(f"book depth {depth:,}", rates), _rate("floor: text, sum and JSON of ten levels", plain))
    note = "the exchange also places and cancels the order behind each frame"
    return Section("Book frames a second with their checksum", lines, [note])


# --- memory


class Held(msgspec.Struct):
    """What one more symbol costs."""

    rss: float
    traced: float


def hold(what: str, *, traced: bool) -> Held:
    """Hold books of 1 000 levels a side and return what each takes."""
    exchange = make(SYMBOLS)
    if traced:
        tracemalloc.start()
    before = _usage()
    books: list[object] = []
    for number in range(TRACED_SYMBOLS if traced else SYMBOLS):
        if what == "floor":
            steps = [TICK * level for level in range(1, LEVELS + 1)]
            books.append([{PRICE - step: QTY + step for step in steps}, {PRICE + step: QTY + step for step in steps}])
        else:
            fill_book(exchange, symbol(number), LEVELS)
            books.append(exchange._venue.hub.views.open(symbol(number), LEVELS))
    after = _usage()
    return Held((after.rss - before.rss) / len(books), (after.traced - before.traced) / len(books))


def _usage() -> Held:
    gc.collect()
    pages = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True, text=True)
    return Held(int(pages.stdout) * 1024, tracemalloc.get_traced_memory()[0])


async def memory_section() -> Section:
    """Ask a process for each: resident memory plainly, traced memory apart (tracing takes memory of its own)."""
    found: dict[tuple[str, str], Held] = {}
    for how in ("rss", "traced"):
        for what in ("exchange", "floor"):
            command = [sys.executable, "-m", "tests.bench.exchange", what, how]
            done = await trio.run_process(command, capture_stdout=True)
            found[what, how] = msgspec.json.decode(done.stdout, type=Held)
    lines = []
    for how, title, count in (
        ("rss", "resident memory a symbol", SYMBOLS),
        ("traced", "allocated by Python a symbol", TRACED_SYMBOLS),
    ):
        ours = Figure(title, "B", count, getattr(found["exchange", how], how))
        base = Figure("floor: two dicts of levels", "B", count, getattr(found["floor", how], how))
        lines += against(ours, base)
    note = "every level is an order of the house, and a view at that depth is open on each book"
    return Section(f"Memory of {SYMBOLS} symbols with {LEVELS:,} levels a side, depth {LEVELS:,}", lines, [note])


def _rate(name: str, rates: list[float]) -> Figure:
    return Figure(name, "/s", len(rates), quantile(rates, 0.5))


async def measure(_directory: Path) -> list[Section]:
    """Measure all of it."""
    return [orders_section(), await wire_section(), frames_section(), await memory_section()]


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(hold(sys.argv[1], traced=sys.argv[2] == "traced")))
