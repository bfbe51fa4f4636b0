"""Hands events about money to whoever reads them, once the rows they rest on are durable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.journal.journal import Journal
from engine.runtime.durable_line import DurableLine
from engine.runtime.money_events import EVERY_KIND, MoneyEvent
from engine.runtime.readers import Every


class MoneyBus:
    """A reader that falls behind its queue is cut off with a marker; it costs nobody else anything."""

    def __init__(self, journal: Journal, queue: int) -> None:
        self._queue = queue
        self._line: DurableLine[MoneyEvent] = DurableLine(journal, self._publish)
        self._readers: list[tuple[Every[MoneyEvent], tuple[type[MoneyEvent], ...]]] = []

    def post(self, event: MoneyEvent) -> None:
        """Publish this once every row appended up to now is durable."""
        if self._readers:  # nothing waits where nobody reads
            self._line.put(event)

    async def run(self) -> None:
        """Publish until cancelled."""
        await self._line.run()

    async def flush(self) -> None:
        """Publish what waits now."""
        await self._line.flush()

    def _publish(self, event: MoneyEvent) -> None:
        for reader, kinds in self._readers:
            if isinstance(event, kinds):
                reader.offer(event)

    @contextmanager
    def read(
        self, kinds: tuple[type[MoneyEvent], ...] = EVERY_KIND, capacity: int | None = None
    ) -> Iterator[Every[MoneyEvent]]:
        """Receive every event of some kinds from now on while the block stands."""
        reader: Every[MoneyEvent] = Every(capacity or self._queue)
        self._readers.append((reader, kinds))
        try:
            yield reader
        finally:
            self._readers = [one for one in self._readers if one[0] is not reader]
            reader.close()

    def close(self) -> None:
        """End every reader after what it has waiting."""
        for reader, _ in self._readers:
            reader.close()
