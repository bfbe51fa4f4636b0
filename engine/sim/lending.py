"""The money of margin trades: the house lends, so a position moves no balance but its profit and its fees.

Opening, the house takes the coins and pays for them (or the other way round); closing, it gives them back, and the
account is credited or debited the difference. All accounts with the collected fees keep summing to what was paid in.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.events import PositionMoved
from engine.sim.instruments import PairSpec
from engine.sim.numbers import NS, ZERO, nearest
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.positions import Position, closings
from engine.sim.settlement import HUNDRED, MarginPart

if TYPE_CHECKING:
    from engine.sim.core import Core


class Lending:
    """Opens, closes, settles and charges positions."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def fill(
        self, order: SimOrder, account: Account, pair: PairSpec, match: tuple[Decimal, Decimal, str, int, int]
    ) -> SimTrade:
        """Book one side of a match of a margin order: it closes opposite positions first in, first out, and opens
        one with the rest.
        """
        price, qty, _, _, ts_ns = match
        places = self._places(pair)
        closed = list(closings(account.positions.values(), order.symbol, order.side, qty, places))
        closing_qty = sum((before.open_qty - after.open_qty for before, after in closed), ZERO)
        closing_cost = nearest(price * closing_qty, places)
        opened_cost = nearest(price * qty, places) - closing_cost
        bound = nearest(opened_cost / (order.leverage or 1), places)
        extra = ZERO
        if qty > closing_qty:
            extra = nearest(opened_cost * self._core.settings.margin_open_fee_pct / HUNDRED, places)
        told = extra if self._core.settings.margin_open_fee_in == "fill" else ZERO
        part = MarginPart(bound, _status(closed, qty), told)
        trade = self._core.settlement.fill(order, account, pair, match, part)
        extra -= told
        profit = closing_cost - sum((before.open_cost - after.open_cost for before, after in closed), ZERO)
        profit = profit if order.side == "sell" else -profit
        for _, after in closed:
            self._keep(account, after, ts_ns)
        if qty > closing_qty:
            self._open(trade, account, (qty - closing_qty, opened_cost, bound, trade.fee + extra))
        self._pay(account, pair, trade, profit, extra)
        return trade

    def _pay(self, account: Account, pair: PairSpec, trade: SimTrade, profit: Decimal, extra: Decimal) -> None:
        sign = 1 if trade.side == "buy" else -1
        house, settlement = self._core.house, self._core.settlement
        house.move(pair.base, sign * trade.qty)
        house.move(pair.quote, -sign * trade.cost - profit)
        settlement.collect(pair.quote, trade.fee + extra)
        account.move(pair.quote, profit - trade.fee - extra)
        apart = extra if self._core.settings.margin_open_fee_in == "own_entry" else ZERO
        account.move(pair.quote, apart)
        settlement.book(account, pair.quote, profit, trade.fee + extra - apart, trade.exec_id, trade.ts_ns, "margin")
        if apart:
            account.move(pair.quote, -apart)
            settlement.book(account, pair.quote, ZERO, apart, trade.exec_id, trade.ts_ns, "margin")

    def _open(self, trade: SimTrade, account: Account, opened: tuple[Decimal, Decimal, Decimal, Decimal]) -> None:
        qty, cost, margin, fee = opened
        settings = self._core.settings
        position = Position(
            position_id=trade.exec_id,
            order_id=trade.order_id,
            account=account.name,
            symbol=trade.symbol,
            side=trade.side,
            order_type=trade.order_type,
            opened_ns=trade.ts_ns,
            qty=qty,
            cost=cost,
            fee=fee,
            margin=margin,
            leverage=trade.leverage or 1,
            rollover_ns=trade.ts_ns + settings.margin_rollover_s * NS if settings.margin_rollover_fee_pct else None,
        )
        self._keep(account, position, trade.ts_ns)

    def _keep(self, account: Account, position: Position, ts_ns: int) -> None:
        if position.open_qty:
            account.positions[position.position_id] = position
        else:
            account.positions.pop(position.position_id, None)
        self._core.emit(PositionMoved(position, ts_ns))

    def settle(self, order: SimOrder) -> None:
        """Settle positions in kind: the account pays what a long one cost and receives its coins, or delivers the
        coins of a short one. The order's side is the one that closes (not confirmed). No trade is printed.
        """
        core = self._core
        account, market = core.accounts[order.account], core.markets[order.symbol]
        pair, places = market.pair, self._places(market.pair)
        closed = list(closings(account.positions.values(), order.symbol, order.side, order.order_qty, places))
        qty = sum((before.open_qty - after.open_qty for before, after in closed), ZERO)
        cost = sum((before.open_cost - after.open_cost for before, after in closed), ZERO)
        if not qty:
            core.end(order, "canceled", core.settings.reason_reduce_only)
            return
        sign = 1 if order.side == "sell" else -1
        try:
            account.require(*((pair.quote, cost) if sign == 1 else (pair.base, qty)))
        except Refused:
            core.end(order, "canceled", core.settings.reason_funds)
            return
        for _, after in closed:
            self._keep(account, after, core.now_ns)
        for asset, change in ((pair.base, sign * qty), (pair.quote, -sign * cost)):
            account.move(asset, change)
            core.house.move(asset, -change)
            core.settlement.book(account, asset, change, ZERO, order.order_id, core.now_ns, "settled")
        order.order_qty = order.cum_qty = qty
        order.cum_cost = cost
        core.end(order, "filled")

    def rollovers_due(self) -> list[int]:
        """Charge the rollover fees whose time has come; return the next times."""
        core, waiting = self._core, list[int]()
        for account in core.accounts.values():
            for position in list(account.positions.values()):
                while position.rollover_ns is not None and position.rollover_ns <= core.now_ns:
                    position = self._roll(account, position)
                if position.rollover_ns is not None:
                    waiting.append(position.rollover_ns)
        return waiting

    def _roll(self, account: Account, position: Position) -> Position:
        core, settings = self._core, self._core.settings
        pair = core.markets[position.symbol].pair
        fee = nearest(position.open_cost * settings.margin_rollover_fee_pct / HUNDRED, self._places(pair))
        core.settlement.collect(pair.quote, fee)
        account.move(pair.quote, -fee)
        core.settlement.book(account, pair.quote, ZERO, fee, self._rollover_ref(position), core.now_ns, "rollover")
        rolled = replace(position, rollover_ns=(position.rollover_ns or 0) + settings.margin_rollover_s * NS)
        self._keep(account, rolled, core.now_ns)
        return rolled

    def _rollover_ref(self, position: Position) -> str:
        match self._core.settings.margin_rollover_ref:
            case "position":
                return position.position_id
            case "order":
                return position.order_id
            case "own":
                return self._core.settlement.draw_ref()

    def _places(self, pair: PairSpec) -> int:
        return self._core.settings.asset(pair.quote).decimals


def _status(closed: list[tuple[Position, Position]], qty: Decimal) -> str:
    """Name what a margin trade does to positions: opened, closing (parts stay) or closed."""
    if sum((before.open_qty - after.open_qty for before, after in closed), ZERO) < qty:
        return "opened"
    return "closing" if any(after.open_qty for _, after in closed) else "closed"
