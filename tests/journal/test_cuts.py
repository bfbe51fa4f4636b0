"""A journal cut at any byte, or with any bit flipped: a sound prefix, or a plain refusal; never an empty one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import trio

from engine.errors import JournalCorrupt, JournalError
from engine.journal import open_journal, read_journal
from engine.journal.row import Row
from tests.journal.conftest import IDENTITY, StillClock

ROWS = 60
CHECKPOINT_AT = 30
SAMPLES = 400
"""Positions tried per file and kind of damage: at every page, and at drawn bytes."""
NAME = "journal.db"
PARTS = (NAME, f"{NAME}-wal")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as a killed engine leaves it: half of it in the file, the other half in SQLite's log."""
    live, dead = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("dead")
    with open_journal(live / NAME, IDENTITY, StillClock()) as journal:
        for number in range(2, ROWS + 1):
            body = {"text": f"row {number} " + "x" * 90}
            journal.append("intent", body, ts_ns=number, signal_id=f"s{number % 7}", cl_ord_id=f"o{number % 11}")
            if number == CHECKPOINT_AT:
                journal.checkpoint()
        trio.run(journal.sync)
        for part in PARTS:
            shutil.copy(live / part, dead / part)
    return dead


@pytest.fixture(scope="module")
def rows(original: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What the undamaged journal holds."""
    place = tmp_path_factory.mktemp("whole")
    return _seen(_copied(original, place))


def _copied(original: Path, place: Path) -> Path:
    for old in place.iterdir():
        old.unlink()
    for part in PARTS:
        shutil.copy(original / part, place / part)
    return place / NAME


def _seen(path: Path) -> list[Row]:
    """Open it as a start does: as the writer, walk the chain, read the rows."""
    with open_journal(path, IDENTITY, StillClock()) as journal:
        journal.verify()
        return list(journal.rows())


def _positions(size: int, rng: Random) -> Iterator[int]:
    pages = [edge + off for edge in range(0, size, 4096) for off in (0, 1, 24, 100) if edge + off < size]
    yield from pages[: SAMPLES // 2]
    yield from (rng.randrange(size) for _ in range(SAMPLES - min(len(pages), SAMPLES // 2)))


def _cut(data: bytes, at: int, rng: Random) -> bytes:
    return data[:at]


def _flip(data: bytes, at: int, rng: Random) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", [_cut, _flip])
def test_damage_leaves_a_sound_prefix_or_is_said(
    original: Path, rows: list[Row], tmp_path: Path, part: str, damage: Callable[[bytes, int, Random], bytes]
) -> None:
    """Whatever is read back verified is the beginning of what was written, header included."""
    assert len(rows) == ROWS
    whole, rng = (original / part).read_bytes(), Random(f"{part}/{damage.__name__}")
    refused = 0
    for at in _positions(len(whole), rng):
        path = _copied(original, tmp_path)
        path.with_name(part).write_bytes(damage(whole, at, rng))
        try:
            seen = _seen(path)
        except JournalError:  # JournalCorrupt is one
            refused += 1
            continue
        assert seen, f"{part}: silently empty after {damage.__name__} at {at}"
        assert seen == rows[: len(seen)], f"{part}: other rows after {damage.__name__} at {at}"
        assert len(seen) >= CHECKPOINT_AT or part == NAME, f"{part}: {damage.__name__} at {at} reached into the file"
    assert refused > 0 or part != NAME


@pytest.mark.parametrize("part", PARTS)
def test_a_reader_says_it_as_well(original: Path, rows: list[Row], tmp_path: Path, part: str) -> None:
    """Looking at a damaged journal needs no lease and invents nothing either."""
    whole, rng = (original / part).read_bytes(), Random(f"{part}/reader")
    for at in sorted(rng.randrange(len(whole)) for _ in range(40)):
        path = _copied(original, tmp_path)
        path.with_name(part).write_bytes(_flip(whole, at, rng))
        with contextlib.suppress(JournalError), read_journal(path) as journal:
            journal.verify()
            seen = list(journal.rows())
            assert seen == rows[: len(seen)]
            assert seen


def test_a_hole_in_the_middle_is_corruption_at_its_row(original: Path, tmp_path: Path) -> None:
    """A row taken out by an SQLite shell: the chain breaks there, and the row is named."""
    path = _copied(original, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as shell:
        shell.execute("DELETE FROM rows WHERE seq = 20")
        shell.commit()
    with pytest.raises(JournalCorrupt) as caught:
        _seen(path)
    assert caught.value.row == 20
