"""What the verbs work on: a journal, and the engine that writes it when one runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import trio

from engine.control.board_feed import BoardFeed
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.runtime.engine import Engine
from engine.runtime.statistics import Tally

ROWS_AT_ONCE = 256
"""Rows looked at before other tasks run: a few milliseconds."""


@dataclass
class Desk:
    """``engine`` None: the journal of a dead one. ``tally`` has counted from the row it began at."""

    journal: JournalReader
    engine: Engine | None = None
    started_s: float = 0.0
    since_row: int = 0
    tally: Tally = field(default_factory=Tally)
    board: BoardFeed | None = None
    """What the dashboard's viewers share, from the first of them on."""

    @classmethod
    def of_engine(cls, engine: Engine) -> Desk:
        """Set up for a running engine: it counts from now on."""
        row, _ = engine.journal.head
        return cls(engine.journal, engine, trio.current_time(), row, Tally(row))

    async def count(self) -> Tally:
        """Bring the tally up to the newest row."""
        rows = self.journal.rows(after=self.tally.seen)
        async for row in paced(rows):
            if row.seq > self.tally.seen:  # another reader may have counted meanwhile
                self.tally.take(row)
        return self.tally


GetDesk = Callable[[], Desk]
"""Returns the desk of the running engine. Raises Refusal while there is none."""


class paced:  # noqa: N801 - read as a word: ``async for row in paced(rows)``
    """Iterate over rows and let other tasks run in between; an iterator, not a generator: nothing to clean up."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._batch: list[Row] = []

    def __aiter__(self) -> paced:
        return self

    async def __anext__(self) -> Row:
        if not self._batch:
            self._batch = list(islice(self._rows, ROWS_AT_ONCE))[::-1]
            await trio.lowlevel.checkpoint()
        if not self._batch:
            raise StopAsyncIteration
        return self._batch.pop()
