"""Keeps the journal whole on disk and its log short: nothing is left open, and pages are moved in quiet moments."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from engine.journal.journal import Journal
from engine.runtime.snapshots import Snapshots

log = structlog.get_logger()

CHECKPOINT_ROWS = 500
"""A row committed alone writes about four pages (itself, two indexes, the tree above): some eight megabytes of log."""
BUSY_ROWS = 4 * CHECKPOINT_ROWS
"""So many rows do not wait for a quiet moment any more."""
MOST_ROWS = 2 * BUSY_ROWS
"""Where commits follow one another so fast that the thread never finds a quiet moment, the loop ends its work."""
LOOK_EVERY_S = 1.0


class JournalKeeper:
    """``busy`` tells whether requests are out: then the disk is left to their commits."""

    def __init__(
        self,
        journal: Journal,
        busy: Callable[[], bool],
        look_every_s: float = LOOK_EVERY_S,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._journal, self._busy, self._look_every_s, self._snapshots = journal, busy, look_every_s, snapshots
        self.checkpoints = 0

    async def run(self) -> None:
        """Look until cancelled. Raises JournalError when the file cannot be written: nothing is tried again on it.

        So it does when somebody else has met that: an engine without a journal must not live on.
        """
        seen = 0
        while True:
            await trio.sleep(self._look_every_s)
            self._journal.require_sound()  # who met the failure may be a caller from outside, and not the engine
            if self._journal.durable < seen:  # a last answer, say: nothing waits for it, and a kill would lose it
                await self._journal.sync()
            seen, _ = self._journal.head
            rows = self._journal.statistics().since_checkpoint
            if rows >= (BUSY_ROWS if self._busy() else CHECKPOINT_ROWS):
                await self._keep(rows)
            if self._snapshots is not None:
                await self._snapshots.look()

    async def _keep(self, rows: int) -> None:
        done = await self._journal.checkpoint_aside()
        if not done and rows >= MOST_ROWS:
            self._journal.checkpoint()  # the thread has moved all but the last few pages: these are moved at once
            done = True
        self.checkpoints += done
        log.debug("journal.checkpoint", rows=rows, done=done)
