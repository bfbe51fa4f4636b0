"""A level-2 order book whose checksum digits are kept beside each level."""

from __future__ import annotations

import zlib
from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from engine.values.money import Price, Qty, Side

CHECKSUM_LEVELS = 10
"""Always the best ten, whatever the depth (Kraken, guide to the book checksum)."""

DEPTHS = (10, 25, 100, 500, 1000)
"""What Kraken offers (§6.5)."""

Level = tuple[Price, Qty]
Fault = Literal["", "away", "checksum", "crossed", "snapshot"]
"""Why a book is unusable: not (or no longer) sent, checksum wrong, bid not below ask, a level empty or twice in a
snapshot."""


def level_digits(price: Decimal, qty: Decimal, price_precision: int, qty_precision: int) -> str:
    """Return a level's part of the checksum text: fixed digits of price and quantity, no point, no leading zeros."""
    return _digits(price, price_precision) + _digits(qty, qty_precision)


def checksum_of(parts: Iterable[str]) -> int:
    """Return the CRC32 (IEEE, unsigned) over level digits: asks from the best up, then bids from the best down."""
    return zlib.crc32("".join(parts).encode("ascii"))


def _digits(value: Decimal, precision: int) -> str:
    return f"{value:.{precision}f}".replace(".", "").lstrip("0")


class _BookSide:
    """Levels of one side. ``keys`` are sorted best first: asks by price, bids by negated price."""

    def __init__(self, *, descending: bool) -> None:
        self._flip = -1 if descending else 1
        self.keys: list[Decimal] = []
        self.levels: dict[Decimal, tuple[Price, Qty, str]] = {}

    def put(self, price: Price, qty: Qty, digits: str) -> None:
        key = price * self._flip
        if not qty:
            if self.levels.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]
            return
        if key not in self.levels:
            insort(self.keys, key)
        self.levels[key] = (price, qty, digits)

    def cut(self, depth: int) -> None:
        if len(self.keys) <= depth:
            return
        for key in self.keys[depth:]:
            del self.levels[key]
        del self.keys[depth:]

    def clear(self) -> None:
        self.keys.clear()
        self.levels.clear()


class Book:
    """The visible book of one symbol, cut to ``depth``.

    ``usable`` is False before the first verified snapshot, after a fault and while the stream is away: then no
    decision may rest on it, and ``fault`` says why. ``version`` rises with every change; ``ts_ns`` is the venue's time
    of the last one.
    """

    def __init__(self, symbol: str, depth: int, price_precision: int, qty_precision: int) -> None:
        self.symbol, self.depth = symbol, depth
        self.price_precision, self.qty_precision = price_precision, qty_precision
        self.fault: Fault = "away"
        self.version = 0
        self.ts_ns = 0
        self._bids = _BookSide(descending=True)
        self._asks = _BookSide(descending=False)

    @property
    def usable(self) -> bool:
        """Whether the book is as the venue says, verified with its last message."""
        return not self.fault

    def apply(self, bids: Iterable[Level], asks: Iterable[Level], *, snapshot: bool, checksum: int, ts_ns: int) -> bool:
        """Apply one message (levels in wire order, qty 0 removes) and verify what is then held.

        Returns whether the book is usable: the checksum agrees, the best bid is below the best ask, and a snapshot
        names every level once.
        """
        if snapshot:
            self._bids.clear()
            self._asks.clear()
        levels = 0
        for side, rows in ((self._bids, bids), (self._asks, asks)):
            for price, qty in rows:
                side.put(price, qty, level_digits(price, qty, self.price_precision, self.qty_precision))
                levels += 1
        whole = not snapshot or levels == len(self._bids.keys) + len(self._asks.keys)
        self._bids.cut(self.depth)
        self._asks.cut(self.depth)
        self.version += 1
        self.ts_ns = ts_ns
        self.fault = self._judge(checksum, whole=whole)
        return self.usable

    def _judge(self, checksum: int, *, whole: bool) -> Fault:
        if not whole:
            return "snapshot"
        if self.checksum() != checksum:
            return "checksum"
        bid, ask = self.best("buy"), self.best("sell")
        return "crossed" if bid is not None and ask is not None and bid >= ask else ""

    def lose(self) -> None:
        """Mark the book unusable until the next verified snapshot; a fault that stands already stays the reason."""
        self.fault = self.fault or "away"
        self.version += 1

    def checksum(self) -> int:
        """Return the checksum of what the book holds now: its best ten levels of each side, or fewer."""
        return checksum_of(
            side.levels[key][2] for side in (self._asks, self._bids) for key in side.keys[:CHECKSUM_LEVELS]
        )

    def levels(self, side: Side, most: int | None = None) -> list[Level]:
        """Return bids (``buy``) or asks (``sell``), best first, at most so many."""
        chosen = self._bids if side == "buy" else self._asks
        return [chosen.levels[key][:2] for key in chosen.keys[:most]]

    def best(self, side: Side) -> Price | None:
        """Return the best bid (``buy``) or ask (``sell``), None when that side is empty."""
        chosen = self._bids if side == "buy" else self._asks
        return chosen.levels[chosen.keys[0]][0] if chosen.keys else None

    def executable(self, side: Side, limit: Decimal) -> Qty:
        """Visible quantity that an order of ours on ``side`` could take at ``limit`` or better."""
        facing = self._asks if side == "buy" else self._bids
        last = limit if side == "buy" else -limit
        total = Decimal(0)
        for key in facing.keys:
            if key > last:
                break
            total += facing.levels[key][1]
        return Qty(total)
