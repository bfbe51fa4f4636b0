"""Margin: what positions bind, when they are too much, and orders that may only reduce them (protocol section 11.9).

Figures are in USD. The profit of a position counts at the last price of its pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused, invalid
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import ZERO
from engine.sim.orders import TRIGGER_TYPES, NewOrder, SimOrder, opposite
from engine.sim.positions import Position, closable
from engine.sim.pricing import Prices

if TYPE_CHECKING:
    from engine.sim.core import Core

HIGHEST_BY_DEFAULT = 5  # what WebSocket's ``margin: true`` asks for at most


def default_leverage(pair: PairSpec, side: str) -> int:
    """Return the pair's highest leverage, capped. Raises Refused for a pair without margin."""
    listed = pair.leverage_buy if side == "buy" else pair.leverage_sell
    fitting = [leverage for leverage in listed if leverage <= HIGHEST_BY_DEFAULT]
    if not fitting:
        raise invalid("margin")
    return max(fitting)


class Margin:
    """Judges margin orders and keeps positions within their bounds."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # --- figures

    def used(self, account: Account) -> Decimal:
        """Return what the open positions bind."""
        return self._sum((p, p.open_margin) for p in account.positions.values())

    def cost(self, account: Account) -> Decimal:
        """Return what the open positions cost."""
        return self._sum((p, p.open_cost) for p in account.positions.values())

    def unrealised(self, account: Account) -> Decimal:
        """Return what closing everything at the last prices would gain, before fees."""
        return self._sum((p, p.profit(self._mark(p))) for p in account.positions.values())

    def equity(self, account: Account) -> Decimal:
        """Return the collateral with the unrealised profit. Which assets count, and with which discount, is not
        confirmed: USD alone, or by the setting every asset in full.
        """
        if self._core.settings.margin_collateral == "cash":
            collateral = account.balances.get("USD", ZERO)
        else:
            collateral = sum((self._core.in_usd(*item) for item in account.balances.items()), ZERO)
        return collateral + self.unrealised(account)

    def free(self, account: Account) -> Decimal:
        """Return the margin that further positions may bind."""
        return self.equity(account) - self.used(account)

    def level(self, account: Account) -> Decimal | None:
        """Return equity in percent of the used margin; None without positions."""
        used = self.used(account)
        return self.equity(account) * 100 / used if used else None

    def closable(self, order: SimOrder) -> Decimal:
        """Return how much of the account's positions an order may close."""
        return closable(self._core.accounts[order.account].positions.values(), order.symbol, order.side)

    def _sum(self, parts: Iterable[tuple[Position, Decimal]]) -> Decimal:
        markets = self._core.markets
        return sum((self._core.in_usd(markets[p.symbol].pair.quote, amount) for p, amount in parts), ZERO)

    def _mark(self, position: Position) -> Decimal:
        return self._core.markets[position.symbol].tape.last_price or position.cost / position.qty

    # --- checks

    @staticmethod
    def check_leverage(new: NewOrder, pair: PairSpec) -> None:
        """Check that the pair lends so much on this side. Raises Refused."""
        listed = pair.leverage_buy if new.side == "buy" else pair.leverage_sell
        if new.leverage is not None and new.leverage not in listed:
            raise invalid("leverage")

    def check(self, order: SimOrder, account: Account, market: Market) -> None:
        """Check the positions and the free margin behind a margin order. Raises Refused.

        An armed reduce-only order needs no position yet: it is judged when it fires.
        """
        closes = closable(account.positions.values(), order.symbol, order.side)
        if order.reduce_only:
            if closes or (order.order_type in TRIGGER_TYPES and not order.triggered):
                return
            any_here = any(position.symbol == order.symbol for position in account.positions.values())
            raise Refused(errors.REDUCE_ONLY_NOT_CLOSING if any_here else errors.REDUCE_ONLY_NO_POSITION)
        opens = max(order.leaves_qty - closes, ZERO)
        price = order.limit_price or order.trigger_price or market.reference_price(order.side) or ZERO
        needed = self._core.in_usd(market.pair.quote, opens * price / (order.leverage or 1))
        if needed > self.free(account):
            raise Refused(self._core.settings.error_margin)

    # --- what the venue does by itself

    def enforce(self) -> bool:
        """Do one thing that positions ask for after a command: fit a reduce-only order to what is left to reduce, or
        liquidate a position; return whether there was one.
        """
        return any(self._fit(account) or self._liquidate(account) for account in self._core.accounts.values())

    def _fit(self, account: Account) -> bool:
        """Shrink the least aggressive resting reduce-only order of a side that asks for more than the positions."""
        resting: dict[tuple[str, str], list[SimOrder]] = {}
        for order in account.reducing.values():
            if self._core.markets[order.symbol].book.rests(order):
                resting.setdefault((order.symbol, order.side), []).append(order)
        for orders in resting.values():
            excess = sum((order.leaves_qty for order in orders), ZERO) - self.closable(orders[0])
            if excess > 0:
                sign = -1 if orders[0].side == "buy" else 1
                self._shrink(max(orders, key=lambda order: (sign * (order.limit_price or ZERO), order.place)), excess)
                return True
        return False

    def _shrink(self, order: SimOrder, excess: Decimal) -> None:
        core = self._core
        if excess >= order.leaves_qty:
            core.end(order, "canceled", core.settings.reason_reduce_only)
            return
        order.order_qty -= excess
        core.note_amend(order, "restated")
        core.markets[order.symbol].book.recount(order)
        core.report(order, "restated")

    def _liquidate(self, account: Account) -> bool:
        """Close the oldest position that can be closed, once the margin level has fallen below the pair's stop."""
        level = self.level(account) if account.positions else None
        if level is None:
            return False
        for position in account.positions.values():
            market = self._core.markets[position.symbol]
            if self._core.is_halted(market):
                continue
            if level < market.pair.margin_stop and market.book.side(position.side).best_price() is not None:
                before = account.positions.get(position.position_id)
                self._core.entry.accept(self._closing(position, position.open_qty, account, market), account)
                return account.positions.get(position.position_id) != before
        return False

    def liquidate(self, account: Account, symbol: str, qty: Decimal | None) -> SimOrder:
        """Close whole lots up to ``qty`` (None: all) of the oldest position of a symbol, whatever the level says.

        Raises Refused where there is none.
        """
        position = next((one for one in account.positions.values() if one.symbol == symbol), None)
        if position is None:
            raise Refused(errors.UNKNOWN_POSITION)
        market = self._core.markets[symbol]
        lot = market.pair.lot
        closes = position.open_qty if qty is None else min(max(qty // lot, Decimal(1)) * lot, position.open_qty)
        order = self._closing(position, closes, account, market)
        self._core.entry.accept(order, account)
        return order

    def _closing(self, position: Position, qty: Decimal, account: Account, market: Market) -> SimOrder:
        new = NewOrder(
            symbol=position.symbol,
            side=opposite(position.side),
            order_type="market",
            order_qty=qty,
            leverage=position.leverage,
            reduce_only=True,
        )
        order = self._core.entry.make(account, new, market.pair, Prices(None, None, None))
        order.liquidates = True
        return order
