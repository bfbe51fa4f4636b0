"""Kraken's published books through the whole stack: matched, told, carried, decoded and verified."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.venue import KrakenVenue
from engine.market.book import Book
from engine.net.wire import open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import Exchange, PairSpec, SimSettings
from engine.venue.witness import Witness
from tests.contract.rehearsal import HOST, settings_of

FIXTURES = Path(__file__).parent.parent / "fixtures" / "kraken"
VECTORS = [
    vector
    for vector in json.loads((FIXTURES / "book_checksum.json").read_text())["vectors"]
    if vector["kind"].startswith("book")
]
SYMBOL = "BTC/USD"
Sides = dict[str, dict[Decimal, Decimal]]


def sides_of(vector: dict[str, Any]) -> Sides:
    """Return a vector's levels by side."""
    return {
        side: {Decimal(price): Decimal(qty) for price, qty in vector[name]}
        for side, name in (("buy", "bids"), ("sell", "asks"))
    }


class Painter:
    """Makes the exchange's book what it should be, a level at a time."""

    def __init__(self, exchange: Exchange) -> None:
        self._house = exchange.house
        self._orders: dict[tuple[str, Decimal, Decimal], str] = {}

    def paint(self, sides: Sides) -> None:
        """Take away what is not in it, then quote what is missing."""
        wanted = {(side, price, qty) for side, levels in sides.items() for price, qty in levels.items()}
        for level in sorted(set(self._orders) - wanted):
            self._house.cancel(self._orders.pop(level))
        for side, price, qty in sorted(wanted - set(self._orders)):
            self._orders[side, price, qty] = self._house.quote(SYMBOL, side, price, qty)  # type: ignore[arg-type]


def held(book: Book) -> Sides:
    """Return what our client's book holds."""
    return {side: dict(book.levels(side)) for side in ("buy", "sell")}  # type: ignore[arg-type,misc]


@pytest.mark.parametrize("places", sorted({vector["price_precision"] for vector in VECTORS}))
async def test_published_books_arrive_verified(autojump_clock: Any, places: int) -> None:
    """The first book of each precision comes as a snapshot, the others as updates; each has Kraken's own checksum."""
    chosen = [vector for vector in VECTORS if vector["price_precision"] == places]
    pair = PairSpec(
        symbol=SYMBOL, altname="XBTUSD", rest_key="XXBTZUSD", wsname="XBT/USD", base="BTC", quote="USD",
        price_precision=places, tick=Decimal(1).scaleb(-places), qty_precision=chosen[0]["qty_precision"],
        qty_min=Decimal("0.00000001"), cost_min=Decimal(0),
    )  # fmt: skip
    clock, chance = VirtualClock(), SeededChance(3)
    exchange = Exchange(SimSettings(pairs=(pair,)), clock, chance)
    painter, carried = Painter(exchange), bytearray()
    painter.paint(sides_of(chosen[0]))
    async with exchange.running(), open_virtual_wire(random.Random(3)) as wire:
        wire.listen(HOST, 80, exchange.serve)
        wire.observers.append(lambda end, data: carried.extend(data) if end.endswith("/server") else None)
        settings = settings_of(exchange, HOST)
        venue = KrakenVenue(settings, wire=wire, clock=clock, chance=chance, nonces=MemoryNonceStore())
        async with venue.open(Witness()) as link, link.watch(SYMBOL) as book:
            for vector in chosen:
                painter.paint(sides_of(vector))
                await trio.sleep(1)
                assert book.usable
                assert held(book) == sides_of(vector)
                assert book.checksum() == vector["expected_crc32"]
                assert f'"checksum":{vector["expected_crc32"]}'.encode() in carried
