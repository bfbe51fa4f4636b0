"""A journal that was broken in its middle: trading halts until a person has looked. Exits and cancels go on."""

from __future__ import annotations

import structlog

from engine.journal.journal import Journal
from engine.journal.salvage import CORRUPTION, Corruption
from engine.risk.trading_state import TRADING_ROW, TradingEvent, TradingState
from engine.seams.clock import Clock

log = structlog.get_logger()

JOURNAL_CORRUPT = "JOURNAL_CORRUPT"


def halt_if_corrupt(journal: Journal, clock: Clock) -> None:
    """Latch a halt for a corruption that no halt has followed yet; the latch outlives restarts.

    What the lost rows said is unknown, so every start that finds the row and no halt behind it halts: also one after a
    process that died between the two.
    """
    last = journal.newest(CORRUPTION)
    if last is None:
        return
    moves = [(row.seq, row.decode(TradingEvent)) for row in journal.rows(kind=TRADING_ROW, signal_id="")]
    if any(seq > last.seq and event.code == JOURNAL_CORRUPT for seq, event in moves):
        return
    what = last.decode(Corruption)
    reason = (
        f"the journal was damaged at row {what.row}; all of it is kept as {what.kept_as}, and what its lost rows said "
        f"is not known. Compare orders and positions with the venue's, then: python -m engine resume --reason TEXT"
    )
    log.critical("journal.corrupt", alarm=JOURNAL_CORRUPT, row=what.row, kept_as=what.kept_as, fault=what.fault)
    event = TradingState.replayed(event for _, event in moves).halt(JOURNAL_CORRUPT, reason, clock.now_ns())
    if event is not None:  # None: it stands already, for a damage from before
        journal.append(TRADING_ROW, event, ts_ns=event.ts_ns, causation_id=last.seq)
