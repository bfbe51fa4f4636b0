"""What the exchange says: orders with their lives and fills, and how much of a position stood uncovered when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

FOR_EVER = Decimal("Infinity")


@dataclass
class VenueOrder:
    """One order of the account by REST; times in seconds."""

    order_id: str
    cl_ord_id: str
    status: str
    qty: Decimal
    cum_qty: Decimal
    opened_s: Decimal
    closed_s: Decimal
    fills: list[tuple[Decimal, Decimal]] = field(default_factory=list)  # (time, quantity)

    def filled(self, at_s: Decimal) -> Decimal:
        """Return what was filled up to a moment."""
        return sum((qty for when, qty in self.fills if when <= at_s), Decimal(0))

    def leaves(self, at_s: Decimal) -> Decimal:
        """Return what was still open at a moment."""
        return self.qty - self.filled(at_s) if self.opened_s <= at_s < self.closed_s else Decimal(0)


def orders_of(rows: dict[str, Any], trades: dict[str, Any]) -> dict[str, VenueOrder]:
    """Put orders and fills of REST together, by order id."""
    orders = {
        order_id: VenueOrder(
            order_id,
            row["cl_ord_id"] or "",
            row["status"],
            Decimal(row["vol"]),
            Decimal(row["vol_exec"]),
            Decimal(row["opentm"]),
            Decimal(row.get("closetm", FOR_EVER)),
        )
        for order_id, row in rows.items()
    }
    for trade in trades.values():
        orders[trade["ordertxid"]].fills.append((Decimal(trade["time"]), Decimal(trade["vol"])))
    return orders


class Exposure:
    """One bracket's position through time, by the exchange's word alone."""

    def __init__(self, entries: Sequence[VenueOrder], exits: Sequence[VenueOrder]) -> None:
        self._entries, self._exits = entries, exits

    def held(self, at_s: Decimal) -> Decimal:
        """Return what the bracket held."""
        return sum((one.filled(at_s) for one in self._entries), Decimal(0)) - sum(
            (one.filled(at_s) for one in self._exits), Decimal(0)
        )

    def uncovered(self, at_s: Decimal) -> Decimal:
        """Return what of it no exit stood for."""
        return self.held(at_s) - sum((one.leaves(at_s) for one in self._exits), Decimal(0))

    def moments(self) -> Iterator[Decimal]:
        """Yield every moment at which something changed."""
        for one in (*self._entries, *self._exits):
            yield one.opened_s
            yield one.closed_s
            yield from (when for when, _ in one.fills)
