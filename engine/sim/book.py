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
_SUMMED = 10
Row = tuple[Decimal, Decimal]


def checksum(asks: Iterable[Row], bids: Iterable[Row], price_precision: int, qty_precision: int) -> int:
    """CRC32 over the ten best levels of each side, best first; fewer levels count as they are."""
    text = "".join(
        fixed(price, price_precision).replace(".", "").lstrip("0")
        + fixed(qty, qty_precision).replace(".", "").lstrip("0")
        for rows in (asks, bids)
        for price, qty in list(rows)[:_SUMMED]
    )
    return zlib.crc32(text.encode())


class SideView:
    """The best levels of one side as they were last published. An update costs what has changed, whatever the depth."""

    def __init__(self, side: BookSide, depth: int) -> None:
        self._side, self._depth = side, depth
        self._shown = dict(side.top(depth))

    @property
    def rows(self) -> list[Row]:
        """The levels within the depth, best first."""
        return self._side.top(self._depth)

    @property
    def top(self) -> list[Row]:
        """The levels that the checksum covers."""
        return self._side.top(_SUMMED)

    def changes(self) -> list[Row]:
        """Take over the present levels and return what a reader of the old ones must be told.

        A level that only fell out of the depth is not told: the reader cuts for itself.
        """
        side, shown, touched = self._side, self._shown, self._side.touched
        gone: list[Decimal] = []
        fresh: dict[Decimal, Decimal] = {}
        for price in touched:
            qty = side.qty_at(price)
            if not qty:
                if shown.pop(price, None) is not None:
                    gone.append(price)
            elif side.within(price, self._depth) and shown.get(price) != qty:
                shown[price] = fresh[price] = qty
        for price, _ in side.levels(self._depth, self._depth + len(touched)):
            shown.pop(price, None)  # pushed out, by at most as many as have come
        fresh |= self._come_in()
        return [(price, ZERO) for price in side.best_first(gone)] + [(p, fresh[p]) for p in side.best_first(fresh)]

    def _come_in(self) -> dict[Decimal, Decimal]:
        """Show the levels that others, gone, have let into the depth; they are found from its end on."""
        place = most = min(self._depth, len(self._side))
        came: dict[Decimal, Decimal] = {}
        while len(self._shown) < most:
            place -= 1
            ((price, qty),) = self._side.levels(place, place + 1)
            if price not in self._shown:
                self._shown[price] = came[price] = qty
        return came


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
            "checksum": checksum(self.asks.top, self.bids.top, pair.price_precision, pair.qty_precision),
            "timestamp": stamp,
        }


def _level(row: Row, pair: PairSpec) -> dict[str, msgspec.Raw]:
    return {"price": number(row[0], pair.price_precision), "qty": number(row[1], pair.qty_precision)}
