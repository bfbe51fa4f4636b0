"""What a start believes of a snapshot: proved from its row on, or refused and the whole chain walked instead."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest

from engine.errors import JournalCorrupt
from engine.journal import Journal, open_journal, open_sound_journal, read_journal
from engine.journal.opening import seeded_journal, sound_seeded_journal
from engine.journal.snapshot import SNAPSHOT, SUSPECT, Snapshot, Strand, Suspicion
from engine.seams.disk import Disk
from tests.journal.conftest import IDENTITY, StillClock

Opener = Callable[[], AbstractContextManager[Journal]]
SIGNALS = ("s0", "s1", "s2")


def fill(journal: Journal, rows: int) -> None:
    """Append rows of three signals and of none, in turn."""
    for _ in range(rows):
        seq, _ = journal.head
        journal.append("order", {"n": seq}, ts_ns=seq, signal_id=("", *SIGNALS)[seq % 4], cl_ord_id=f"o{seq}")


def snapshot_of(journal: Journal, *names: str) -> Snapshot:
    """Look at the journal as it stands; the rows of these signals count, and those of none."""
    upto, head = journal.head
    return Snapshot(upto, head, {name: Strand().extended(journal.rows(signal_id=name)) for name in ("", *names)})


def write(journal: Journal, snapshot: Snapshot) -> int:
    """Append it."""
    return journal.append(SNAPSHOT, snapshot, ts_ns=1)


def filled(journal: Journal) -> Snapshot:
    """Rows, a snapshot by which s1 counts, and rows behind it."""
    fill(journal, 20)
    snapshot = snapshot_of(journal, "s1")
    write(journal, snapshot)
    fill(journal, 5)
    return snapshot


def changed(path: Path, statement: str, *values: object) -> None:
    """Do to the file what an engine never does."""
    with contextlib.closing(sqlite3.connect(path)) as shell:
        shell.execute(statement, values)
        shell.commit()


def test_start_walks_from_the_snapshot_on(opener: Opener) -> None:
    """Rows behind the snapshot are proved; those of signals that count are given, others are left out."""
    with opener() as journal:
        snapshot = filled(journal)
    with opener() as journal:
        footing = journal.find_footing()
        assert (footing.snapshot, footing.refused) == (snapshot, "")
        assert (footing.rows, footing.walked) == (27, 27 - snapshot.upto)
        kept = [row for row in journal.rows() if row.seq > snapshot.upto or row.signal_id == "s1"]
        assert list(journal.live_rows()) == kept
        assert list(journal.live_rows("order")) == [row for row in kept if row.kind == "order"]
        assert journal.verify().rows == 27


def test_newest_snapshot_is_the_one_that_counts(opener: Opener) -> None:
    """A later snapshot takes an earlier one's place."""
    with opener() as journal:
        filled(journal)
        latest = snapshot_of(journal, "s0", "s2")
        write(journal, latest)
        assert journal.find_footing().snapshot == latest
        assert journal.newest(SNAPSHOT) == list(journal.rows())[-1]


def test_without_a_snapshot_every_row_is_walked(opener: Opener) -> None:
    """A journal that never got one stands on all its rows."""
    with opener() as journal:
        fill(journal, 9)
        footing = journal.find_footing()
        assert (footing.rows, footing.walked, footing.snapshot, footing.refused) == (10, 10, None, "")
        assert list(journal.live_rows()) == list(journal.rows())


def _of_another_row(journal: Journal) -> None:
    one = snapshot_of(journal, "s1")
    write(journal, msgspec.structs.replace(one, upto=one.upto - 1))


def _of_another_chain(journal: Journal) -> None:
    write(journal, msgspec.structs.replace(snapshot_of(journal, "s1"), hash="0" * 64))


def _with_a_row_too_many(journal: Journal) -> None:
    one = snapshot_of(journal, "s1")
    strand = msgspec.structs.replace(one.strands["s1"], rows=one.strands["s1"].rows + 1)
    write(journal, msgspec.structs.replace(one, strands={**one.strands, "s1": strand}))


def _with_another_strand(journal: Journal) -> None:
    one = snapshot_of(journal, "s1", "s2")
    write(journal, msgspec.structs.replace(one, strands={**one.strands, "s1": one.strands["s2"]}))


def _of_the_future(journal: Journal) -> None:
    write(journal, msgspec.structs.replace(snapshot_of(journal, "s1"), upto=1000))


def _without_the_rows_of_no_signal(journal: Journal) -> None:
    one = snapshot_of(journal, "s1")
    write(journal, msgspec.structs.replace(one, strands={"s1": one.strands["s1"]}))


def _of_no_shape(journal: Journal) -> None:
    journal.append(SNAPSHOT, {"upto": "all"}, ts_ns=1)


def _suspected(journal: Journal) -> None:
    filled(journal)
    journal.append(SUSPECT, Suspicion(3, "it does not fit"), ts_ns=1)


@pytest.mark.parametrize(
    "unbelievable",
    [
        _of_another_row,
        _of_another_chain,
        _with_a_row_too_many,
        _with_another_strand,
        _of_the_future,
        _without_the_rows_of_no_signal,
        _of_no_shape,
        _suspected,
    ],
)
def test_snapshot_that_does_not_match_is_refused(opener: Opener, unbelievable: Callable[[Journal], None]) -> None:
    """The whole chain is walked and every row replayed instead, and why is said."""
    with opener() as journal:
        fill(journal, 12)
        unbelievable(journal)
        fill(journal, 3)
    with opener() as journal:
        footing = journal.find_footing()
        assert footing.snapshot is None
        assert footing.refused
        assert footing.walked == footing.rows == journal.head[0]
        assert list(journal.live_rows()) == list(journal.rows())


def test_snapshot_behind_a_suspicion_is_believed_again(opener: Opener) -> None:
    """Once the whole chain was walked and found sound, what was suspected before does not count."""
    with opener() as journal:
        _suspected(journal)
        later = snapshot_of(journal, "s1")
        write(journal, later)
        assert journal.find_footing().snapshot == later


@pytest.mark.parametrize("column", ["body = x'7b7d'", "cl_ord_id = 'other'", "ts_ns = 5", "signal_id = 's2'"])
@pytest.mark.parametrize("where", ["s1", ""])
def test_changed_row_that_counts_sets_the_journal_aside(journal_path: Path, column: str, where: str) -> None:
    """Rows before the snapshot that a start replays are proved as well: one changed, and the chain is walked."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        filled(journal)
        row = [row.seq for row in journal.rows(after=1, signal_id=where)][2]
    changed(journal_path, f"UPDATE rows SET {column} WHERE seq = ?", row)
    with open_sound_journal(journal_path, IDENTITY, StillClock()) as journal:
        assert [row.kind for row in journal.rows()][row - 1 :] == ["corruption"]
        assert journal.footing.snapshot is None


@pytest.mark.parametrize("row", [21, 22, 25])
def test_damage_from_the_snapshot_on_is_found_at_the_start(journal_path: Path, row: int) -> None:
    """The row of the snapshot's moment, the snapshot and what follows are walked: the sound beginning goes on."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        assert filled(journal).upto == 21
    changed(journal_path, "UPDATE rows SET hash = ? WHERE seq = ?", "f" * 64, row)
    with open_sound_journal(journal_path, IDENTITY, StillClock()) as journal:
        assert journal.head[0] == row
        assert next(journal.rows(after=row - 1)).kind == "corruption"


def _hide_from_index(path: Path, row: int) -> None:
    """Leave the table whole, and take a row out of the index of signals."""
    with contextlib.closing(sqlite3.connect(path)) as shell:
        (made,) = shell.execute("SELECT sql FROM sqlite_schema WHERE name = 'rows_by_signal'").fetchone()
        columns = shell.execute("SELECT * FROM rows WHERE seq = ?", (row,)).fetchone()
        shell.execute("DELETE FROM rows WHERE seq = ?", (row,))
        shell.execute("PRAGMA writable_schema = ON")
        (page,) = shell.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'rows_by_signal'").fetchone()
        shell.execute("DELETE FROM sqlite_schema WHERE name = 'rows_by_signal'")
        shell.commit()
    with contextlib.closing(sqlite3.connect(path)) as shell:
        shell.execute(f"INSERT INTO rows VALUES ({', '.join('?' * len(columns))})", columns)
        shell.execute("PRAGMA writable_schema = ON")
        index = ("index", "rows_by_signal", "rows", page, made)
        shell.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", index)
        shell.commit()


def test_row_that_a_damaged_index_hides_is_missed(journal_path: Path) -> None:
    """A row that counts and is not found by its signal does not pass for one that never was; the chain is whole."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        filled(journal)
        mine = [row.seq for row in journal.rows(signal_id="s1")]
    _hide_from_index(journal_path, mine[1])
    with read_journal(journal_path) as journal:
        assert [row.seq for row in journal.rows(signal_id="s1")] == [mine[0], *mine[2:]]
        assert len(list(journal.rows())) == 27
        with pytest.raises(JournalCorrupt, match="index") as caught:
            journal.find_footing()
        assert caught.value.row == 0


def test_damage_among_left_out_rows_is_left_to_the_proof(journal_path: Path) -> None:
    """What does not count is not looked at by a start, and is found by verify and by whoever reads it."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        snapshot = filled(journal)
        row = [row.seq for row in journal.rows(signal_id="s2")][1]
    changed(journal_path, "UPDATE rows SET body = x'7b7d' WHERE seq = ?", row)
    with open_sound_journal(journal_path, IDENTITY, StillClock()) as journal:
        assert journal.footing.snapshot == snapshot
        for read in (journal.verify, lambda: list(journal.rows(signal_id="s2")), lambda: list(journal.rows())):
            with pytest.raises(JournalCorrupt) as caught:
                read()
            assert caught.value.row == row


def test_every_bit_of_what_a_start_reads_counts() -> None:
    """Whatever bit is turned over on the disk: rows replayed are as they were written, or the journal is set aside."""
    disk = Disk()
    with contextlib.closing(seeded_journal(disk, IDENTITY, StillClock())) as journal:
        filled(journal)
        whole = list(journal.rows())
        journal.find_footing()
        live = list(journal.live_rows())
        journal.checkpoint()
    content = bytes(disk.content("journal").durable)
    first_line = 8 * (content.index(b"\n") + 1)
    trusted = 0
    for bit in range(first_line, 8 * len(content), 13):
        damaged = Disk()
        damaged.create("journal", content)
        damaged.flip("journal", bit)
        with contextlib.closing(sound_seeded_journal(damaged, IDENTITY, StillClock())) as journal:
            if journal.footing.snapshot is not None:
                trusted += 1
                assert list(journal.live_rows()) == live
            else:
                sound = [row for row in journal.rows() if row.kind != "corruption"]
                assert sound == whole[: len(sound)]
    assert trusted > 50  # a good part of the rows is none that counts
