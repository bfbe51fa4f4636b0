"""Book frames to a verified book: ours beside python-kraken-sdk's, over the same bytes; and what many books weigh."""

from __future__ import annotations

import contextlib
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from kraken.spot import SpotOrderBookClient

from engine.kraken.public_link import PublicLink
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.market.book import CHECKSUM_LEVELS, checksum_of, level_digits
from engine.net.budget import RollingBudget
from engine.net.wire import TcpWire
from engine.runtime.market_bus import MarketBus
from engine.seams.chance import SeededChance
from engine.seams.clock import SystemClock
from tests.bench.figures import Figure, Section, against, quantile
from tests.bench.memory import _now

DEPTHS = {10: 2_000, 100: 500}
"""Updates in a block: the slower of the two needs about as long for either."""
BLOCKS = 6
SYMBOLS, MEMORY_DEPTH = 100, 1_000
PRICE_DIGITS, QTY_DIGITS = 1, 8
MIDDLE = 500_000  # in ticks
_CLOCK = SystemClock()


class Tape:
    """A book that changes as a busy one does, written as Kraken writes it, with a checksum of its own reckoning."""

    def __init__(self, symbol: str, depth: int, seed: int) -> None:
        self._symbol, self._depth, self._rng = symbol, depth, random.Random(seed)
        self._bids = {MIDDLE - 1 - step: self._qty() for step in range(depth)}
        self._asks = {MIDDLE + step: self._qty() for step in range(depth)}

    def _qty(self) -> int:
        return self._rng.randint(1, 10**9)

    def snapshot(self) -> bytes:
        """Return the first frame."""
        return self._frame("snapshot", list(self._bids.items()), list(self._asks.items()))

    def update(self) -> bytes:
        """Return a frame that changes one to four levels, most of them near the best: new quantity, gone, or new."""
        changes: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for _ in range(self._rng.choice((1, 1, 1, 2, 2, 4))):
            side = self._rng.randrange(2)
            levels = self._asks if side else self._bids
            step = min(int(self._rng.expovariate(8 / self._depth)), self._depth - 1)
            price = MIDDLE + step if side else MIDDLE - 1 - step
            qty = 0 if price in levels and len(levels) > self._depth // 2 and self._rng.random() < 0.3 else self._qty()
            levels.pop(price, None)
            if qty:
                levels[price] = qty
            changes[side].append((price, qty))
        return self._frame("update", *changes)

    def _frame(self, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> bytes:
        best = [(price, self._asks[price]) for price in sorted(self._asks)[:CHECKSUM_LEVELS]]
        best += [(price, self._bids[price]) for price in sorted(self._bids, reverse=True)[:CHECKSUM_LEVELS]]
        crc = checksum_of(level_digits(_price(p), _amount(q), PRICE_DIGITS, QTY_DIGITS) for p, q in best)
        sides = f'"bids":[{_levels(bids)}],"asks":[{_levels(asks)}]'
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self._symbol}",{sides},"checksum":{crc},'
            '"timestamp":"2026-01-01T00:00:00.000000Z"}]}'
        ).encode()


def _levels(rows: list[tuple[int, int]]) -> str:
    return ",".join(f'{{"price":{_price(price)},"qty":{_amount(qty):f}}}' for price, qty in rows)


def _price(ticks: int) -> Decimal:
    return Decimal(ticks).scaleb(-PRICE_DIGITS)


def _amount(units: int) -> Decimal:
    return Decimal(units).scaleb(-QTY_DIGITS)


def _instruments(symbols: list[str]) -> bytes:
    pairs = ",".join(
        f'{{"symbol":"{one}","base":"{one[:-4]}","quote":"USD","status":"online","qty_precision":{QTY_DIGITS},'
        f'"qty_increment":0.00000001,"qty_min":0.0001,"price_precision":{PRICE_DIGITS},"price_increment":0.1,'
        '"cost_precision":5,"cost_min":0.5}'
        for one in symbols
    )
    return f'{{"channel":"instrument","type":"snapshot","data":{{"assets":[],"pairs":[{pairs}]}}}}'.encode()


def our_link(symbols: list[str], depth: int) -> PublicLink:
    """Return the public stream as the engine runs it, its connection left out, every book held."""
    settings = KrakenSettings(api_key=Secret(""), api_secret=Secret(""), book_depth=depth)
    link = PublicLink(
        settings,
        MarketBus(),
        wire=TcpWire(),
        tls=None,
        clock=_CLOCK,
        chance=SeededChance(1),
        symbols=Symbols(),
        budget=RollingBudget(1, 1),
        venue_time=VenueTime(),
    )
    link._monitor.dial(0)
    link._monitor.connected(0)
    link._take(_instruments(symbols))
    for symbol in symbols:
        link.hold(link.topic("book", symbol), "bench")
    return link


def _ours(depth: int) -> Callable[[bytes], None]:
    link = our_link(["BTC/USD"], depth)
    book = link.book("BTC/USD")

    def take(frame: bytes) -> None:
        link._take(frame)
        if book is None or not book.usable:
            raise RuntimeError("our book does not agree with the tape")

    return take


def _theirs(depth: int) -> Callable[[bytes], None]:
    """Their book as it comes, told the precisions that it would ask the network for."""
    client: Any = SpotOrderBookClient.__new__(SpotOrderBookClient)  # its constructor wants an event loop and a session
    state = {"bid": {}, "ask": {}, "valid": True, "price_decimals": PRICE_DIGITS, "qty_decimals": QTY_DIGITS}
    client._SpotOrderBookClient__book = {"BTC/USD": state}
    client._SpotOrderBookClient__depth = depth
    client._SpotOrderBookClient__callback = lambda **_: None

    def take(frame: bytes) -> None:
        with contextlib.suppress(StopIteration):  # it never waits for anything
            client.on_message(json.loads(frame)).send(None)
        if not state["valid"]:
            raise RuntimeError("their book does not agree with the tape")

    return take


async def measure(_directory: Path) -> list[Section]:
    """Weigh many deep books in a fresh process, then feed the same frames to both in turn."""
    weighed = _memory()
    lines: list[Figure] = []
    for depth, count in DEPTHS.items():
        lines += _race(depth, count)
    return [
        Section(
            "Book frames a second: bytes to a verified book, checksum at every update",
            lines,
            ["x below 1: we carry more. Theirs keeps texts and floats, ours exact Decimals"],
        ),
        weighed,
    ]


def _race(depth: int, count: int) -> list[Figure]:
    tape = Tape("BTC/USD", depth, depth)
    ours, theirs = _ours(depth), _theirs(depth)
    first = tape.snapshot()
    ours(first)
    theirs(first)
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(BLOCKS):
        frames = [tape.update() for _ in range(count)]
        for take, rate in zip((ours, theirs), rates, strict=True):
            began = time.perf_counter()
            for frame in frames:
                take(frame)
            rate.append(count / (time.perf_counter() - began))
    mine, other = (quantile(rate[1:], 0.5) for rate in rates)  # the first block warms up
    measured = count * (BLOCKS - 1)
    return against(
        Figure(f"engine, depth {depth}", "/s", measured, mine),
        Figure(f"python-kraken-sdk, depth {depth}", "/s", measured, other),
    )


def _memory() -> Section:
    symbols = [f"A{number}/USD" for number in range(SYMBOLS)]
    link = our_link(symbols, MEMORY_DEPTH)
    frames = [Tape(symbol, MEMORY_DEPTH, number).snapshot() for number, symbol in enumerate(symbols)]
    tracemalloc.start()
    before = _now()
    for frame in frames:
        link._take(frame)
    after = _now()
    tracemalloc.stop()
    if not all(one.usable for one in link.freshness()):
        raise RuntimeError("not every book is verified")
    traced = Figure("all of them, allocated by Python", "B", SYMBOLS, after.traced - before.traced)
    each = Figure("one of them", "B", SYMBOLS, (after.traced - before.traced) / SYMBOLS)
    return Section(f"Memory of {SYMBOLS} symbols at depth {MEMORY_DEPTH}, both sides full", [traced, each])
