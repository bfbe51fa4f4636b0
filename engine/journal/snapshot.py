"""What a start may leave unread: a row that names the signals whose rows still count, and proves those rows.

The state of an engine is replayed from rows, always. Rows of signals that have come to their end leave no state, so a
snapshot holds no state either: it says at which row the chain stood and whose rows before it still count. Each of those
is a chain of its own (a strand), hashed as the journal's is; the snapshot is itself a row of the journal, so a changed
strand, a strand that lost a row to a damaged index, and a changed snapshot are all seen without the rows between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from engine.errors import JournalCorrupt
from engine.journal.row import GENESIS, Row, row_hash

SNAPSHOT: Final = "snapshot"
"""Kind of the row that holds a Snapshot. It belongs to no signal and no order."""
SUSPECT: Final = "suspect"
"""Kind of the row that says that rows behind a snapshot are damaged: no snapshot before it is believed any more."""
OF_NO_SIGNAL: Final = ""
"""Key of the strand of the rows that belong to no signal; and what to ask a journal for them by."""


class Strand(msgspec.Struct, frozen=True):
    """Rows of one signal: how many, the sequence number of the last, and the head of their own chain."""

    rows: int = 0
    last: int = 0
    hash: str = GENESIS

    def extended(self, rows: Iterable[Row]) -> Strand:
        """Return the strand with these rows at its end."""
        count, last, head = self.rows, self.last, self.hash
        for row in rows:
            count, last, head = count + 1, row.seq, row_hash(head + row.hash, row)
        return Strand(count, last, head)


class Snapshot(msgspec.Struct, frozen=True):
    """Taken when the chain stood at row ``upto`` with ``hash``; ``strands`` by signal_id, of the rows up to there."""

    upto: int
    hash: str
    strands: dict[str, Strand]


class Suspicion(msgspec.Struct, frozen=True):
    """``row`` is the first that does not fit, as far as it is known; 0: not known."""

    row: int
    fault: str


class Footing(msgspec.Struct, frozen=True):
    """What a start stands on. ``snapshot`` None: on every row from the first on, all of them proved.

    ``rows`` is the head's sequence number, ``walked`` how many rows of the chain were proved; ``refused`` says why a
    snapshot that is there was not believed.
    """

    rows: int = 0
    walked: int = 0
    snapshot: Snapshot | None = None
    refused: str = ""


def read_snapshot(row: Row) -> Snapshot:
    """Return the snapshot in a row. Raises JournalCorrupt for one that no engine has written."""
    try:
        snapshot = row.decode(Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalCorrupt(f"the snapshot in row {row.seq} cannot be read: {error}", row.seq) from error
    if not 0 < snapshot.upto < row.seq or OF_NO_SIGNAL not in snapshot.strands:
        raise JournalCorrupt(f"the snapshot in row {row.seq} is none of row {snapshot.upto}", row.seq)
    return snapshot
