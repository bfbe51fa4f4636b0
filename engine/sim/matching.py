"""A price-time order book of one pair."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from decimal import Decimal

from engine.sim.numbers import ZERO
from engine.sim.orders import Side, SimOrder, opposite


class Level:
    """The orders at one price, oldest first. A dict keeps their order and lets any of them leave at once."""

    __slots__ = ("orders", "qty")

    def __init__(self) -> None:
        self.orders: dict[str, SimOrder] = {}
        self.qty = ZERO


class BookSide:
    """One side: prices kept sorted by how good they are for the taker."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = 1 if side == "sell" else -1
        self._keys: list[Decimal] = []
        self._levels: dict[Decimal, Level] = {}
        self.touched: dict[Decimal, None] = {}  # prices whose quantity has changed since the last command

    def __len__(self) -> int:
        return len(self._keys)

    def best_price(self) -> Decimal | None:
        """Return the best price, or None for an empty side."""
        return self._keys[0] * self._sign if self._keys else None

    def top(self, depth: int) -> list[tuple[Decimal, Decimal]]:
        """Return the best ``depth`` levels as (price, quantity)."""
        return self.levels(0, depth)

    def levels(self, start: int, end: int) -> list[tuple[Decimal, Decimal]]:
        """Return the levels from the ``start``-th best up to but not with the ``end``-th, as (price, quantity)."""
        return [(key * self._sign, self._levels[key * self._sign].qty) for key in self._keys[start:end]]

    def best_first(self, prices: Iterable[Decimal]) -> list[Decimal]:
        """Sort prices as this side does."""
        return sorted(prices, reverse=self.side == "buy")

    def within(self, price: Decimal, depth: int) -> bool:
        """Tell whether a price is no worse than the ``depth``-th best level."""
        return len(self._keys) < depth or price * self._sign <= self._keys[depth - 1]

    def qty_at(self, price: Decimal) -> Decimal:
        """Return the quantity resting at a price."""
        level = self._levels.get(price)
        return level.qty if level is not None else ZERO

    def orders(self) -> Iterator[SimOrder]:
        """Go through the resting orders in the order in which a taker meets them."""
        for key in self._keys:
            yield from self._levels[key * self._sign].orders.values()

    def first(self) -> SimOrder | None:
        """Return the order that a taker meets first."""
        return next(self.orders(), None)

    def push(self, price: Decimal, order: SimOrder) -> None:
        """Queue an order behind the others of its price."""
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = Level()
            bisect.insort(self._keys, price * self._sign)
        level.orders[order.order_id] = order
        self.touched[price] = None
        level.qty += order.visible_qty

    def remove(self, price: Decimal, order: SimOrder, leaves: Decimal) -> None:
        """Take an order out; ``leaves`` is what it counted for."""
        level = self._levels[price]
        del level.orders[order.order_id]
        self.touched[price] = None
        level.qty -= leaves
        if not level.orders:
            del self._levels[price]
            del self._keys[bisect.bisect_left(self._keys, price * self._sign)]

    def reduce(self, price: Decimal, by: Decimal) -> None:
        """Lower a level's quantity; the orders keep their places."""
        self._levels[price].qty -= by
        self.touched[price] = None


class Book:
    """Both sides, and which order rests where. Knows nothing of money, accounts or statuses."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids, self.asks = BookSide("buy"), BookSide("sell")
        self.changed = False
        self.places = 0
        self._resting: dict[str, tuple[Decimal, Decimal]] = {}  # order id -> price, quantity counted

    def settle(self) -> None:
        """Begin to collect anew what changes: what has changed until now is published."""
        self.changed = False
        self.bids.touched.clear()
        self.asks.touched.clear()

    def side(self, side: Side) -> BookSide:
        """Return the side where orders of this side rest."""
        return self.bids if side == "buy" else self.asks

    def rests(self, order: SimOrder) -> bool:
        """Tell whether the order is in the book."""
        return order.order_id in self._resting

    def rest(self, order: SimOrder) -> None:
        """Put an order at the back of its price's queue; it shows its ``visible_qty``."""
        self.places += 1
        order.place = self.places
        price = order.limit_price
        if price is None:
            raise ValueError(f"order {order.order_id} has no price to rest at")
        self.side(order.side).push(price, order)
        self._resting[order.order_id] = (price, order.visible_qty)
        self.changed = True

    def drop(self, order: SimOrder) -> None:
        """Take an order out, if it is in."""
        held = self._resting.pop(order.order_id, None)
        if held is not None:
            self.side(order.side).remove(held[0], order, held[1])
            self.changed = True

    def recount(self, order: SimOrder) -> None:
        """Take over what a resting order shows now, less than before; its place stays."""
        held = self._resting[order.order_id][1]
        if held != order.visible_qty:
            self.shrink(order, held - order.visible_qty)

    def shrink(self, order: SimOrder, by: Decimal) -> None:
        """Count ``by`` less for a resting order: a fill, or an amend downward; its place stays."""
        price, counted = self._resting[order.order_id]
        self._resting[order.order_id] = (price, counted - by)
        self.side(order.side).reduce(price, by)
        self.changed = True

    def crosses(self, side: Side, limit: Decimal | None) -> bool:
        """Tell whether an order of this side and limit (None = any price) would take at once."""
        best = self.side(opposite(side)).best_price()
        return best is not None and within(side, limit, best)

    def next_maker(self, side: Side, limit: Decimal | None) -> SimOrder | None:
        """Return the resting order that an order of ``side`` meets first within its limit."""
        return self.side(opposite(side)).first() if self.crosses(side, limit) else None

    def reachable(self, side: Side, limit: Decimal | None) -> Iterator[SimOrder]:
        """Go through the makers within a limit, best first."""
        for maker in self.side(opposite(side)).orders():
            price = maker.limit_price
            if price is None or not within(side, limit, price):
                return
            yield maker


def within(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Tell whether a taker of ``side`` with this limit accepts ``price``."""
    return limit is None or (price <= limit if side == "buy" else price >= limit)
