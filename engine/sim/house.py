"""The house: a direct, synchronous hand on the market for scripts and tests, with unlimited funds of its own."""

from __future__ import annotations

from decimal import Decimal

from engine.sim import errors
from engine.sim.core import Core
from engine.sim.errors import Refused
from engine.sim.orders import NewOrder, Side, SimOrder


class House:
    """Quotes, takes, prints, and cancels clients' orders as a person would. Raises Refused for impossible requests."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def quote(self, symbol: str, side: Side, price: Decimal, qty: Decimal, owner: str = "house") -> str:
        """Place a limit order and return its id; what crosses trades at once, the rest rests."""
        new = NewOrder(symbol=symbol, side=side, order_type="limit", order_qty=qty, limit_price=price, owner=owner)
        return self._add(new).order_id

    def cancel(self, order_id: str) -> None:
        """Remove one house order; one that has ended already is no error."""
        order = self._core.house.open.get(order_id)
        if order is not None:
            self._core.cancel(order)

    def clear(self, symbol: str, owner: str | None = None) -> None:
        """Remove all house orders of a symbol, or those of one owner."""
        for order in list(self._core.house.open.values()):
            if order.symbol == symbol and owner in (None, order.owner):
                self._core.cancel(order)

    def take(self, symbol: str, side: Side, qty: Decimal) -> Decimal:
        """Send a market order and return how much of it was filled."""
        return self._add(NewOrder(symbol=symbol, side=side, order_type="market", order_qty=qty)).cum_qty

    def print_trade(self, symbol: str, price: Decimal, qty: Decimal, side: Side = "sell") -> None:
        """Print a lone trade: the last price moves and triggers look at it, the book is untouched."""
        self._core.print_trade(symbol, price, qty, side)

    def cancel_client(self, order_id: str, reason: str = "User requested") -> None:
        """Cancel a client's open order as somebody else with access to the account would."""
        order = self._core.orders.get(order_id)
        if order is None or not order.is_open:
            raise Refused(errors.UNKNOWN_ORDER)
        self._core.cancel(order, reason)

    def open_orders(self, symbol: str, owner: str | None = None) -> list[SimOrder]:
        """Return the house's open orders of a symbol."""
        orders = self._core.house.open.values()
        return [order for order in orders if order.symbol == symbol and owner in (None, order.owner)]

    def _add(self, new: NewOrder) -> SimOrder:
        order = self._core.add(self._core.house, new)
        if order is None:
            raise ValueError("a house order is never only validated")
        return order
