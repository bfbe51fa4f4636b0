"""What damage the chain shows, and what it cannot show."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.errors import JournalCorrupt
from engine.journal import Row, open_journal, read_journal, seeded_journal
from engine.journal.chain import verify_chain
from engine.seams.disk import Disk
from tests.journal.conftest import IDENTITY, StillClock


def _rows(count: int = 6) -> list[Row]:
    journal = seeded_journal(Disk(), IDENTITY, StillClock())
    for number in range(1, count):
        journal.append("intent", {"n": number}, ts_ns=number, signal_id="s", cl_ord_id="o", causation_id=number)
    return list(journal.rows())


def _changed(**columns: object) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [msgspec.structs.replace(row, **columns) if row.seq == 4 else row for row in rows]


@pytest.mark.parametrize(
    "damage",
    [
        _changed(ts_ns=99),
        _changed(kind="fill"),
        _changed(signal_id="t"),
        _changed(cl_ord_id=""),
        _changed(causation_id=0),
        _changed(body=b'{"n":4}'),
        _changed(hash="0" * 64),
        lambda rows: rows[:3] + rows[4:],
        lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]],
        lambda rows: [*rows[:3], msgspec.structs.replace(rows[4], seq=4), msgspec.structs.replace(rows[3], seq=5)],
        lambda rows: rows[:3] + rows[2:],
    ],
)
def test_damage_is_found_at_its_row(damage: Callable[[list[Row]], list[Row]]) -> None:
    """Every changed column, and rows removed, swapped, renumbered or repeated, are named by the first bad row."""
    with pytest.raises(JournalCorrupt) as caught:
        verify_chain(damage(_rows()))
    assert caught.value.row == 4


def test_a_cut_tail_is_a_clean_prefix() -> None:
    """A chain that ends early is valid: an unclean stop must look for what is missing elsewhere."""
    rows = _rows()
    for kept in range(1, len(rows) + 1):
        assert verify_chain(rows[:kept]).head_hash == rows[kept - 1].hash


def test_nothing_is_not_a_journal() -> None:
    """An empty chain is never taken for a fresh one, nor is one that starts elsewhere."""
    with pytest.raises(JournalCorrupt):
        verify_chain([])
    with pytest.raises(JournalCorrupt):
        verify_chain(_rows()[1:])


def test_any_flipped_bit_of_the_seeded_file_is_seen() -> None:
    """Each bit of the file turned over alone: a corrupt row, or (the last line break) a clean shorter prefix."""
    source = seeded_journal(disk := Disk(), IDENTITY, StillClock())
    for number in range(4):
        source.append("intent", {"n": number}, ts_ns=number, signal_id="s")
    heads = [row.hash for row in source.rows()]
    source.close()
    size = disk.used
    for bit in range(8 * size):
        disk.flip("journal", bit)
        copy = Disk()
        copy.create("journal", disk.open("journal").read())
        disk.process_kill()
        disk.flip("journal", bit)
        try:
            verification = seeded_journal(copy, IDENTITY, StillClock()).verify()
        except JournalCorrupt:
            continue
        assert bit // 8 == size - 1
        assert verification.head_hash == heads[3]


def test_the_seeded_file_cut_at_any_byte_is_a_clean_prefix_or_has_no_header() -> None:
    """No cut gives rows that were never written, and none gives a journal that looks new."""
    source = seeded_journal(disk := Disk(), IDENTITY, StillClock())
    for number in range(4):
        source.append("intent", {"n": number}, ts_ns=number)
    heads = [row.hash for row in source.rows()]
    source.close()
    data = disk.open("journal").read()
    for size in range(len(data) + 1):
        copy = Disk()
        copy.create("journal", data[:size])
        lines = data[:size].count(b"\n")
        if lines == 0:
            with pytest.raises(JournalCorrupt):
                seeded_journal(copy, IDENTITY, StillClock())
            continue
        with_tail_cut = seeded_journal(copy, IDENTITY, StillClock())
        assert with_tail_cut.verify().head_hash == heads[lines - 1]
        with_tail_cut.append("intent", {}, ts_ns=9)
        assert with_tail_cut.verify().rows == lines + 1


def _sqlite_file(path: Path) -> list[str]:
    with open_journal(path, IDENTITY, StillClock()) as journal:
        for number in range(40):
            journal.append("intent", {"n": number, "pad": "x" * 200}, ts_ns=number, signal_id=f"s{number}")
        return [row.hash for row in journal.rows()]


def test_flipped_bits_of_the_sqlite_file_are_seen_or_touch_no_row(journal_path: Path, tmp_path: Path) -> None:
    """Bits drawn over the whole file: refused, found corrupt, or the very same rows."""
    hashes = _sqlite_file(journal_path)
    chance = random.Random("bits")
    data = journal_path.read_bytes()
    found = 0
    for _ in range(400):
        at = chance.randrange(len(data))
        damaged = bytearray(data)
        damaged[at] ^= 1 << chance.randrange(8)
        copy = tmp_path / "copy.db"
        copy.write_bytes(damaged)
        try:
            with read_journal(copy) as journal:
                journal.verify()
                assert [row.hash for row in journal.rows()] == hashes
                assert [row.hash for row in journal.rows(signal_id="s7")] == [hashes[8]]
        except JournalCorrupt:
            found += 1
        for leftover in tmp_path.glob("copy.db*"):
            leftover.unlink()
    assert found > 100


def test_the_sqlite_log_cut_anywhere_is_a_clean_prefix(journal_path: Path, tmp_path: Path) -> None:
    """A torn write-ahead log gives back whole commits, never half of one."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        for number in range(12):
            journal.append("intent", {"n": number}, ts_ns=number)
            journal._commit()
        hashes = [row.hash for row in journal.rows()]
        log = journal_path.with_name(journal_path.name + "-wal")
        for size in range(0, log.stat().st_size, 977):
            copy = tmp_path / "copy.db"
            shutil.copy(journal_path, copy)
            copy.with_name("copy.db-wal").write_bytes(log.read_bytes()[:size])
            with read_journal(copy) as cut:
                verification = cut.verify()
            assert verification.head_hash == hashes[verification.rows - 1]
            for leftover in tmp_path.glob("copy.db*"):
                leftover.unlink()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET body = CAST(replace(CAST(body AS TEXT), '7', '8') AS BLOB) WHERE seq = 9",
        "UPDATE rows SET body = 5 WHERE seq = 9",
        "UPDATE rows SET kind = NULL WHERE seq = 9",
        "DELETE FROM rows WHERE seq = 9",
        "UPDATE rows SET seq = -seq WHERE seq = 9",
    ],
)
def test_rows_edited_with_an_sqlite_shell_are_found(journal_path: Path, statement: str) -> None:
    """Whoever edits the file without recomputing the chain is found out, with the row."""
    _sqlite_file(journal_path)
    with sqlite3.connect(journal_path) as shell:
        shell.execute("PRAGMA ignore_check_constraints = 1")
        shell.execute(statement.replace("kind = NULL", "kind = x'ff'"))
    shell.close()
    with read_journal(journal_path) as journal, pytest.raises(JournalCorrupt) as caught:
        journal.verify()
    assert caught.value.row in (1, 9)


def test_an_index_that_lost_an_entry_is_found(journal_path: Path) -> None:
    """The chain may hold while a search by order misses a row: the container is checked too, as row 0."""
    _sqlite_file(journal_path)
    data = journal_path.read_bytes()
    damaged = re.sub(rb"(?<!intent)s37", b"s36", data)  # in a row the id follows the kind, in the index it does not
    assert damaged != data
    journal_path.write_bytes(damaged)
    with read_journal(journal_path) as journal, pytest.raises(JournalCorrupt) as caught:
        journal.verify()
    assert caught.value.row == 0
