"""Rows in an SQLite file, write-ahead logged. Called inline: a synced insert is cheaper than a hop to a thread."""

from __future__ import annotations

import contextlib
import heapq
import io
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from engine.errors import JournalCorrupt, JournalError
from engine.journal.row import Row
from engine.journal.store import Durability, Selection
from engine.seams.threads import run_aside

LOG, INDEX = "-wal", "-shm"
"""What SQLite adds to the file's name for the files that belong to it."""
_PAGE_ROWS = 512
_LOCK_WAIT_S = 1.0  # only a stranger's SQLite shell can hold the file; the loop must not wait long for one

_metadata = sa.MetaData()
_rows = sa.Table(
    "rows",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ts_ns", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("signal_id", sa.String, nullable=False),
    sa.Column("cl_ord_id", sa.String, nullable=False),
    sa.Column("causation_id", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
)
sa.Index("rows_by_signal", _rows.c.signal_id, sqlite_where=_rows.c.signal_id != "")
sa.Index("rows_by_order", _rows.c.cl_ord_id, sqlite_where=_rows.c.cl_ord_id != "")

_OF_NO_SIGNAL = sa.Index("rows_of_no_signal", _rows.c.kind, sqlite_where=_rows.c.signal_id == "")
"""Halts, ledgers and the like: a few thousand in a year's millions of rows."""

_NOTHING: sa.ColumnElement[str] = sa.literal_column(
    "''"
)  # spelled out in queries: SQLite proves a partial index only from a literal
_kinds_of_no_signal = sa.select(_rows.c.kind).distinct().where(_rows.c.signal_id == _NOTHING)
_insert = _rows.insert()
_newest = sa.select(_rows).order_by(_rows.c.seq.desc()).limit(1)


def begin_sqlite(path: Path, header: Row) -> None:
    """Make a journal file (0600) that holds its header, or none."""
    if path.with_name(path.name + LOG).exists():
        # SQLite would pour the old log into the new file.
        raise JournalError(f"the journal {path} is gone but its log {path.name}{LOG} is there: put the file back")
    replace_sqlite(create_sqlite(path.with_name(path.name + ".new"), [header]), path)


def create_sqlite(draft: Path, rows: Iterable[Row]) -> Path:
    """Make a file (0600) that holds these rows, durably, over any draft that was left half made; returns it."""
    with _as_journal_error("create", draft):
        for part in ("", LOG, INDEX):
            draft.with_name(draft.name + part).unlink(missing_ok=True)
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite gives its side files this mode
        store = SqliteStore(draft, "power")
        try:
            store.create_tables()
            for row in rows:
                store.insert(row)
            store.commit()
            store.checkpoint()
        finally:
            store.close()
    return draft


def require_content(path: Path) -> None:
    """Raise JournalCorrupt for an empty file, before SQLite sees it: it would take it for new and remove the log."""
    with _as_journal_error("open", path):
        if not path.stat().st_size:
            raise JournalCorrupt(f"the journal {path} is empty: not even its header is left", 1)


def replace_sqlite(draft: Path, path: Path) -> None:
    """Put a finished draft in the journal's place. A log that lies there belongs to what lay there before: it goes."""
    with _as_journal_error("create", path):
        for part in (LOG, INDEX):
            path.with_name(path.name + part).unlink(missing_ok=True)
        draft.replace(path)
        _sync_directory(path.parent)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's bytes durably (0600), if there is one. The copy is there whole or not at all."""
    with _as_journal_error("copy", source):
        if source.exists():
            with source.open("rb") as data:
                _write_whole(target, data)


def write_file(path: Path, data: bytes) -> None:
    """Make or replace a file (0600) that holds ``data``, durably and whole."""
    with _as_journal_error("write", path):
        _write_whole(path, io.BytesIO(data))


def _write_whole(path: Path, data: BinaryIO) -> None:
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        shutil.copyfileobj(data, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_directory(path.parent)


class SqliteStore:
    """A row store on one SQLite file that exists. ``read_only`` opens a live or dead journal without changing it."""

    def __init__(self, path: Path, durability: Durability, *, read_only: bool = False) -> None:
        self._path, self._durability = path, durability
        uri = self._uri = f"file:{quote(str(path.absolute()))}?mode={'ro' if read_only else 'rw'}"
        self._engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, timeout=_LOCK_WAIT_S),
            poolclass=sa.NullPool,
        )
        with _as_journal_error("open", path):
            self._connection = self._engine.connect()
        try:
            with _as_journal_error("open", path):
                if not read_only:
                    self._prepare(durability)
        except JournalError:
            self.close()
            raise

    def _prepare(self, durability: Durability) -> None:
        pragmas = [
            "journal_mode=WAL",
            f"synchronous={'FULL' if durability == 'power' else 'NORMAL'}",
            f"fullfsync={'ON' if durability == 'power' else 'OFF'}",  # macOS: fsync alone stops at the drive's cache
            "wal_autocheckpoint=0",  # a commit must never pay for the ones before it
        ]
        for pragma in pragmas:
            self._connection.exec_driver_sql(f"PRAGMA {pragma}")
        self._connection.commit()
        self._complete()

    def create_tables(self) -> None:
        """Lay out an empty file."""
        with _as_journal_error("create", self._path):
            _metadata.create_all(self._connection)
            self._connection.commit()

    def _complete(self) -> None:
        """Add an index that this file was made without."""
        if sa.inspect(self._connection).has_table(_rows.name):
            _OF_NO_SIGNAL.create(self._connection, checkfirst=True)
            self._connection.commit()

    def insert(self, row: Row) -> None:
        """Insert into the open transaction."""
        with _as_journal_error("write", self._path):
            self._connection.execute(_insert, msgspec.structs.asdict(row))

    def commit(self) -> None:
        """Commit; in "power" durability SQLite syncs its log before it returns."""
        with _as_journal_error("sync", self._path):
            self._connection.commit()

    def checkpoint(self) -> None:
        """Move the log's pages into the file, as far as readers allow, and start the log anew when all are moved."""
        with _as_journal_error("checkpoint", self._path):
            self._connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").close()
            self._connection.commit()

    async def checkpoint_aside(self) -> bool:
        """Move the log's pages in a thread, over a connection of its own: passive, so no commit waits for it."""
        return await run_aside(self._checkpoint_elsewhere)

    def _checkpoint_elsewhere(self) -> bool:
        try:
            with contextlib.closing(sqlite3.connect(self._uri, uri=True, timeout=_LOCK_WAIT_S)) as connection:
                connection.execute(f"PRAGMA fullfsync={'ON' if self._durability == 'power' else 'OFF'}")
                _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise JournalError(f"cannot checkpoint the journal {self._path}: {error}") from error
        return bool(pages == moved)

    def last(self) -> Row | None:
        """Read the newest row."""
        with _as_corruption(self._path, 0):
            found = self._connection.execute(_newest).first()
            return None if found is None else _row(found)

    def newest(self, kind: str) -> Row | None:
        """Find it by the index of the rows of no signal."""
        with _as_corruption(self._path, 0):
            found = self._connection.execute(_newest.where(_rows.c.kind == kind, _rows.c.signal_id == _NOTHING)).first()
            return None if found is None else _row(found)

    def rows(self, wanted: Selection) -> Iterator[Row]:
        """Read page by page, so that no read lock outlives a page and rows may be inserted meanwhile.

        Rows of no signal are merged kind by kind: the index finds each kind's in order, never all of them.
        """
        if wanted.signal_id != "" or wanted.kind is not None:
            return self._paged(wanted)
        with _as_corruption(self._path, wanted.after + 1):
            kinds = self._connection.execute(_kinds_of_no_signal).scalars().all()
        pages = (self._paged(msgspec.structs.replace(wanted, kind=kind)) for kind in kinds)
        return heapq.merge(*pages, key=lambda row: row.seq)

    def _paged(self, wanted: Selection) -> Iterator[Row]:
        after = wanted.after
        while True:
            with _as_corruption(self._path, after + 1):
                page = [_row(found) for found in self._connection.execute(_page(wanted, after))]
            yield from page
            if len(page) < _PAGE_ROWS:
                return
            after = page[-1].seq

    def check(self) -> None:
        """Let SQLite compare its tables with their indexes."""
        with _as_corruption(self._path, 0):
            found = self._connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if found != "ok":
            raise JournalCorrupt(f"the journal file {self._path} is damaged: {found}", 0)

    def close(self) -> None:
        """Roll back what is open and close. SQLite removes its side files when this was the last user."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # nothing is lost that was promised; the file stays as it is
            self._connection.close()
        self._engine.dispose()


def _page(wanted: Selection, after: int) -> sa.Select[tuple[object, ...]]:
    query = sa.select(_rows).where(_rows.c.seq > after, _rows.c.seq <= wanted.upto)
    if wanted.signal_id == "":
        query = query.where(_rows.c.signal_id == _NOTHING)
    elif wanted.signal_id is not None:
        query = query.where(_rows.c.signal_id == wanted.signal_id, _rows.c.signal_id != _NOTHING)
    if wanted.cl_ord_id is not None:
        query = query.where(_rows.c.cl_ord_id == wanted.cl_ord_id, _rows.c.cl_ord_id != _NOTHING)
    if wanted.kind is not None:
        query = query.where(_rows.c.kind == wanted.kind)
    return query.order_by(_rows.c.seq).limit(_PAGE_ROWS)


def _row(found: sa.Row[tuple[object, ...]]) -> Row:
    # SQLite keeps any type in any column: damage may have changed one.
    return msgspec.convert(found._mapping, Row, builtin_types=(bytes,))


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _as_journal_error(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise JournalError(f"cannot {doing} the journal {path}: {error.orig}") from error
    except OSError as error:
        raise JournalError(f"cannot {doing} the journal {path}: {error.strerror}") from error


@contextlib.contextmanager
def _as_corruption(path: Path, row: int) -> Iterator[None]:
    try:
        yield
    except (sa.exc.DBAPIError, msgspec.ValidationError, TypeError, ValueError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise JournalCorrupt(f"the journal {path} cannot be read from row {row} on: {cause}", row) from error
