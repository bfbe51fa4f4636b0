"""The journal being written: rows go into one open transaction, and one commit serves everybody in a tick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from engine.errors import JournalError
from engine.journal.header import Header
from engine.journal.lease import Lease
from engine.journal.reader import JournalReader
from engine.journal.row import GENESIS, Row, canonical_body, sealed
from engine.journal.store import RowStore
from engine.seams.stopwatch import Stopwatch

SLOW_SYNC_S = 0.25
"""A sync longer than this delays every order of its tick: worth an alarm."""
STALLED_SYNC_S = 2.0
"""A sync longer than this eats into wire deadlines and heartbeats: no new risk on such a disk."""


class Statistics(msgspec.Struct, frozen=True):
    """Counts since this process opened the journal; ``rows`` and ``durable`` are sequence numbers.

    ``since_checkpoint`` is the number of rows that a checkpoint would move out of SQLite's log.
    """

    rows: int
    durable: int
    commits: int
    since_checkpoint: int
    last_sync_s: float
    slowest_sync_s: float


Tap = Callable[[str, msgspec.Struct | dict[str, Any], int, str, str], object]
"""Hears every appended row: kind, body, ts_ns, signal_id, cl_ord_id. Must neither raise nor take long."""


def _no_alarm(seconds: float) -> None:
    """Stand in until somebody listens."""


def _nobody() -> None:
    """Stand in while nobody else can have become the writer."""


class Journal(JournalReader):
    """The one writer. ``append`` and ``sync`` belong to the tasks of one trio loop.

    ``on_synced`` is called with the seconds of every sync, ``on_slow`` with those of one above SLOW_SYNC_S,
    ``on_stalled`` instead of that above STALLED_SYNC_S; ``taps`` with every row, durable or not. ``failed`` is set by
    the first write that failed, for good: what a failed sync left on the disk cannot be known, so nothing is tried
    again on this file and every later append or sync raises JournalError.
    """

    def __init__(self, store: RowStore, header: Header, stopwatch: Stopwatch) -> None:
        super().__init__(store, header)
        self.on_slow: Callable[[float], object] = _no_alarm
        self.on_stalled: Callable[[float], object] = _no_alarm
        self.on_synced: Callable[[float], object] = _no_alarm
        self.taps: list[Tap] = []
        self.failed: JournalError | None = None
        self.lease: Lease | None = None
        """The right to write it; None until whoever opens it has put it there."""
        self.guard: Callable[[], object] = _nobody
        """Asked before every write; raises LeaseLost where another process is the writer by now."""
        self._stopwatch = stopwatch
        self._head = super().head
        self._durable = self._head[0]
        self._checkpointed = self._durable
        self._commits = 0
        self._last_sync_s = 0.0
        self._slowest_sync_s = 0.0
        self._closed = False

    @property
    def head(self) -> tuple[int, str]:
        """Return sequence number and hash of the last appended row, durable or not."""
        return self._head

    @property
    def stopwatch(self) -> Stopwatch:
        """What its syncs are timed by: the machine's, or in the world a virtual one."""
        return self._stopwatch

    @property
    def durable(self) -> int:
        """Return the sequence number up to which every row is durable."""
        return self._durable

    def statistics(self) -> Statistics:
        """Return the counts of this moment."""
        return Statistics(
            rows=self._head[0],
            durable=self._durable,
            commits=self._commits,
            since_checkpoint=self._durable - self._checkpointed,
            last_sync_s=self._last_sync_s,
            slowest_sync_s=self._slowest_sync_s,
        )

    def append(
        self,
        kind: str,
        body: msgspec.Struct | dict[str, Any],
        *,
        ts_ns: int,
        signal_id: str = "",
        cl_ord_id: str = "",
        causation_id: int = 0,
    ) -> int:
        """Add a row and return its sequence number. It is durable only after a sync().

        Decimals are kept to the last digit, as strings. A body without a JSON form raises TypeError and changes
        nothing.
        """
        self.require_sound()
        seq, previous = self._head
        row = Row(seq + 1, ts_ns, kind, signal_id, cl_ord_id, causation_id, canonical_body(body), hash=GENESIS)
        row = sealed(previous, row)
        try:
            self._store.insert(row)
        except JournalError as error:
            self.failed = error
            raise
        self._head = (row.seq, row.hash)
        for tap in self.taps:
            tap(kind, body, ts_ns, signal_id, cl_ord_id)
        return row.seq

    async def sync(self) -> None:
        """Return once every row appended before this call is durable.

        Always a checkpoint: everything that is runnable now runs first, and what it appends goes into the same commit.
        Cancelled, it leaves the rows appended and not known to be durable; the next sync takes them along.
        """
        self.require_sound()
        target, _ = self._head
        # No leader and no followers: after its own checkpoint each waiter finds the rows durable or commits them
        # itself, so there is nobody whose cancellation could leave the others waiting.
        await trio.lowlevel.checkpoint()
        if self._durable < target:
            self.require_sound()
            self._commit()

    async def checkpoint_aside(self) -> bool:
        """Let the store do its put-off housekeeping beside the loop. Rows are appended and committed meanwhile.

        False when some were: SQLite begins its log anew only where all of it was moved before the next transaction.
        """
        self.require_sound()
        upto = self._durable
        try:
            done = await self._store.checkpoint_aside()
        except JournalError as error:
            self.failed = error
            raise
        if not done or self._head[0] != upto:
            return False
        self._checkpointed = upto
        return True

    def checkpoint(self) -> None:
        """Commit, then let the store do its put-off housekeeping. Blocks for milliseconds: for the end of a life."""
        self.require_sound()
        self._commit()
        try:
            self._store.checkpoint()
        except JournalError as error:
            self.failed = error
            raise
        self._checkpointed = self._durable

    def close(self) -> None:
        """Commit what is open, checkpoint, let go. After a failure only let go. Closing twice is fine.

        Raises JournalError when that last commit fails; the file is let go all the same.
        """
        if self._closed:
            return
        try:
            if self.failed is None:
                self.checkpoint()
        finally:
            self._closed = True
            self._store.close()

    def _commit(self) -> None:
        if self._durable == self._head[0]:
            return
        seq, _ = self._head
        started_ns = self._stopwatch.monotonic_ns()
        try:
            self._store.commit()
            self._durable = seq  # before the alarms: whoever hears one may append
            self._commits += 1
        except JournalError as error:
            self.failed = error
            raise
        finally:
            self._timed((self._stopwatch.monotonic_ns() - started_ns) / 1e9)

    def _timed(self, seconds: float) -> None:
        self._last_sync_s = seconds
        self._slowest_sync_s = max(self._slowest_sync_s, seconds)
        self.on_synced(seconds)
        if seconds > STALLED_SYNC_S:
            self.on_stalled(seconds)
        elif seconds > SLOW_SYNC_S:
            self.on_slow(seconds)

    def require_sound(self) -> None:
        """Raise JournalError where nothing can be written any more, whoever was the first to meet it."""
        if self._closed:
            raise JournalError("the journal is closed")
        self.guard()
        if self.failed is not None:
            raise JournalError(f"nothing more is written to this journal: {self.failed}") from self.failed
