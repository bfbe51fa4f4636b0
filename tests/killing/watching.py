"""The journal seen from outside, while an engine writes it and after its death."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from engine.errors import JournalError
from engine.journal.opening import read_journal
from engine.journal.row import Row
from engine.orders.bracket_events import BracketEvent
from engine.runtime.attempts import read_attempts

LOOK_EVERY_S = 0.004
LOOK_ANYWAY_S = 0.1
"""A file's time is coarser than a look: two writes may bear the same one."""


def head_of(journal: Path) -> int:
    """Return the number of the newest row; 0 while there is no journal."""
    try:
        with read_journal(journal) as reader:
            return reader.head[0]
    except JournalError:
        return 0


def wait_for_row(journal: Path, row: int, seconds: float, gone: Callable[[], bool]) -> None:
    """Return once the journal has that row, or after a while, or when its writer is gone.

    Its database is opened only when its files have changed: that costs more than a writer's row.
    """
    limit = time.monotonic() + seconds
    seen = _written(journal)
    while head_of(journal) < row:
        look_at = time.monotonic() + LOOK_ANYWAY_S
        while (now := _written(journal)) == seen and time.monotonic() < min(look_at, limit) and not gone():
            time.sleep(LOOK_EVERY_S)
        if time.monotonic() >= limit or gone():
            return
        seen = now


def _written(journal: Path) -> list[tuple[int, int]]:
    """Return when the journal's files were last written, and their sizes; without those that are not there."""
    told = []
    for file in (journal, journal.with_name(f"{journal.name}-wal")):
        with contextlib.suppress(FileNotFoundError):
            stat = file.stat()
            told.append((stat.st_mtime_ns, stat.st_size))
    return told


class Left:
    """What a killed engine left: its journal's head, the living brackets' states, the attempts without an answer."""

    def __init__(self, journal: Path) -> None:
        self.head, self.states, self.doubtful = 0, Counter[str](), 0
        rows: list[Row] = []
        if head_of(journal):
            with read_journal(journal) as reader:
                rows = list(reader.rows())
        if rows:
            self.head = rows[-1].seq
            self.states = Counter(living(rows).values())
            self.doubtful = read_attempts(rows).count("maybe_sent")


def living(rows: list[Row]) -> dict[str, str]:
    """Return the state of every bracket that has opened and not closed."""
    states: dict[str, str] = {}
    for row in rows:
        if row.kind == "signal":
            states[row.signal_id] = "entering"
        elif row.kind == "closed":
            states.pop(row.signal_id, None)
        elif row.kind == "bracket":
            event = row.decode(BracketEvent)
            if event.move == "reopen" or row.signal_id in states:
                states[row.signal_id] = event.to_state
    return states
