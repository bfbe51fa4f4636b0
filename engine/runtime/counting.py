"""Whose rows still count: read over once, they say which signals a start must replay and which it may leave out."""

from __future__ import annotations

from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.journal.snapshot import OF_NO_SIGNAL
from engine.orders.bracket_events import BracketEvent
from engine.runtime.close_report import CLOSE_ROW, CLOSED_ROW, CloseAsked, CloseReport
from engine.runtime.leftovers import Leftovers


class Counting:
    """Takes rows in journal order. What it holds follows from the rows that it says still count, and from those alone.

    ``brackets`` are the living: signal_id and first row. ``closes`` are asked for and not told of; ``not_flat`` are the
    closes that ended short of flat, by where, until a later one there ends flat; ``leftovers`` have ended and hold
    something. ``upto`` is the last row it was told.
    """

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self.brackets: dict[str, int] = {}
        self.closes: dict[str, CloseAsked] = {}
        self.not_flat: dict[str, str] = {}
        self.leftovers = Leftovers(journal)
        self.upto = 0

    @classmethod
    def of(cls, journal: JournalReader) -> Counting:
        """Count the rows of a journal: all of them, or those that its footing leaves."""
        counting, (head, _) = cls(journal), journal.head
        for row in journal.live_rows():
            counting.take(row)
        counting.upto = head
        return counting

    def take(self, row: Row) -> None:
        """Take the next row."""
        self.upto = row.seq
        self.leftovers.take(row)
        if row.kind == "signal":
            self.brackets[row.signal_id] = row.seq
        elif row.kind == "closed":
            self.brackets.pop(row.signal_id, None)
        elif row.kind == "bracket" and row.signal_id not in self.brackets:
            if row.decode(BracketEvent).move == "reopen":
                self.brackets[row.signal_id] = next(self._journal.rows(signal_id=row.signal_id, kind="signal")).seq
        elif row.kind == CLOSE_ROW:
            self.closes[row.signal_id] = row.decode(CloseAsked)
        elif row.kind == CLOSED_ROW:
            self._close_ended(row)

    def names(self) -> frozenset[str]:
        """Return the signals (and closes) whose rows still count, and with them those of no signal."""
        return frozenset((OF_NO_SIGNAL, *self.brackets, *self.closes, *self.not_flat.values(), *self.leftovers.ends))

    def _close_ended(self, row: Row) -> None:
        asked = self.closes.pop(row.signal_id, None)
        if asked is None or asked.scope == "signal":
            return
        self.not_flat.pop(asked.where, None)
        if not row.decode(CloseReport).flat:
            self.not_flat[asked.where] = row.signal_id
