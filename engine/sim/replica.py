"""The read replica behind REST: the clients' accounts as they were some seconds ago."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.sim.accounts import Account
from engine.sim.core import HOUSE, Core
from engine.sim.events import LedgerEntry
from engine.sim.numbers import NS
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.positions import Position
from engine.sim.watching import Changes


@dataclass(frozen=True, slots=True)
class _Step:
    """What one command did, copied, to be shown when it is old enough."""

    ts_ns: int
    orders: list[SimOrder]
    trades: list[SimTrade]
    ledger: list[LedgerEntry]
    money: dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]]  # account -> balances, held
    positions: dict[str, dict[str, Position]]  # account -> positions


class Replica:
    """Follows the core at a distance that may be changed at any time."""

    def __init__(self, core: Core, lag_s: float) -> None:
        self._core = core
        self.lag_ns = round(lag_s * NS)
        self._accounts = {name: _copied(account) for name, account in core.accounts.items() if name != HOUSE}
        self._waiting: deque[_Step] = deque()

    def take(self, changes: Changes) -> None:
        """Note what a command did."""
        if changes.orders or changes.ledger:
            touched = dict.fromkeys(order.account for order in changes.orders.values())
            touched |= dict.fromkeys(entry.account for entry in changes.ledger)
            accounts = [self._core.accounts[name] for name in touched]
            money = {account.name: (dict(account.balances), dict(account.held)) for account in accounts}
            orders = [_copy(order) for order in changes.orders.values()]
            positions = {account.name: dict(account.positions) for account in accounts}
            self._waiting.append(
                _Step(changes.ts_ns, orders, list(changes.trades), list(changes.ledger), money, positions)
            )

    def account(self, name: str) -> Account:
        """Return an account as it was ``lag_ns`` ago. It is not to be written."""
        now_ns = self._core.clock.now_ns()
        while self._waiting and self._waiting[0].ts_ns + self.lag_ns <= now_ns:
            self._apply(self._waiting.popleft())
        return self._accounts[name]

    def _apply(self, step: _Step) -> None:
        for order in step.orders:
            account = self._accounts[order.account]
            if order.order_id not in account.orders or order.is_open:
                account.opened(order)
            known, account.orders[order.order_id] = account.orders[order.order_id], order
            if order.is_open:
                continue
            if known.order_id in account.open:
                account.ended(order)
            else:  # a late fill: it has its place among the closed already
                account.closed[[o.order_id for o in account.closed].index(order.order_id)] = order
        for trade in step.trades:
            self._accounts[trade.account].fills.add(trade)
        for entry in step.ledger:
            self._accounts[entry.account].ledger.add(entry)
        for name, (balances, held) in step.money.items():
            self._accounts[name].balances, self._accounts[name].held = balances, held
            self._accounts[name].positions = step.positions[name]
        for name in step.money:
            keep = self._core.settings.keep_closed
            if keep is not None:
                self._accounts[name].forget(keep)


def _copy(order: SimOrder) -> SimOrder:
    return replace(order, amends=list(order.amends), exec_ids=list(order.exec_ids))


def _copied(account: Account) -> Account:
    copy = Account(account.name, account.balances)
    copy.held = dict(account.held)
    copy.positions = dict(account.positions)
    closed = {order.order_id for order in account.closed}
    for order in account.orders.values():
        twin = _copy(order)
        copy.orders[twin.order_id] = twin
        if order.order_id not in closed:
            copy.opened(twin)
    copy.closed = [copy.orders[order.order_id] for order in account.closed]
    for trade in account.trades:
        copy.fills.add(trade)
    for entry in account.ledger.rows:
        copy.ledger.add(entry)
    return copy
