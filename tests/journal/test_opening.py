"""What is particular to the SQLite journal: files, modes, lease, readers, real processes."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import JournalBusy, JournalCorrupt, JournalError
from engine.journal import open_journal, read_journal
from engine.journal.header import header_row
from engine.journal.row import GENESIS, Row, canonical_body, sealed
from engine.journal.sqlite_store import begin_sqlite
from tests.journal.conftest import CREATED_NS, IDENTITY, StillClock

WRITER = Path(__file__).with_name("writer_process.py")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    """Missing directories are made 0700; journal, its log, its index and its lock are 0600, whatever the umask."""
    keep = os.umask(0)
    try:
        path = tmp_path / "data" / "kraken" / "journal.db"
        with open_journal(path, IDENTITY, StillClock()) as journal:
            journal.append("intent", {}, ts_ns=1)
            modes = {file.name: _mode(file) for file in path.parent.iterdir()}
    finally:
        os.umask(keep)
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"), 0o600)
    assert _mode(path.parent) == _mode(path.parent.parent) == 0o700
    assert {file.name for file in path.parent.iterdir()} == {"journal.db", "journal.db.lock"}


def test_busy_names_the_holder(journal_path: Path) -> None:
    """The second opener learns which process to look at."""
    held = open_journal(journal_path, IDENTITY, StillClock())
    busy = pytest.raises(JournalBusy, match=rf"journal\.db is held by process {os.getpid()} on .*data directory")
    with held, busy, open_journal(journal_path, IDENTITY, StillClock()):
        pass


def test_a_lock_file_left_behind_binds_nobody(journal_path: Path) -> None:
    """The kernel's lock counts, not the number in the file."""
    with open_journal(journal_path, IDENTITY, StillClock()):
        pass
    journal_path.with_name("journal.db.lock").write_text("1\n")
    with open_journal(journal_path, IDENTITY, StillClock()):
        pass


def test_a_holder_that_has_not_written_its_number_yet(journal_path: Path) -> None:
    """Busy is busy, also with an empty lock file."""
    journal_path.parent.mkdir()
    with journal_path.with_name("journal.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(JournalBusy, match="another process"), open_journal(journal_path, IDENTITY, StillClock()):
            pass


def test_a_newer_schema_is_refused(journal_path: Path) -> None:
    """The message says what this engine knows; nothing is written."""
    journal_path.parent.mkdir()
    body = canonical_body({"schema": 2, "realm": "elsewhere"})
    begin_sqlite(journal_path, sealed(GENESIS, Row(1, CREATED_NS, "header", "", "", 0, body, "")))
    for opening in (open_journal(journal_path, IDENTITY, StillClock()), read_journal(journal_path)):
        with pytest.raises(JournalError, match="schema 2; this engine knows up to 1"), opening:
            pass


@pytest.mark.parametrize("content", [b"", b"not a database, not at all, but long enough to be one" * 20])
def test_what_is_no_journal_is_not_taken_for_an_empty_one(journal_path: Path, content: bytes) -> None:
    """A file cut to nothing is corrupt."""
    journal_path.parent.mkdir()
    journal_path.write_bytes(content)
    with pytest.raises(JournalError), open_journal(journal_path, IDENTITY, StillClock()):
        pass
    with pytest.raises(JournalCorrupt), read_journal(journal_path):
        pass


def test_a_journal_whose_file_is_gone_is_not_begun_anew(journal_path: Path) -> None:
    """A log without its file is a loss, not a fresh start."""
    journal_path.parent.mkdir()
    journal_path.with_name("journal.db-wal").write_bytes(b"rows")
    with pytest.raises(JournalError, match="is gone"), open_journal(journal_path, IDENTITY, StillClock()):
        pass


def test_creation_interrupted_half_way_starts_over(journal_path: Path) -> None:
    """A draft left by a killed process is no journal and no obstacle."""
    journal_path.parent.mkdir()
    journal_path.with_name("journal.db.new").write_bytes(b"half")
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        assert list(journal.rows()) == [header_row(IDENTITY, CREATED_NS)]


def test_places_that_cannot_hold_a_journal(tmp_path: Path) -> None:
    """The error names the path."""
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="file"), open_journal(tmp_path / "file" / "j.db", IDENTITY, StillClock()):
        pass
    with pytest.raises(JournalError, match="no journal at"), read_journal(tmp_path / "none.db"):
        pass


def test_a_reader_sees_only_what_is_committed_and_changes_nothing(journal_path: Path) -> None:
    """Reading beside the writer needs no lease, and works on the closed file too."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        journal.append("intent", {}, ts_ns=1)
        with read_journal(journal_path) as reader:
            assert reader.identity == IDENTITY
            assert reader.head[0] == 1
            journal.checkpoint()
            assert reader.head == journal.head
            assert reader.verify() == journal.verify()
    content = journal_path.read_bytes()
    with read_journal(journal_path) as reader:
        assert reader.verify().rows == 2
    assert journal_path.read_bytes() == content


def test_durability_sets_the_pragma(journal_path: Path) -> None:
    """FULL syncs at each commit, NORMAL does not; checkpoints are never made by a commit."""
    for durability, synchronous in (("power", 2), ("process", 1)):
        with open_journal(journal_path, IDENTITY, StillClock(), durability=durability) as journal:
            store = journal._store
            for pragma, value in (("synchronous", synchronous), ("wal_autocheckpoint", 0), ("journal_mode", "wal")):
                assert store._connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


async def test_sqlite_failure_latches(journal_path: Path) -> None:
    """A commit that SQLite refuses fails the journal for good and leaves the committed rows readable."""
    with open_journal(journal_path, IDENTITY, StillClock()) as journal:
        stranger = sqlite3.connect(journal_path)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            journal.append("intent", {}, ts_ns=1)
        stranger.close()
        with pytest.raises(JournalError, match="locked"):
            await journal.sync()
        assert journal.verify().rows == 1


def _writer(path: Path, *arguments: str, hash_seed: str = "0") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(path), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.process
def test_same_rows_same_head_under_any_hash_seed(tmp_path: Path) -> None:
    """Two processes that hash strings differently write the same chain."""
    heads = set()
    for hash_seed in ("1", "2"):
        with _writer(tmp_path / hash_seed / "j.db", "20", hash_seed=hash_seed) as process:
            assert process.stdout is not None
            heads.add(process.stdout.read().splitlines()[-1])
        assert process.returncode == 0
    assert len(heads) == 1


@pytest.mark.process
@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.11])
def test_sigkill_leaves_everything_that_was_synced(tmp_path: Path, after_s: float) -> None:
    """A writer killed at work leaves a chain that holds and reaches at least its last announced sync."""
    path = tmp_path / "j.db"
    with _writer(path, "endless") as process:
        assert process.stdout is not None
        announced = [process.stdout.readline()]  # it is at work
        with read_journal(path) as live:
            assert live.verify().rows > 1
        with pytest.raises(JournalBusy, match=f"process {process.pid} on "), open_journal(path, IDENTITY, StillClock()):
            pass
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        announced += process.stdout.readlines()
    seq, head = [line for line in announced if line.endswith("\n")][-1].split()
    with read_journal(path) as dead:
        assert dead.verify().rows >= int(seq)
        (row,) = [row for row in dead.rows(after=int(seq) - 1) if row.seq == int(seq)]
        assert row.hash == head
    with open_journal(path, IDENTITY, StillClock()) as successor:
        successor.append("intent", {}, ts_ns=1)
        successor.verify()
