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
from engine.journal import open_journal, open_sound_journal, read_journal
from engine.journal.row import Row
from engine.journal.salvage import Corruption
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


def _went_on(path: Path) -> list[Row]:
    """Open it as an engine does: broken behind its header it is set aside, and the sound beginning goes on."""
    with open_sound_journal(path, IDENTITY, StillClock()) as journal:
        journal.append("intent", {"text": "the first of the new life"}, ts_ns=1)
        trio.run(journal.sync)
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
@pytest.mark.parametrize("damage", [_cut, _flip])
def test_damage_is_kept_and_the_sound_beginning_goes_on(
    original: Path, rows: list[Row], tmp_path: Path, part: str, damage: Callable[[bytes, int, Random], bytes]
) -> None:
    """Every row before the damage stands, one row says what was lost and where it is kept, byte for byte."""
    whole, rng = (original / part).read_bytes(), Random(f"{part}/{damage.__name__}/on")
    refused = set_aside = 0
    for at in sorted(_positions(len(whole), rng))[::3]:
        path = _copied(original, tmp_path)
        path.with_name(part).write_bytes(damage(whole, at, rng))
        left = {name: path.with_name(name).read_bytes() for name in PARTS}
        try:
            seen = _went_on(path)
        except JournalError:
            refused += 1
            assert {name: path.with_name(name).read_bytes() for name in PARTS} == left, f"{damage.__name__} at {at}"
            continue
        news = [row for row in seen if row.kind == "corruption"]
        sound = len(seen) - 1 - len(news)
        assert seen[:sound] == rows[:sound]
        assert sound
        if news:
            set_aside += 1
            kept = path.with_name(news[0].decode(Corruption).kept_as)
            assert [seen[-2], kept.read_bytes()] == [news[0], left[NAME]]
            assert kept.with_name(f"{kept.name}-wal").read_bytes() == left[f"{NAME}-wal"]
            assert kept.stat().st_mode & 0o777 == 0o600
    assert set_aside > 0 or (part, damage) != (NAME, _flip)


def test_a_row_taken_out_ends_the_sound_beginning(original: Path, rows: list[Row], tmp_path: Path) -> None:
    """Exactly the rows before the hole go on; the next opening finds a sound journal and sets nothing aside."""
    path = _copied(original, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as shell:
        shell.execute("DELETE FROM rows WHERE seq = 20")
        shell.commit()
    seen = _went_on(path)
    assert seen[:19] == rows[:19]
    assert seen[19].decode(Corruption).row == 20
    assert _went_on(path)[:21] == seen
    assert len([kept for kept in tmp_path.glob("*.corrupt-*") if not kept.name.endswith("-wal")]) == 1


@pytest.mark.parametrize("step", range(1, 12))
def test_a_death_while_it_is_set_aside_is_followed_by_the_same_end(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whatever step was the last, the next opening ends the work: no shorter journal ever looks sound."""
    path = _copied(original, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as shell:
        shell.execute("UPDATE rows SET body = x'7b7d' WHERE seq = 20")
        shell.commit()
    left, replace, unlink = step, Path.replace, Path.unlink

    def counted(act: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left <= 0:
                raise KeyboardInterrupt
            return act(*arguments, **named)

        return run

    monkeypatch.setattr(Path, "replace", counted(replace))
    monkeypatch.setattr(Path, "unlink", counted(unlink))
    with contextlib.suppress(KeyboardInterrupt):
        _went_on(path)
    monkeypatch.undo()
    seen = _went_on(path)
    assert [row.seq for row in seen if row.kind == "corruption"] == [20]
    assert not path.with_name(f"{NAME}.salvage").exists()


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
