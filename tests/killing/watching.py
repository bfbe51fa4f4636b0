"""The journal seen from outside, while an engine writes it and after its death."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from engine.errors import JournalError
from engine.journal.opening import read_journal
from engine.journal.row import Row
from engine.orders.brackets import BracketEvent
from engine.runtime.attempts import read_attempts

LOOK_EVERY_S = 0.004


def head_of(journal: Path) -> int:
    """Return the number of the newest row; 0 while there is no journal."""
    try:
        with read_journal(journal) as reader:
            return reader.head[0]
    except JournalError:
        return 0


def wait_for_row(journal: Path, row: int, seconds: float, gone: Callable[[], bool]) -> None:
    """Return once the journal has that row, or after a while, or when its writer is gone."""
    limit = time.monotonic() + seconds
    while head_of(journal) < row and time.monotonic() < limit and not gone():
        time.sleep(LOOK_EVERY_S)


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
