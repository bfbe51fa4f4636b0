"""Stops and take-profits waiting for their price, and trailing ones following theirs (protocol section 11.3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.sim.offsets import on_tick
from engine.sim.orders import Reference, SimOrder

ReferencePrice = Callable[[Reference], Decimal | None]


def is_due(order: SimOrder, price: Decimal | None) -> bool:
    """Tell whether this reference price fires the order.

    A stop fires when the price moves against its owner (a sell: down to the trigger), a take-profit the other way.
    """
    if price is None or order.trigger_price is None:
        return False
    stop = not order.order_type.startswith("take-profit")
    downward = stop == (order.side == "sell")
    return price <= order.trigger_price if downward else price >= order.trigger_price


def trail(order: SimOrder, price: Decimal, tick: Decimal) -> bool:
    """Let a trailing order follow the reference price; return whether its trigger has moved.

    The peak is the highest price since entry for a sell, the lowest for a buy; it never comes back.
    """
    peak = order.peak_price
    if peak is not None and (price <= peak if order.side == "sell" else price >= peak):
        return False
    order.peak_price = price
    return set_trail(order, tick)


def set_trail(order: SimOrder, tick: Decimal) -> bool:
    """Put a trailing order's trigger at its distance from the peak, and a relative limit at its offset from there."""
    peak, offset = order.peak_price, order.trigger_offset
    if peak is None or offset is None:
        raise ValueError(f"order {order.order_id} does not trail")
    distance, before = offset.distance(peak), order.trigger_price
    order.trigger_price = on_tick(peak - distance if order.side == "sell" else peak + distance, tick)
    if order.limit_offset is not None:
        order.limit_price = on_tick(order.trigger_price + order.limit_offset.distance(order.trigger_price), tick)
    return order.trigger_price != before


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

    def look(self, price_of: ReferencePrice, tick: Decimal) -> tuple[list[SimOrder], list[SimOrder]]:
        """Look at the present reference prices: return the trailing orders whose trigger moved, and take out and
        return those that fire, each oldest first.
        """
        moved: list[SimOrder] = []
        fired: list[SimOrder] = []
        prices = {"last": price_of("last"), "index": price_of("index")}
        for order in self._armed.values():
            price = prices[order.trigger_reference]
            if order.trails and price is not None and trail(order, price, tick):
                moved.append(order)
            elif is_due(order, price):
                fired.append(order)
        for order in fired:
            del self._armed[order.order_id]
        return moved, fired
