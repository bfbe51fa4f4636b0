"""Keeps a store in step with the core: written after every command, before anything of it is answered or published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from engine.sim.candles import DAY_MINUTES, MINUTE_NS, MOST
from engine.sim.core import HOUSE, Core
from engine.sim.events import LedgerEntry, PublicTrade
from engine.sim.keys import ApiKey
from engine.sim.store import ExchangeStore, Statement
from engine.sim.tape import KEPT
from engine.sim.watching import Changes

_encode = msgspec.json.Encoder().encode
_ORDER = """INSERT INTO orders (order_id, closing, body) VALUES (?1, ?2, ?3)
            ON CONFLICT (order_id) DO UPDATE SET closing = coalesce(closing, ?2), body = ?3"""
_TRADE = "INSERT INTO trades (exec_id, body) VALUES (?, ?)"
_LEDGER = "INSERT INTO ledger (ledger_id, account, body) VALUES (?, ?, ?)"
_PRINT = "INSERT OR REPLACE INTO tape VALUES (?, ?, ?)"
_OLD_PRINTS = "DELETE FROM tape WHERE symbol = ? AND trade_id <= ?"
_CANDLE = "INSERT OR REPLACE INTO candles VALUES (?, ?, ?, ?)"
_OLD_CANDLES = "DELETE FROM candles WHERE symbol = ? AND minutes = ? AND start_ns < ?"
_RUNNING = "INSERT OR REPLACE INTO running VALUES (?, ?)"
_BALANCE = "INSERT OR REPLACE INTO balances VALUES (?, ?, ?)"
_VOLUME = "INSERT OR REPLACE INTO volumes VALUES (?, ?, ?)"
_POSITION = """INSERT INTO positions (position_id, body) VALUES (?1, ?2)
               ON CONFLICT (position_id) DO UPDATE SET body = ?2"""
_CLOSED_POSITION = "DELETE FROM positions WHERE position_id = ?"
_FEES = "INSERT OR REPLACE INTO fees VALUES (?, ?)"
_NONCE = "INSERT OR REPLACE INTO nonces VALUES (?, ?)"
_ALIVE = "INSERT OR REPLACE INTO meta VALUES ('alive_ns', ?)"


class Keeper:
    """Writes one transaction per command. The house's orders are not kept, and of commands among the house alone only
    the prints: the tape and its candles. Spreads are not kept.
    """

    def __init__(self, core: Core, store: ExchangeStore, closings: int) -> None:
        self._core, self._store, self._closings = core, store, closings
        self._nonces: dict[str, int] = {}
        self._dead_man: dict[str, int] = dict(core.dead_man)

    def check(self) -> None:
        """Raise sqlite3.Error when a write has failed: nothing may leave the process any more."""
        self._store.check()

    def take(self, changes: Changes) -> None:
        """Write what a command changed, if anything. Raises sqlite3.Error."""
        if changes or self._core.dead_man != self._dead_man:
            self._store.write([*self._statements(changes), *self._due_nonces(), (_ALIVE, (str(changes.ts_ns),))])

    def note_nonce(self, key: ApiKey) -> None:
        """Remember a key's highest nonce for the next write."""
        self._nonces[key.public] = key.nonce_high

    def save_nonces(self) -> None:
        """Write the nonces that no command has taken along. Raises sqlite3.Error, also for an earlier failure."""
        self._store.check()
        if self._nonces:
            self._store.write(list(self._due_nonces()))

    def beat(self) -> None:
        """Note that the exchange is on, while something in it waits for a time. Raises sqlite3.Error."""
        self._store.write([(_ALIVE, (str(self._core.clock.now_ns()),))])

    def _due_nonces(self) -> Iterator[Statement]:
        due, self._nonces = self._nonces, {}
        yield from ((_NONCE, (key, str(nonce))) for key, nonce in due.items())

    def _statements(self, changes: Changes) -> Iterator[Statement]:
        for order in changes.orders.values():
            closing = None
            if not order.is_open:
                self._closings += 1
                closing = self._closings
            yield _ORDER, (order.order_id, closing, _encode(order))
        for trade in changes.trades:
            yield _TRADE, (trade.exec_id, _encode(trade))
        for entry in changes.ledger:
            yield ledger_row(entry)
        yield from self._tape(changes.prints)
        for position in changes.positions.values():
            if position.open_qty:
                yield _POSITION, (position.position_id, _encode(position))
            else:
                yield _CLOSED_POSITION, (position.position_id,)
        yield from self._balances(changes)
        yield from self._switches()

    def _tape(self, prints: Sequence[PublicTrade]) -> Iterator[Statement]:
        for trade in prints:
            yield _PRINT, (trade.symbol, trade.trade_id, _encode(trade))
        for symbol in dict.fromkeys(trade.symbol for trade in prints):
            tape = self._core.markets[symbol].tape
            yield _OLD_PRINTS, (symbol, tape.trade_id - KEPT)
            for minutes, candle in tape.candles.take_ended():
                yield _CANDLE, (symbol, minutes, candle.start_ns, _encode(candle))
                most = max(MOST, DAY_MINUTES // minutes)
                yield _OLD_CANDLES, (symbol, minutes, candle.start_ns - most * minutes * MINUTE_NS)
            yield _RUNNING, (symbol, _encode(tape.candles.running))

    def _balances(self, changes: Changes) -> Iterator[Statement]:
        touched = dict.fromkeys((entry.account, entry.asset) for entry in changes.ledger)
        touched |= dict.fromkeys((HOUSE, entry.asset) for entry in changes.ledger)
        for position in changes.positions.values():  # the house lends the coins, which no ledger shows
            touched[HOUSE, self._core.markets[position.symbol].pair.base] = None
        for name, asset in touched:
            balance = self._core.accounts[name].balances.get(asset)
            if balance is not None:
                yield _BALANCE, (name, asset, str(balance))
        for account in dict.fromkeys(trade.account for trade in changes.trades):
            day, usd = self._core.settlement.volumes.of_day(account, changes.ts_ns)
            yield _VOLUME, (account, day, str(usd))
        if changes.trades or changes.positions:
            for asset, amount in self._core.settlement.collected.items():
                yield _FEES, (asset, str(amount))

    def _switches(self) -> Iterator[Statement]:
        armed = dict(self._core.dead_man)
        if armed != self._dead_man:
            self._dead_man = armed
            yield "DELETE FROM dead_man", ()
            yield from (("INSERT INTO dead_man VALUES (?, ?)", row) for row in armed.items())


def ledger_row(entry: LedgerEntry) -> Statement:
    """Return the writing of one ledger row."""
    return _LEDGER, (entry.ledger_id, entry.account, _encode(entry))


def key_nonces(store: ExchangeStore, keys: Mapping[str, ApiKey]) -> None:
    """Give the keys their highest nonces back."""
    for public, nonce in store.rows("SELECT api_key, nonce FROM nonces"):
        if public in keys:
            keys[public].nonce_high = int(nonce)
