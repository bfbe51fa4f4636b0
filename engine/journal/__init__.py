"""The event store: append-only, hash-chained, one writer. What is not in here did not happen."""

from engine.journal.chain import Verification
from engine.journal.journal import Journal, Statistics
from engine.journal.opening import open_journal, open_sound_journal, read_journal, seeded_journal
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.journal.store import Durability

__all__ = [
    "Durability",
    "Journal",
    "JournalReader",
    "Row",
    "Statistics",
    "Verification",
    "open_journal",
    "open_sound_journal",
    "read_journal",
    "seeded_journal",
]
