"""The fills of one order: the one door through which an execution is counted, once, for ever."""

from __future__ import annotations

from decimal import Decimal

from engine.orders.reports import Fill
from engine.values.money import NO_QTY, ZERO, Qty


class Fills:
    """Executions by ``exec_id`` and their sums: ``cum_qty`` in base, ``cum_cost`` in quote, ``fees`` by asset."""

    def __init__(self) -> None:
        self.by_exec_id: dict[str, Fill] = {}
        self.cum_qty: Qty = NO_QTY
        self.cum_cost = ZERO
        self.fees: dict[str, Decimal] = {}

    def __contains__(self, exec_id: str) -> bool:
        return exec_id in self.by_exec_id

    def add(self, fill: Fill) -> bool:
        """Count a fill; a repeated ``exec_id`` (snapshot, REST, second stream) adds nothing and returns False."""
        if fill.exec_id in self.by_exec_id:
            return False
        self.by_exec_id[fill.exec_id] = fill
        self.cum_qty = Qty(self.cum_qty + fill.last_qty)
        self.cum_cost += fill.cost
        for fee in fill.fees:
            self.fees[fee.asset] = self.fees.get(fee.asset, ZERO) + fee.qty
        return True

    @property
    def avg_px(self) -> Decimal:
        """Cost per unit, not rounded; zero without fills."""
        return self.cum_cost / self.cum_qty if self.cum_qty else ZERO

    @property
    def last(self) -> Fill | None:
        """The fill counted last."""
        return next(reversed(self.by_exec_id.values()), None)
