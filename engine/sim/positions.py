"""Margin positions: each opened by one fill, closed first in, first out (protocol section 11.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.sim.numbers import ZERO, nearest
from engine.sim.orders import Side, opposite


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A margin position, named by the trade that opened it. ``qty`` in base, ``cost``, ``fee`` and ``margin`` in
    quote as they were opened; the ``closed_`` members are the part of each that is closed.
    """

    position_id: str
    order_id: str
    account: str
    symbol: str
    side: Side
    order_type: str
    opened_ns: int
    qty: Decimal
    cost: Decimal
    fee: Decimal
    margin: Decimal
    leverage: int
    rollover_ns: int | None = None  # when the next rollover fee is due
    closed_qty: Decimal = ZERO
    closed_cost: Decimal = ZERO
    closed_margin: Decimal = ZERO

    @property
    def open_qty(self) -> Decimal:
        """What is left of the quantity."""
        return self.qty - self.closed_qty

    @property
    def open_cost(self) -> Decimal:
        """What is left of the cost."""
        return self.cost - self.closed_cost

    @property
    def open_margin(self) -> Decimal:
        """What of the margin is still bound."""
        return self.margin - self.closed_margin

    def profit(self, price: Decimal) -> Decimal:
        """Return what closing the rest at ``price`` would gain, before fees."""
        value = self.open_qty * price
        return value - self.open_cost if self.side == "buy" else self.open_cost - value

    def less(self, qty: Decimal, places: int) -> Position:
        """Return the position with so much closed; cost and margin go in proportion, the last part takes the rest."""
        if qty == self.open_qty:
            return replace(self, closed_qty=self.qty, closed_cost=self.cost, closed_margin=self.margin)
        return replace(
            self,
            closed_qty=self.closed_qty + qty,
            closed_cost=self.closed_cost + nearest(self.cost * qty / self.qty, places),
            closed_margin=self.closed_margin + nearest(self.margin * qty / self.qty, places),
        )


def closable(positions: Iterable[Position], symbol: str, side: Side) -> Decimal:
    """Return how much an order of ``side`` may close on a symbol."""
    against = opposite(side)
    return sum((p.open_qty for p in positions if p.symbol == symbol and p.side == against), ZERO)


def closings(
    positions: Iterable[Position], symbol: str, side: Side, qty: Decimal, places: int
) -> Iterator[tuple[Position, Position]]:
    """Go through the positions that ``qty`` of an order of ``side`` closes, oldest first, as (before, after)."""
    for position in positions:
        if qty <= 0:
            return
        if position.symbol == symbol and position.side == opposite(side):
            part = min(qty, position.open_qty)
            qty -= part
            yield position, position.less(part, places)
