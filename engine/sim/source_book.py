"""The book of a symbol as its source tells it: levels, depth, checksum (protocol section 7)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal

from engine.sim.orders import Side
from engine.sim.source_frames import BookRow, Level, number_of

_CHECKED = 10


class Mismatch(Exception):
    """The book is not what its source says it is."""


class SourceBook:
    """One symbol's levels with their wire texts. Unusable (``whole`` is False) until a snapshot has come."""

    def __init__(self, symbol: str, depth: int) -> None:
        self.symbol, self.depth = symbol, depth
        self.whole = False
        self.sides: dict[Side, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        self._texts: dict[tuple[Side, Decimal], bytes] = {}

    def take(self, row: BookRow, *, snapshot: bool) -> dict[tuple[Side, Decimal], Decimal]:
        """Take a row over and return what to show at every price it changed (0: nothing any more).

        Updates before a snapshot change nothing. Raises Mismatch; the book is unusable then until the next snapshot.
        """
        changed: dict[tuple[Side, Decimal], Decimal] = {}
        if snapshot:
            changed = {(side, price): Decimal(0) for side in self.sides for price in self.sides[side]}
            self.forget()
            self.whole = True
        elif not self.whole:
            return {}
        for side, levels in _both(row):
            for level in levels:
                price, qty = self._put(side, level)
                changed[side, price] = qty
            for price in self._beyond(side):
                changed[side, price] = Decimal(0)
        if row.checksum is not None and row.checksum != self.checksum():
            self.whole = False
            raise Mismatch(f"{self.symbol}: the book's checksum is {self.checksum()}, its source says {row.checksum}")
        return changed

    def forget(self) -> None:
        """Know nothing any more, until a snapshot comes."""
        self.whole = False
        self._texts.clear()
        for levels in self.sides.values():
            levels.clear()

    def checksum(self) -> int:
        """Return the CRC32 over the ten best levels of each side, asks first."""
        best = [("sell", price) for price in self._sorted("sell")[:_CHECKED]]
        best += [("buy", price) for price in self._sorted("buy")[:_CHECKED]]
        return zlib.crc32(b"".join(self._texts[key] for key in best))  # type: ignore[index]

    def _put(self, side: Side, level: Level) -> tuple[Decimal, Decimal]:
        price, qty = number_of(level.price), number_of(level.qty)
        if qty:
            self.sides[side][price] = qty
            self._texts[side, price] = _digits(bytes(level.price)) + _digits(bytes(level.qty))
        else:
            self.sides[side].pop(price, None)
            self._texts.pop((side, price), None)
        return price, qty

    def _beyond(self, side: Side) -> list[Decimal]:
        """Drop what has fallen out of the depth, as every reader does for itself."""
        gone = self._sorted(side)[self.depth :] if len(self.sides[side]) > self.depth else []
        for price in gone:
            del self.sides[side][price]
            del self._texts[side, price]
        return gone

    def _sorted(self, side: Side) -> list[Decimal]:
        return sorted(self.sides[side], reverse=side == "buy")


def _both(row: BookRow) -> Iterator[tuple[Side, list[Level]]]:
    yield "sell", row.asks
    yield "buy", row.bids


def _digits(text: bytes) -> bytes:
    return text.replace(b".", b"").lstrip(b"0")
