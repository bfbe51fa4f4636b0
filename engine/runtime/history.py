"""The journal read back as facts."""

from __future__ import annotations

from engine.journal.reader import JournalReader
from engine.orders.replay import FACT_OF_KIND, Fact, Opened
from engine.orders.signal import Signal


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
