"""A journal broken in its middle: kept as evidence, while its sound beginning goes on as a new chained journal.

Nothing is begun silently: the new journal's first row of its own says what was lost and where it is kept. Whoever runs
an engine on it must take that row for a halt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.errors import JournalCorrupt, JournalError
from engine.journal.chain import next_in_chain
from engine.journal.header import read_header
from engine.journal.reader import JournalReader
from engine.journal.row import GENESIS, Row, canonical_body, sealed
from engine.journal.seeded_store import SeededStore, file_of
from engine.journal.snapshot import Footing
from engine.journal.sqlite_store import (
    INDEX,
    LOG,
    SqliteStore,
    copy_file,
    create_sqlite,
    replace_sqlite,
    require_content,
    write_file,
)
from engine.journal.store import RowStore, Selection
from engine.seams.disk import Disk
from engine.values.time import rfc3339

CORRUPTION = "corruption"
"""Kind of the row that stands where a damaged journal's sound beginning ended. It belongs to no signal and no order."""

_ENDLESS = 2**62


class Corruption(msgspec.Struct, frozen=True):
    """``row`` is the first that could not be trusted, ``kept_as`` the file that holds it all, beside the journal."""

    row: int
    fault: str
    kept_as: str


def salvage_sqlite(path: Path, now_ns: int) -> Footing:
    """Look at a journal before it is opened; set it aside if it is broken behind its header. Returns what is stood on.

    The lease is held by the caller. A note beside the journal makes it certain that a process that dies on the way is
    followed by one that ends the work. Raises JournalError when nothing can be saved: no header, a newer schema.
    """
    note = _note_of(path)
    if salvage_begun(path):
        found = _read_note(note)
    else:
        fault = _first_fault(path)
        if isinstance(fault, Footing):
            return fault
        found = Corruption(fault.row, str(fault), _free_name(path, now_ns))
        for part in ("", LOG):  # the log first would be a log without its file
            copy_file(path.with_name(path.name + part), path.with_name(found.kept_as + part))
        write_file(note, msgspec.json.encode(found))
    kept = SqliteStore(path.with_name(found.kept_as), "process", read_only=True)
    try:
        read_header(kept)
        draft = create_sqlite(path.with_name(f"{path.name}.new"), _salvaged(kept, found, now_ns))
    finally:
        kept.close()
        _tidy(path.with_name(found.kept_as))
    replace_sqlite(draft, path)
    note.unlink()
    return Footing()


def salvage_begun(path: Path) -> bool:
    """Tell whether an earlier process began to set this journal aside and did not end that."""
    return _note_of(path).exists()


def salvage_seeded(disk: Disk, name: str, now_ns: int) -> Footing:
    """As salvage_sqlite, for a journal on a simulated disk."""
    store = SeededStore(disk, name, "power", now_ns)
    try:
        fault = _fault_of(store)
        if isinstance(fault, Footing):
            return fault
        found = Corruption(fault.row, str(fault), f"{name}.corrupt-{_stamp(now_ns)}")
        rows = list(_salvaged(store, found, now_ns))
    finally:
        store.close()
    if not disk.exists(found.kept_as):  # an earlier attempt may have got so far
        content = disk.content(name)
        disk.create(found.kept_as, bytes(content.durable + content.cache))
    disk.replace(name, file_of(rows))
    return Footing()


def sound_rows(store: RowStore) -> Iterator[Row]:
    """Yield rows from the first on, up to the one that is missing, cannot be read or does not fit the chain."""
    seq, head = 0, GENESIS
    for row in _readable(store):
        try:
            seq, head = next_in_chain(seq, head, row)
        except JournalCorrupt:
            return
        yield row


def _readable(store: RowStore) -> Iterator[Row]:
    """Yield rows until one cannot be read. Rows beside it may share its page: they are read one by one."""
    seq = 0
    try:
        for row in store.rows(Selection(after=0, upto=_ENDLESS)):
            seq = row.seq
            yield row
        return
    except JournalCorrupt:
        pass
    while True:
        try:
            alone = list(store.rows(Selection(after=seq, upto=seq + 1)))
        except JournalCorrupt:
            return
        if not alone:
            return
        seq += 1
        yield alone[0]


def _first_fault(path: Path) -> JournalCorrupt | Footing:
    require_content(path)
    store = SqliteStore(path, "process", read_only=True)  # opened to be written, its log would be poured into it
    try:
        return _fault_of(store)
    finally:
        store.close()


def _fault_of(store: RowStore) -> JournalCorrupt | Footing:
    header = read_header(store)
    try:
        return JournalReader(store, header).find_footing()
    except JournalCorrupt as fault:
        return fault


def _salvaged(store: RowStore, found: Corruption, now_ns: int) -> Iterator[Row]:
    last: Row | None = None
    for last in sound_rows(store):
        yield last
    if last is None:
        raise JournalError(f"nothing of the journal {found.kept_as} can be read")
    row = Row(last.seq + 1, now_ns, CORRUPTION, "", "", 0, canonical_body(found), hash="")
    yield sealed(last.hash, row)


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvage")


def _tidy(kept: Path) -> None:
    """Remove what our looking has made beside the evidence: SQLite's index, and a log where there was none."""
    log = kept.with_name(kept.name + LOG)
    kept.with_name(kept.name + INDEX).unlink(missing_ok=True)
    if log.exists() and not log.stat().st_size:
        log.unlink()


def _read_note(note: Path) -> Corruption:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Corruption)
    except (OSError, msgspec.MsgspecError) as error:
        raise JournalError(f"{note} says that a journal was being set aside, and cannot be read: {error}") from error


def _free_name(path: Path, now_ns: int) -> str:
    first = f"{path.name}.corrupt-{_stamp(now_ns)}"
    names = (first, *(f"{first}-{number}" for number in range(2, 100)))
    for name in names:
        if not path.with_name(name).exists():
            return name
    raise JournalError(f"{path.parent} holds a hundred damaged journals of this second")


def _stamp(now_ns: int) -> str:
    return rfc3339(now_ns, 0).replace("-", "").replace(":", "")
