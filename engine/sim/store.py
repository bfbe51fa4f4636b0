"""What a durable exchange keeps: one SQLite file, one synced transaction per command."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE = "exchange.sqlite3"
_VERSION = 3
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE balances (account TEXT, asset TEXT, amount TEXT NOT NULL, PRIMARY KEY (account, asset)) WITHOUT ROWID;
CREATE TABLE fees (asset TEXT PRIMARY KEY, amount TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE nonces (api_key TEXT PRIMARY KEY, nonce TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_man (account TEXT PRIMARY KEY, at_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (number INTEGER PRIMARY KEY, order_id TEXT UNIQUE NOT NULL, closing INTEGER, body BLOB NOT NULL);
CREATE TABLE trades (number INTEGER PRIMARY KEY, exec_id TEXT UNIQUE NOT NULL, body BLOB NOT NULL);
CREATE TABLE ledger (number INTEGER PRIMARY KEY, ledger_id TEXT UNIQUE NOT NULL, account TEXT NOT NULL,
                     body BLOB NOT NULL);
CREATE TABLE prints (symbol TEXT PRIMARY KEY, trade_id INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
"""
_SINCE_2 = """
CREATE TABLE volumes (account TEXT, day INTEGER, usd TEXT NOT NULL, PRIMARY KEY (account, day)) WITHOUT ROWID;
CREATE INDEX ledger_of ON ledger (account, number);
CREATE TABLE positions (number INTEGER PRIMARY KEY, position_id TEXT UNIQUE NOT NULL, body BLOB NOT NULL);
"""
_SINCE_3 = """
CREATE TABLE tape (symbol TEXT, trade_id INTEGER, body BLOB NOT NULL, PRIMARY KEY (symbol, trade_id)) WITHOUT ROWID;
INSERT INTO tape SELECT symbol, trade_id, body FROM prints;
DROP TABLE prints;
CREATE TABLE candles (symbol TEXT, minutes INTEGER, start_ns INTEGER, body BLOB NOT NULL,
                      PRIMARY KEY (symbol, minutes, start_ns)) WITHOUT ROWID;
CREATE TABLE running (symbol TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""

Statement = tuple[str, Sequence[Any]]


class ExchangeStore:
    """One exchange's memory on disk. ``boot`` counts its openings and goes into every id drawn afterwards.

    The first failed write is the last: from then on every write raises, so that an exchange which could not keep
    what it did answers nothing any more.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.failed = False
        self.boot = int(self.meta("boot") or 0) + 1
        self.write([("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (str(self.boot),))])

    def meta(self, name: str) -> str | None:
        """Return one of the single values."""
        rows = self.rows("SELECT value FROM meta WHERE name = ?", (name,))
        return None if not rows else str(rows[0][0])

    def rows(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read."""
        return self._connection.execute(query, params).fetchall()

    def write(self, statements: Iterable[Statement]) -> None:
        """Write all of it or nothing, durable on return. Raises sqlite3.Error, and again at every later call."""
        self.check()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for text, params in statements:
                self._connection.execute(text, params)
            self._connection.execute("COMMIT")
        except BaseException:
            self.failed = True
            raise

    def check(self) -> None:
        """Raise sqlite3.OperationalError when a write has failed."""
        if self.failed:
            raise sqlite3.OperationalError("the exchange's store has failed")


@contextmanager
def open_exchange_store(directory: Path) -> Iterator[ExchangeStore]:
    """Open the directory's store, made (0600) when it is not there, until the block ends.

    Raises ValueError when the file is no store or a newer one, and OSError when another process has it open.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / FILE
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        _prepare(connection, path)
        yield ExchangeStore(connection)
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # held until closed or killed
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if not 0 <= version <= _VERSION:
            raise ValueError(f"{path} has version {version}, this exchange knows {_VERSION}")
        for schema in (_SCHEMA, _SINCE_2, _SINCE_3)[version:]:
            for statement in schema.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise OSError(f"{path} cannot be opened, is another exchange running on it? ({error})") from error
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
