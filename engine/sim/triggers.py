"""Stops and take-profits waiting for the last trade price (protocol section 11.3)."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.orders import SimOrder


def is_due(order: SimOrder, last: Decimal | None) -> bool:
    """Tell whether this last price fires the order.

    A stop-loss fires when the price moves against its owner (a sell: down to the trigger), a take-profit the other way.
    """
    if last is None or order.trigger_price is None:
        return False
    stop = order.order_type.startswith("stop-loss")
    downward = stop == (order.side == "sell")
    return last <= order.trigger_price if downward else last >= order.trigger_price


class Triggers:
    """The armed orders of one pair, in the order in which they came."""

    def __init__(self) -> None:
        self._armed: dict[str, SimOrder] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, order: SimOrder) -> None:
        """Let an order wait."""
        self._armed[order.order_id] = order

    def disarm(self, order: SimOrder) -> None:
        """Stop waiting, if it waits."""
        self._armed.pop(order.order_id, None)

    def fired_by(self, last: Decimal) -> list[SimOrder]:
        """Take out and return the orders that this print fires, oldest first."""
        fired = [order for order in self._armed.values() if is_due(order, last)]
        for order in fired:
            del self._armed[order.order_id]
        return fired
