"""Signals that have ended and still hold something that can be ordered: what a close looks through."""

from __future__ import annotations

from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.bracket_events import BracketEvent
from engine.orders.replay import Closed, Opened


class Leftovers:
    """Takes rows in journal order. ``ends`` are the last words on such signals, by their id; dust is left out.

    Most signals end flat, so what it holds stays small, however long the journal grows.
    """

    def __init__(self, journal: JournalReader, ends: dict[str, Closed] | None = None) -> None:
        self._journal = journal
        self.ends = ends or {}

    def copy(self) -> Leftovers:
        """Return one that goes on by itself from here."""
        return Leftovers(self._journal, dict(self.ends))

    def take(self, row: Row) -> None:
        """Take the next row."""
        if row.kind == "closed":
            self._ended(row.signal_id, row.decode(Closed))
        elif row.kind == "bracket" and row.signal_id in self.ends:
            self._told(row.signal_id, row.decode(BracketEvent))

    def heard(self, _kind: str, body: object, _ts_ns: int, signal_id: str, _cl_ord_id: str) -> None:
        """Take a row that is just appended: a tap of the journal."""
        if isinstance(body, Closed):
            self._ended(signal_id, body)
        elif isinstance(body, BracketEvent):
            self._told(signal_id, body)

    def _told(self, signal_id: str, event: BracketEvent) -> None:
        if event.move == "reopen":
            self.ends.pop(signal_id, None)

    def _ended(self, signal_id: str, end: Closed) -> None:
        self.ends.pop(signal_id, None)
        opened = next(self._journal.rows(signal_id=signal_id, kind="signal"), None) if end.net_qty else None
        if opened is not None and abs(end.net_qty) >= opened.decode(Opened).instrument.qty_min:
            self.ends[signal_id] = end
