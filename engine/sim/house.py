"""The house: a direct, synchronous hand on the market for scripts and tests, with unlimited funds of its own."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.core import Core
from engine.sim.errors import Refused, invalid
from engine.sim.orders import NewOrder, Side, SimOrder


class Quote(NamedTuple):
    """One level of the house's: price in quote, quantity in base."""

    side: Side
    price: Decimal
    qty: Decimal


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

    def requote(self, symbol: str, quotes: Sequence[Quote], owner: str = "house") -> None:
        """Put these quotes in the place of an owner's orders, all in one command: one change of the book is told.

        Raises Refused when the market is halted and one of them crosses its book; nothing has changed then.
        """
        if any(self._core.market(symbol).book.crosses(quote.side, quote.price) for quote in quotes):
            self._check_open(symbol)
        with self._core.at_once():
            self.clear(symbol, owner)
            for quote in quotes:
                self.quote(symbol, quote.side, quote.price, quote.qty, owner)

    def take(self, symbol: str, side: Side, qty: Decimal) -> Decimal:
        """Send a market order and return how much of it was filled."""
        return self._add(NewOrder(symbol=symbol, side=side, order_type="market", order_qty=qty)).cum_qty

    def print_trade(self, symbol: str, price: Decimal, qty: Decimal, side: Side = "sell") -> None:
        """Print a lone trade: the last price moves and triggers look at it, the book is untouched. Raises Refused."""
        self._check_open(symbol)
        self._core.print_trade(symbol, price, qty, side)

    def set_index(self, symbol: str, price: Decimal | None) -> None:
        """Set a market's index price; None silences its source, and triggers look at the last price again."""
        self._core.set_index(symbol, price)

    def cancel_client(self, order_id: str, reason: str = "User requested") -> None:
        """Cancel a client's open order as somebody else with access to the account would."""
        order = self._core.orders.get(order_id)
        if order is None or not order.is_open:
            raise Refused(errors.UNKNOWN_ORDER)
        self._core.cancel(order, reason)

    def place_client(
        self,
        symbol: str,
        side: Side,
        qty: Decimal,
        price: Decimal | None = None,
        *,
        account: str = "client",
        order_type: str | None = None,
        trigger_price: Decimal | None = None,
        cl_ord_id: str | None = None,
        userref: int | None = None,
    ) -> str:
        """Place an order on a client's account as somebody else with access to it would; return its id.

        Without a price it is a market order. It counts on the account's engine counter like any other.
        """
        new = NewOrder(
            symbol=symbol,
            side=side,
            order_type=order_type or ("market" if price is None else "limit"),
            order_qty=qty,
            limit_price=price,
            trigger_price=trigger_price,
            cl_ord_id=cl_ord_id,
            userref=userref,
        )
        owner = self._core.accounts[account]
        self._core.rates.receive(owner, symbol, self._core.clock.now_ns(), Decimal(1))
        return self._add(new, owner).order_id

    def late_fill(self, order_id: str, qty: Decimal, price: Decimal) -> str:
        """Fill a client's order that is canceled or expired: matched first, told last (FIX, matrix J.1.b).

        The status stays, ``cum_qty`` and the balances move, the house is the counterparty. Returns the exec id.
        """
        order = self._core.orders.get(order_id)
        if order is None or order.status not in ("canceled", "expired"):
            raise Refused(errors.UNKNOWN_ORDER)
        if not 0 < qty <= order.order_qty - order.cum_qty:
            raise invalid("volume")
        self._core.now_ns = self._core.clock.now_ns()
        if order.reduce_only and qty > self._core.margin.closable(order):
            raise Refused(errors.REDUCE_ONLY_NO_POSITION)  # matched first or last, it never opens a position
        self._core.execution.fill_late(order, qty, price)
        return order.exec_ids[-1]

    def liquidate(self, symbol: str, qty: Decimal | None = None, account: str = "client") -> str:
        """Close up to ``qty`` (None: all) of a client's oldest margin position, as the venue does; return the id.

        Raises Refused where there is none.
        """
        self._check_open(symbol)
        self._core.now_ns = self._core.clock.now_ns()
        order = self._core.margin.liquidate(self._core.accounts[account], symbol, qty)
        self._core.finish()
        return order.order_id

    def open_orders(self, symbol: str, owner: str | None = None) -> list[SimOrder]:
        """Return the house's open orders of a symbol."""
        orders = self._core.house.open.values()
        return [order for order in orders if order.symbol == symbol and owner in (None, order.owner)]

    def _add(self, new: NewOrder, account: Account | None = None) -> SimOrder:
        book, limit = self._core.market(new.symbol).book, new.limit_price
        if not isinstance(limit, Decimal) or book.crosses(new.side, limit):
            self._check_open(new.symbol)
        order = self._core.add(account or self._core.house, new)
        if order is None:
            raise ValueError("a house order is never only validated")
        return order

    def _check_open(self, symbol: str) -> None:
        """Refuse what would trade while the market is halted. Raises Refused."""
        if self._core.is_halted(self._core.market(symbol)):
            raise Refused(errors.UNAVAILABLE)
