"""Brings an exchange back from its store, as if it had only held its breath.

While it was off no time passed in its market: what waits for a moment (GTD orders, effective times, rollovers, the
dead man's switch) is put off by as long as the exchange was off, and reports show the new moment. Clients' open orders
rest again in their old order, in front of whatever the market's source quotes anew; stops are armed again, an iceberg
shows what was left of its slice; the tape goes on with its last price, its trade ids and its candles.
Not kept: the house's orders, index prices, spreads, rate counters, tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial

import msgspec

from engine.sim.accounts import Account
from engine.sim.candles import INTERVALS, Candle
from engine.sim.core import HOUSE, Core
from engine.sim.durability import Keeper, key_nonces, ledger_row
from engine.sim.events import LedgerEntry, PublicTrade
from engine.sim.history import FILLS_EACH, ROWS_EACH, Ledger
from engine.sim.keys import ApiKey
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.positions import Position
from engine.sim.store import ExchangeStore, Statement
from engine.sim.watching import Changes

_LEDGER = "SELECT body FROM ledger WHERE account = ? ORDER BY number DESC LIMIT ?"
_ORDERS = "SELECT closing, body FROM orders WHERE closing IS NULL OR closing > ? ORDER BY number"
_CANDLES = "SELECT body FROM candles WHERE symbol = ? AND minutes = ? ORDER BY start_ns"
_order = partial(msgspec.json.decode, type=SimOrder)
_trade = partial(msgspec.json.decode, type=SimTrade)
_entry = partial(msgspec.json.decode, type=LedgerEntry)
_position = partial(msgspec.json.decode, type=Position)
_print = partial(msgspec.json.decode, type=PublicTrade)
_candle = partial(msgspec.json.decode, type=Candle)


def restore(core: Core, store: ExchangeStore, keys: dict[str, ApiKey]) -> Keeper:
    """Fill a fresh core from a store, or an empty store from the core; return who keeps them in step.

    Raises ValueError when the store has an account or market that the settings do not have.
    """
    core.now_ns = core.clock.now_ns()
    alive_ns = store.meta("alive_ns")
    key_nonces(store, keys)
    if alive_ns is None:
        _found(core, store)
        return Keeper(core, store, 0)
    _restore_money(core, store)
    _restore_ledgers(core, store)
    _restore_prints(core, store)
    closings = _restore_orders(core, store)
    _restore_trades(core, store)
    for (body,) in store.rows("SELECT body FROM positions ORDER BY number"):
        position = _position(body)
        core.accounts[position.account].positions[position.position_id] = position
    for account, at_ns in store.rows("SELECT account, at_ns FROM dead_man"):
        core.dead_man[account] = at_ns
    keeper = Keeper(core, store, closings)
    _put_off(core, keeper, max(0, core.now_ns - int(alive_ns)))
    return keeper


def _found(core: Core, store: ExchangeStore) -> None:
    alive = ("INSERT INTO meta VALUES ('alive_ns', ?)", (str(core.now_ns),))
    store.write([*_opening(list(core.accounts.values())), alive])


def _opening(accounts: list[Account]) -> Iterator[Statement]:
    """Write what accounts begin with: their balances, and the deposits that explain them."""
    for account in accounts:
        for asset, total in account.balances.items():
            yield "INSERT INTO balances VALUES (?, ?, ?)", (account.name, asset, str(total))
        for entry in account.ledger.rows:
            yield ledger_row(entry)


def _restore_money(core: Core, store: ExchangeStore) -> None:
    for name, asset, total in store.rows("SELECT account, asset, amount FROM balances"):
        if name not in core.accounts:
            raise ValueError(f"the exchange's store has an account {name!r}, the settings have not")
        core.accounts[name].balances[asset] = Decimal(total)
    for asset, total in store.rows("SELECT asset, amount FROM fees"):
        core.settlement.collected[asset] = Decimal(total)
    for name, day, usd in store.rows("SELECT account, day, usd FROM volumes"):
        core.settlement.volumes.put(name, day, Decimal(usd))


def _restore_ledgers(core: Core, store: ExchangeStore) -> None:
    """Read as many rows of each ledger as are kept; an account that is new to the store begins with its deposits."""
    known = {name for (name,) in store.rows("SELECT DISTINCT account FROM balances")}
    store.write(list(_opening([account for name, account in core.accounts.items() if name not in known | {HOUSE}])))
    keep = core.settings.keep_closed
    for name in known - {HOUSE}:
        ledger = core.accounts[name].ledger = Ledger()
        most = -1 if keep is None else ROWS_EACH * keep
        for (body,) in reversed(store.rows(_LEDGER, (name, most))):
            ledger.add(_entry(body))


def _restore_prints(core: Core, store: ExchangeStore) -> None:
    for (symbol,) in store.rows("SELECT DISTINCT symbol FROM tape"):
        if symbol not in core.markets:
            raise ValueError(f"the exchange's store has a market {symbol!r}, the settings have not")
        tape = core.markets[symbol].tape
        for (body,) in store.rows("SELECT body FROM tape WHERE symbol = ? ORDER BY trade_id", (symbol,)):
            tape.recall(_print(body))
        for minutes in INTERVALS:
            tape.candles.recall(minutes, (_candle(body) for (body,) in store.rows(_CANDLES, (symbol, minutes))))
        for (body,) in store.rows("SELECT body FROM running WHERE symbol = ?", (symbol,)):
            tape.candles.go_on(_candle(body))


def _restore_orders(core: Core, store: ExchangeStore) -> int:
    """Bring back the open orders and as many closed ones as are to be kept; return the number of the last closing."""
    resting: list[SimOrder] = []
    closed: list[tuple[int, SimOrder]] = []
    last, keep = int(store.rows("SELECT coalesce(max(closing), 0) FROM orders")[0][0]), core.settings.keep_closed
    floor = 0 if keep is None else last - keep
    for closing, body in store.rows(_ORDERS, (floor,)):
        order = _order(body)
        core.orders[order.order_id] = order
        core.accounts[order.account].opened(order)
        if order.is_open:
            resting.append(order)
        else:
            closed.append((closing, order))
    for _, order in sorted(closed, key=lambda row: row[0]):
        core.accounts[order.account].ended(order)
    for order in sorted(resting, key=lambda order: order.place):
        _rest(core, order)
    return last


def _rest(core: Core, order: SimOrder) -> None:
    market = core.markets[order.symbol]
    core.entry.hold(order, core.accounts[order.account])
    if order.is_scheduled:
        return
    if order.is_armed:
        core.entry.arm(order, market)
    else:
        market.book.rest(order)


def _restore_trades(core: Core, store: ExchangeStore) -> None:
    last, keep = int(store.rows("SELECT coalesce(max(number), 0) FROM trades")[0][0]), core.settings.keep_closed
    floor = 0 if keep is None else last - FILLS_EACH * keep * len(core.accounts)
    for (body,) in store.rows("SELECT body FROM trades WHERE number > ? ORDER BY number", (floor,)):
        trade = _trade(body)
        core.trades.append(trade)
        core.accounts[trade.account].fills.add(trade)


def _put_off(core: Core, keeper: Keeper, off_ns: int) -> None:
    """Move every awaited moment by the time the exchange was off, and write that it is on again."""
    moved: dict[str, SimOrder] = {}
    for name, account in core.accounts.items():
        for order in account.open.values():
            if order.expire_ns is not None and name != HOUSE:
                order.expire_ns += off_ns
            if order.is_scheduled:
                order.effective_ns = (order.effective_ns or 0) + off_ns
            moved[order.order_id] = order
    for name in core.dead_man:
        core.dead_man[name] += off_ns
    put_off: dict[str, Position] = {}
    for account in core.accounts.values():
        for key, position in account.positions.items():
            if position.rollover_ns is not None:
                put_off[key] = replace(position, rollover_ns=position.rollover_ns + off_ns)
        account.positions |= {key: put_off[key] for key in account.positions if key in put_off}
    keeper.take(Changes(ts_ns=core.now_ns, orders=moved, positions=put_off))
    keeper.beat()
