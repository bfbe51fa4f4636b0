"""The dead engine's journal, or the living one's, read along: what it says of alarms and halts is told on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from engine.errors import JournalError
from engine.journal.opening import read_journal
from engine.journal.row import Row
from engine.orders.bracket_events import BracketEvent
from engine.orders.events import OrderEvent
from engine.risk.trading_state import TRADING_ROW, TradingEvent

ROWS_AT_ONCE: Final = 20_000
"""Rows of one look; more come with the next, so that a guardian that starts late still looks at the pulse."""


class Heard(msgspec.Struct, frozen=True):
    """One row that a person should know of. ``subject`` is the signal's, "trading" for a halt."""

    code: str
    subject: str
    text: str


class JournalWatch:
    """Reads what was written since the last look; takes no lease and changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._after: int | None = None
        self.fault = ""
        """Why the journal cannot be read; empty while it can, or while there is none."""

    def look(self) -> list[Heard]:
        """Return what is new. What stood there before the first look is old. Raises nothing: a guardian goes on."""
        try:
            if not self._path.exists():
                return []
            with read_journal(self._path) as journal:
                head, _ = journal.head
                after = head if self._after is None else self._after
                upto = min(head, after + ROWS_AT_ONCE)
                found = [heard for row in journal.rows(after=after) if row.seq <= upto and (heard := _heard(row))]
                self._after = upto
        except (JournalError, OSError) as error:
            self.fault = str(error)
            return []
        self.fault = ""
        return found


def _heard(row: Row) -> Heard | None:
    try:
        return _said(row)
    except msgspec.ValidationError as error:  # another version's: an engine that was updated before its guardian
        return Heard("JOURNAL_UNREADABLE", row.signal_id, f"row {row.seq}, kind {row.kind}: {error}")


def _said(row: Row) -> Heard | None:
    match row.kind:
        case "order":
            event = row.decode(OrderEvent)
            return Heard(event.alarm, row.signal_id, event.why) if event.alarm else None
        case "bracket":
            bracket = row.decode(BracketEvent)
            return Heard(bracket.alarm, row.signal_id, bracket.why) if bracket.alarm else None
        case _ if row.kind == TRADING_ROW:
            moved = row.decode(TradingEvent)
            return Heard("TRADING_HALTED", "trading", f"{moved.code}: {moved.reason}") if moved.move == "halt" else None
    return None
