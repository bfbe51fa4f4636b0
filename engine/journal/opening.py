"""The three ways to a journal: to write it, to read it, and to write it on a simulated disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from engine.errors import JournalError
from engine.journal.header import header_row, read_header, require_owner
from engine.journal.journal import Journal
from engine.journal.lease import hold_lease
from engine.journal.reader import JournalReader
from engine.journal.salvage import salvage_begun, salvage_seeded, salvage_sqlite
from engine.journal.seeded_store import SeededStore, create_seeded
from engine.journal.snapshot import Footing
from engine.journal.sqlite_store import SqliteStore, begin_sqlite, require_content
from engine.journal.store import Durability, RowStore
from engine.seams.clock import Clock
from engine.seams.disk import Disk
from engine.seams.stopwatch import Stopwatch, SystemStopwatch
from engine.venue.protocol import VenueIdentity


@contextlib.contextmanager
def open_journal(
    path: Path,
    identity: VenueIdentity,
    clock: Clock,
    *,
    durability: Durability = "power",
    stopwatch: Stopwatch | None = None,
) -> Iterator[Journal]:
    """Hold the journal of ``identity`` open for writing; made (0600, missing directories 0700) when there is none.

    Raises JournalBusy while another process writes it, JournalError when it is somebody else's or newer than this
    code, JournalCorrupt when its first or last row cannot be read. The chain between is not walked: call verify().
    """
    _require_directory(path.parent)
    lock = path.with_name(path.name + ".lock")
    with (
        hold_lease(lock, what=f"the journal {path}", data_dir=path.parent, now_ns=clock.now_ns()) as lease,
        _open_held(path, identity, clock, durability, stopwatch) as journal,
    ):
        journal.lease = lease
        yield journal


@contextlib.contextmanager
def open_sound_journal(
    path: Path, identity: VenueIdentity, clock: Clock, *, durability: Durability = "power"
) -> Iterator[Journal]:
    """As open_journal, with the chain proved before anything is written: from its last snapshot on, or all of it.

    A journal that is broken behind its header is kept under another name, and its sound beginning goes on in its place
    with a ``corruption`` row at its end: see engine.journal.salvage. A header that cannot be read, or is newer, raises.
    """
    _require_directory(path.parent)
    lock = path.with_name(path.name + ".lock")
    with hold_lease(lock, what=f"the journal {path}", data_dir=path.parent, now_ns=clock.now_ns()) as lease:
        looked_at = path.exists() or salvage_begun(path)
        footing = salvage_sqlite(path, clock.now_ns()) if looked_at else Footing()
        with _open_held(path, identity, clock, durability, None) as journal:
            journal.lease = lease
            journal.stand_on(footing)
            yield journal


@contextlib.contextmanager
def _open_held(
    path: Path, identity: VenueIdentity, clock: Clock, durability: Durability, stopwatch: Stopwatch | None
) -> Iterator[Journal]:
    if not path.exists():
        begin_sqlite(path, header_row(identity, clock.now_ns()))
    require_content(path)
    store = SqliteStore(path, durability)
    with contextlib.closing(_writer(store, identity, stopwatch or SystemStopwatch())) as journal:
        yield journal


@contextlib.contextmanager
def read_journal(path: Path) -> Iterator[JournalReader]:
    """Look at a journal, also while an engine writes it. Takes no lease and changes nothing in it."""
    if not path.is_file():
        raise JournalError(f"there is no journal at {path}: start an engine with run, or name another --data-dir")
    require_content(path)
    store = SqliteStore(path, "process", read_only=True)
    with contextlib.closing(store):
        yield JournalReader(store, read_header(store))


def seeded_journal(
    disk: Disk,
    identity: VenueIdentity,
    clock: Clock,
    *,
    name: str = "journal",
    durability: Durability = "power",
) -> Journal:
    """Open or make the journal ``name`` on a simulated disk. The caller closes it; a killed process does not.

    Raises as open_journal does.
    """
    if not disk.exists(name):
        create_seeded(disk, name, header_row(identity, clock.now_ns()))
    store = SeededStore(disk, name, durability, clock.now_ns())
    journal = _writer(store, identity, disk.stopwatch)
    journal.lease = store.lease
    return journal


def sound_seeded_journal(disk: Disk, identity: VenueIdentity, clock: Clock, *, name: str = "journal") -> Journal:
    """As seeded_journal, with the chain walked first and a broken one set aside: see open_sound_journal."""
    footing = salvage_seeded(disk, name, clock.now_ns()) if disk.exists(name) else Footing()
    journal = seeded_journal(disk, identity, clock, name=name)
    journal.stand_on(footing)
    return journal


def _writer(store: RowStore, identity: VenueIdentity, stopwatch: Stopwatch) -> Journal:
    try:
        header = read_header(store)
        require_owner(header, identity)
        return Journal(store, header, stopwatch)
    except JournalError:
        store.close()
        raise


def _require_directory(path: Path) -> None:
    if path.is_dir():
        return
    _require_directory(path.parent)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise JournalError(f"cannot make the directory {path}: {error.strerror}") from error
