"""Execution quality from the journal: a signal's rows folded, and the last signals found from its end."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from engine.accounts.charges import Charge
from engine.accounts.quality import QualityFold, SignalQuality
from engine.journal.reader import JournalReader
from engine.orders.replay import FACT_OF_KIND
from engine.runtime.ledger_rows import CHARGE_ROW

MAX_SIGNALS: Final = 1000
_STRIDE_ROWS: Final = 512  # some ten milliseconds between chances for other tasks


def quality_of(journal: JournalReader, signal_id: str) -> SignalQuality | None:
    """Fold one signal; None when it was never accepted."""
    fold = QualityFold()
    for row in journal.rows(signal_id=signal_id):
        kind = FACT_OF_KIND.get(row.kind)
        if row.kind == CHARGE_ROW:
            charge = row.decode(Charge)
            fold.charged(charge.movement.asset, charge.qty)
        elif kind is not None:
            fold.take(row.ts_ns, row.cl_ord_id, row.decode(kind))
    return fold.quality()


async def last_signals(journal: JournalReader, limit: int) -> list[str]:
    """Return the last accepted signals, oldest first, at most MAX_SIGNALS: read backwards in strides."""
    found: deque[str] = deque()
    limit, (upto, _) = min(limit, MAX_SIGNALS), journal.head
    while upto > 0 and len(found) < limit:
        after = max(0, upto - _STRIDE_ROWS)
        stride = []
        for row in journal.rows(after=after):  # of every kind, or the store would look for the next match to the end
            if row.seq > upto:
                break
            if row.kind == "signal":
                stride.append(row.signal_id)
        found.extendleft(reversed(stride))
        upto = after
        await trio.lowlevel.checkpoint()
    return list(found)[-limit:]
