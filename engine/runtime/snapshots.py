"""Snapshots of a running journal, taken behind its rows; and the proof of what a start on one has left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Final

import structlog
import trio

from engine.errors import JournalCorrupt, JournalError
from engine.journal.chain import next_in_chain
from engine.journal.journal import Journal
from engine.journal.row import GENESIS, Row
from engine.journal.snapshot import SNAPSHOT, SUSPECT, Snapshot, Strand, Suspicion
from engine.runtime.corruption import JOURNAL_CORRUPT
from engine.runtime.counting import Counting
from engine.runtime.trading_desk import TradingDesk
from engine.seams.clock import Clock

log = structlog.get_logger()

SLICE_ROWS: Final = 128
"""Rows read between two chances for other tasks: some two milliseconds."""
PAUSE_S: Final = 0.005
"""Between two slices for a snapshot: some seconds in all, once in twenty thousand rows."""
PROOF_PAUSE_S: Final = 0.025
"""Between two slices of the proof, a tenth of the loop at most: a year's rows are proved in an hour or two."""


class Snapshots:
    """Takes a snapshot every ``every_rows`` rows; None: never. Nothing waits for one, and a lost one costs a replay."""

    def __init__(self, journal: Journal, counting: Counting, clock: Clock, every_rows: int | None) -> None:
        self._journal, self._counting, self._clock, self._every_rows = journal, counting, clock, every_rows
        taken = journal.footing.snapshot
        self._taken_at = taken.upto if taken is not None else 0
        self._strands = dict(taken.strands) if taken is not None else {}
        self._doubted = False  # rows behind the footing are damaged: nothing more is built on them

    async def look(self) -> None:
        """Take one when it is due. Rows that come while it is taken belong to the next. Raises JournalError."""
        upto, head_hash = self._journal.head
        if self._every_rows is None or not self._believed() or upto - self._taken_at < self._every_rows:
            return
        await self._count(upto)
        names = sorted(self._counting.names())
        self._strands = {name: await self._strand(name, upto) for name in names}
        if not self._believed():  # the proof may have found something meanwhile
            return
        taken = Snapshot(upto, head_hash, self._strands)
        self._taken_at = self._journal.append(SNAPSHOT, taken, ts_ns=self._clock.now_ns())
        await self._journal.sync()
        log.debug("journal.snapshot", upto=upto, signals=len(names) - 1)

    def _believed(self) -> bool:
        return not self._doubted

    async def _count(self, upto: int) -> None:
        while self._counting.upto < upto:
            first = self._counting.upto
            for row in self._journal.rows(after=first, upto=min(upto, first + SLICE_ROWS)):
                self._counting.take(row)
            await trio.sleep(PAUSE_S)

    async def _strand(self, name: str, upto: int) -> Strand:
        """Add to a strand what it has got since the last snapshot; one that was left out then is read whole."""
        strand = self._strands.get(name, Strand())
        rows = self._journal.rows(after=strand.last, upto=upto, signal_id=name)
        while True:
            some = list(islice(rows, SLICE_ROWS))
            strand = strand.extended(some)
            if len(some) < SLICE_ROWS:
                return strand
            await trio.sleep(PAUSE_S)

    async def prove(self, trading: TradingDesk) -> None:
        """Walk the chain up to the snapshot that this process has started on, in pieces, and say what is found.

        Every signal is looked up by its name as well: one that an index had lost would be taken for a new one.

        Damage halts trading and is journalled: the next start walks the whole chain and sets the journal aside.
        """
        snapshot = self._journal.footing.snapshot
        if snapshot is None:
            return
        seq, head = 0, GENESIS
        try:
            while seq < snapshot.upto:
                before = seq
                for row in self._journal.rows(after=seq, upto=min(snapshot.upto, seq + SLICE_ROWS)):
                    seq, head = next_in_chain(seq, head, row)
                    self._look_up(row)
                if seq == before:
                    raise JournalCorrupt(f"journal row {seq + 1} is missing", seq + 1)
                await trio.sleep(PROOF_PAUSE_S)
            if head != snapshot.hash:
                raise JournalCorrupt(f"the chain up to row {seq} is not the one of the snapshot", seq)
        except JournalCorrupt as fault:
            self._doubted = True
            suspect(self._journal, fault, self._clock)
            reason = f"the journal is damaged: {fault}. Stop the engine; its next start sets the journal aside"
            trading.halt(JOURNAL_CORRUPT, reason)
            await self._journal.sync()
            return
        self._journal.all_proved()
        log.info("journal.proved", rows=seq)

    def _look_up(self, row: Row) -> None:
        if row.kind != "signal":
            return
        if not any(found.seq == row.seq for found in self._journal.rows(signal_id=row.signal_id, upto=row.seq)):
            raise JournalCorrupt(f"the index of signals lacks {row.signal_id}, which row {row.seq} holds", row.seq)


@contextmanager
def believing(journal: Journal, clock: Clock) -> Iterator[None]:
    """Say what the start stands on; where a damaged row ends the block, the next start believes no snapshot."""
    footing = journal.footing
    if footing.refused:
        log.warning("journal.snapshot_refused", why=footing.refused, rows=footing.rows)
    log.info("journal.sound", rows=footing.rows, walked=footing.walked)
    try:
        yield
    except BaseException as error:
        fault = _corruption_in(error)
        if fault is not None and footing.snapshot is not None:
            with suppress(JournalError):  # then the start after next may be the one that finds it
                suspect(journal, fault, clock)
                journal.checkpoint()
        raise


def _corruption_in(error: BaseException) -> JournalCorrupt | None:
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := _corruption_in(one)) is not None), None)
    return error if isinstance(error, JournalCorrupt) else None


def suspect(journal: Journal, fault: JournalCorrupt, clock: Clock) -> None:
    """Journal that no snapshot before this row is to be believed. Raises JournalError."""
    log.critical("journal.corrupt", alarm=JOURNAL_CORRUPT, row=fault.row, fault=str(fault))
    journal.append(SUSPECT, Suspicion(fault.row, str(fault)), ts_ns=clock.now_ns())
