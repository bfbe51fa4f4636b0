"""The log is kept short beside the loop, on a real file with real threads."""

from __future__ import annotations

from pathlib import Path

import trio

from engine.journal import open_journal, seeded_journal
from engine.runtime.journal_keeper import BUSY_ROWS, LOOK_EVERY_S, MOST_ROWS, JournalKeeper
from engine.seams.disk import Disk
from tests.journal.conftest import IDENTITY, StillClock

ROWS = 20_000
COMMIT_ROWS = 10
LOG_OF_A_ROW = 3 * 4096
"""More than a row leaves in the log: a commit of ten writes some twenty pages, most of them of the index."""


async def _write(path: Path, *, busy: bool = False, pause_s: float = 0.0) -> tuple[int, int]:
    """Write ROWS rows, a commit for every ten; return the log's greatest size and the checkpoints made."""
    most = 0
    with open_journal(path, IDENTITY, StillClock()) as journal:
        keeper = JournalKeeper(journal, lambda: busy, look_every_s=0.001)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            for number in range(2, ROWS + 1):
                journal.append("order", {"n": number, "x": "y" * 150}, ts_ns=number, signal_id=f"s{number % 97}")
                if number % COMMIT_ROWS == 0:
                    await journal.sync()
                    await trio.sleep(pause_s)
                    most = max(most, path.with_name(f"{path.name}-wal").stat().st_size)
            nursery.cancel_scope.cancel()
        assert journal.verify().rows == ROWS
    return most, keeper.checkpoints


async def test_log_stays_bounded_under_many_rows(tmp_path: Path) -> None:
    """Twenty thousand rows leave a log of some hundreds: commits with a pause between them let the thread catch up."""
    most, checkpoints = await _write(tmp_path / "quiet" / "j.db", pause_s=0.002)
    assert checkpoints > 2
    assert most < LOG_OF_A_ROW * 2 * BUSY_ROWS


async def test_log_stays_bounded_without_any_pause(tmp_path: Path) -> None:
    """Rows as fast as the disk takes them: the loop ends the work that the thread began."""
    most, checkpoints = await _write(tmp_path / "busy" / "j.db", busy=True)
    assert checkpoints >= 1
    assert most < LOG_OF_A_ROW * (MOST_ROWS + 2 * BUSY_ROWS)


async def test_row_that_nobody_waits_for_becomes_durable(autojump_clock: object) -> None:
    """The last answer of a quiet hour is on the disk within two looks, so that a kill does not lose it."""
    journal = seeded_journal(Disk(), IDENTITY, StillClock())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(JournalKeeper(journal, lambda: False).run)
        await trio.sleep(LOOK_EVERY_S / 2)
        row = journal.append("answer", {"n": 1}, ts_ns=1)
        assert journal.durable < row
        await trio.sleep(2 * LOOK_EVERY_S)
        assert journal.durable == row
        nursery.cancel_scope.cancel()
