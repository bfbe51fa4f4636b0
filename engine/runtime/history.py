"""The journal read back as facts."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.replay import FACT_OF_KIND, Fact, Opened
from engine.orders.signal import Signal

_STRIDE_ROWS: Final = 512
_STRIDES_MOST: Final = 128
"""Rows of the most recent past that are looked through: some seconds of reading, in pieces of some milliseconds."""


def facts_of(
    journal: JournalReader, *, signal_id: str | None = None, cl_ord_id: str | None = None
) -> list[tuple[str, Fact]]:
    """Return (cl_ord_id, fact) of every row of one signal or one order, in journal order."""
    rows = journal.rows(signal_id=signal_id, cl_ord_id=cl_ord_id)
    return [(row.cl_ord_id, row.decode(FACT_OF_KIND[row.kind])) for row in rows if row.kind in FACT_OF_KIND]


def signal_of(journal: JournalReader, cl_ord_id: str) -> str | None:
    """Return the signal an order of ours belongs to; None when the journal does not know it."""
    return next((row.signal_id for row in journal.rows(cl_ord_id=cl_ord_id, kind="intent")), None)


def accepted_signal(journal: JournalReader, signal_id: str) -> Signal:
    """Return the content of a signal that was accepted. Raises KeyError when there is none."""
    for row in journal.rows(signal_id=signal_id, kind="signal"):
        return row.decode(Opened).signal
    raise KeyError(signal_id)


async def last_rows(journal: JournalReader, kind: str, limit: int) -> list[Row]:
    """Return the last ``limit`` rows of a kind, oldest first, from the newest 65,000 rows at most.

    Walks backwards in strides, and lets other tasks run in between.
    """
    found: deque[Row] = deque()
    upto, _ = journal.head
    for _ in range(_STRIDES_MOST):
        if upto <= 0 or len(found) >= limit:
            break
        after = max(0, upto - _STRIDE_ROWS)
        stride: list[Row] = []
        for row in journal.rows(after=after, kind=kind):
            if row.seq > upto:
                break
            stride.append(row)
        found.extendleft(reversed(stride))
        upto = after
        await trio.lowlevel.checkpoint()
    return list(found)[-limit:]
