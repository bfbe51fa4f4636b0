"""The level-2 book as the ``book`` channel shows it: views per depth and the checksum (protocol sections 6.5, 7.1)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.matching import BookSide
from engine.sim.numbers import ZERO, fixed, number

DEPTHS = (10, 25, 100, 500, 1000)
Row = tuple[Decimal, Decimal]


def checksum(asks: Iterable[Row], bids: Iterable[Row], price_precision: int, qty_precision: int) -> int:
    """CRC32 over the ten best levels of each side, best first; fewer levels count as they are."""
    text = "".join(
        fixed(price, price_precision).replace(".", "").lstrip("0")
        + fixed(qty, qty_precision).replace(".", "").lstrip("0")
        for rows in (asks, bids)
        for price, qty in list(rows)[:10]
    )
    return zlib.crc32(text.encode())


class SideView:
    """The best levels of one side as they were last published."""

    def __init__(self, side: BookSide, depth: int) -> None:
        self._side, self._depth = side, depth
        self.rows = side.top(depth)

    def changes(self) -> list[Row]:
        """Take over the present levels and return what a reader of the old ones must be told.

        A level that only fell out of the depth is not told: the reader cuts for itself.
        """
        old, new = dict(self.rows), self._side.top(self._depth)
        now = dict(new)
        gone = [(price, ZERO) for price in old if price not in now and not self._side.qty_at(price)]
        fresh = [(price, qty) for price, qty in new if old.get(price) != qty]
        self.rows = new
        return gone + fresh


class DepthView:
    """What every subscriber of one symbol at one depth has seen."""

    def __init__(self, market: Market, depth: int) -> None:
        self.market, self.depth = market, depth
        self.bids, self.asks = SideView(market.book.bids, depth), SideView(market.book.asks, depth)
        self.readers = 0

    def snapshot(self, stamp: str) -> dict[str, object]:
        """Return the data row of a snapshot."""
        return self._row(self.bids.rows, self.asks.rows, stamp)

    def update(self, stamp: str) -> dict[str, object] | None:
        """Return the data row of an update, or None when nothing within the depth changed."""
        bids, asks = self.bids.changes(), self.asks.changes()
        return self._row(bids, asks, stamp) if bids or asks else None

    def _row(self, bids: list[Row], asks: list[Row], stamp: str) -> dict[str, object]:
        pair = self.market.pair
        return {
            "symbol": pair.symbol,
            "bids": [_level(row, pair) for row in bids],
            "asks": [_level(row, pair) for row in asks],
            "checksum": checksum(self.asks.rows, self.bids.rows, pair.price_precision, pair.qty_precision),
            "timestamp": stamp,
        }


def _level(row: Row, pair: PairSpec) -> dict[str, msgspec.Raw]:
    return {"price": number(row[0], pair.price_precision), "qty": number(row[1], pair.qty_precision)}
