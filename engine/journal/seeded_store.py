"""Rows on the simulated disk: one line each, hash first. Written through at once, durable at commit.

That is harsher than SQLite, on purpose: of rows appended and never synced, any number may be there after a crash.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import trio

from engine.errors import JournalCorrupt, JournalError
from engine.journal.lease import hold_lease
from engine.journal.row import Row, canonical_row
from engine.journal.store import Durability, Selection
from engine.seams.disk import Disk

_Columns = tuple[int, int, str, str, str, int, msgspec.Raw]


def create_seeded(disk: Disk, name: str, header: Row) -> None:
    """Make a journal file that holds its header, or none."""
    with _as_journal_error("create", name):
        disk.create(name, _line(header))


class SeededStore:
    """A row store on one file of a simulated disk, under its lease. A torn last line is cut when the file is opened.

    Raises JournalBusy while another opener has it.
    """

    def __init__(self, disk: Disk, name: str, durability: Durability, now_ns: int = 0) -> None:
        self._name = name
        self._durability = durability
        with contextlib.ExitStack() as opening:
            lock = Path(f"{name}.lock")
            self.lease = opening.enter_context(
                hold_lease(lock, what=f"the journal {name}", now_ns=now_ns, locks=disk.locks)
            )
            self._file = disk.open(name)
            opening.callback(self._file.close)
            data = self._file.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                self._file.truncate(whole)
            self._held = opening.pop_all()

    def insert(self, row: Row) -> None:
        """Write the row's line."""
        with _as_journal_error("write", self._name):
            self._file.append(_line(row))

    def commit(self) -> None:
        """Sync, where durability asks for it."""
        with _as_journal_error("sync", self._name):
            if self._durability == "power":
                self._file.sync()

    def checkpoint(self) -> None:
        """Nothing is ever put off here, but an unsynced tail."""
        with _as_journal_error("sync", self._name):
            self._file.sync()

    async def checkpoint_aside(self) -> bool:
        """Find nothing put off: a commit in "power" durability leaves no tail."""
        await trio.lowlevel.checkpoint()
        return True

    def last(self) -> Row | None:
        """Parse the last line."""
        lines = self._lines()
        return _parse(lines[-1], len(lines)) if lines else None

    def newest(self, kind: str) -> Row | None:
        """Parse from the last line backwards."""
        lines = self._lines()
        for number in range(len(lines), 0, -1):
            row = _parse(lines[number - 1], number)
            if row.kind == kind and not row.signal_id:
                return row
        return None

    def rows(self, wanted: Selection) -> Iterator[Row]:
        """Parse the file as it is on the disk at this moment, so that damage done there is seen."""
        for number, line in enumerate(self._lines()[wanted.after : wanted.upto], start=wanted.after + 1):
            row = _parse(line, number)
            if wanted.takes(row):
                yield row

    def check(self) -> None:
        """Find nothing: a line has no structure beside its row."""

    def close(self) -> None:
        """Let go of the file. Written rows cannot be dropped any more: they stay."""
        self._held.close()

    def _lines(self) -> list[bytes]:
        with _as_journal_error("read", self._name):
            return self._file.read().split(b"\n")[:-1]


def file_of(rows: Iterable[Row]) -> bytes:
    """Return the bytes of a file that holds these rows."""
    return b"".join(_line(row) for row in rows)


def read_line(line: bytes) -> Row:
    """Read one line as a disk's observer sees it appended. Raises JournalCorrupt."""
    return _parse(line.rstrip(b"\n"), 0)


def _line(row: Row) -> bytes:
    return row.hash.encode() + b" " + canonical_row(row) + b"\n"


def _parse(line: bytes, number: int) -> Row:
    digest, _, columns = line.partition(b" ")
    try:
        seq, ts_ns, kind, signal_id, cl_ord_id, causation_id, body = msgspec.json.decode(columns, type=_Columns)
        return Row(seq, ts_ns, kind, signal_id, cl_ord_id, causation_id, bytes(body), digest.decode())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalCorrupt(f"journal row {number} cannot be read: {error}", number) from error


@contextlib.contextmanager
def _as_journal_error(doing: str, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(f"cannot {doing} the journal {name}: {error.strerror}") from error
