"""Walking the chain: the proof that no row was changed, moved or taken out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.errors import JournalCorrupt
from engine.journal.row import GENESIS, HEADER, Row, row_hash


class Verification(msgspec.Struct, frozen=True):
    """A chain that holds: the number of rows, header included, and the hash of the last."""

    rows: int
    head_hash: str


def verify_chain(rows: Iterable[Row]) -> Verification:
    """Check every row against the one before it.

    Raises JournalCorrupt naming the first row that does not fit. A tail that is missing altogether cannot be seen from
    the rows alone: what is left is a shorter, valid chain.
    """
    seq, head = 0, GENESIS
    for row in rows:
        seq, head = next_in_chain(seq, head, row)
    if seq == 0:
        raise JournalCorrupt("the journal has no row, not even its header", 1)
    return Verification(seq, head)


def next_in_chain(seq: int, head: str, row: Row) -> tuple[int, str]:
    """Return sequence number and hash of ``row`` when it follows those of the row before it. Raises JournalCorrupt."""
    seq += 1
    if row.seq != seq:
        raise JournalCorrupt(f"journal row {seq} is missing: row {row.seq} stands in its place", seq)
    if row.hash != row_hash(head, row):
        raise JournalCorrupt(f"journal row {seq} does not fit its hash", seq)
    if seq == 1 and row.kind != HEADER:
        raise JournalCorrupt(f"journal row 1 is not a header but {row.kind!r}", seq)
    return seq, row.hash
