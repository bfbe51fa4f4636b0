"""Orders that the stream named without ever having said what they are (§9.5)."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from engine.errors import VenueError
from engine.kraken.queries import Queries
from engine.kraken.session import Session
from engine.orders.reports import OrderReport

log = structlog.get_logger()

ATTEMPTS = 5


class Unnamed:
    """Asks QueryOrders for them, a few times, for REST may lag behind the stream."""

    def __init__(self, queries: Queries, tell: Callable[[OrderReport], None]) -> None:
        self._queries, self._tell = queries, tell
        self._session = Session()
        self._wanted = trio.Event()

    def look(self, session: Session) -> None:
        """Look after what this session could not name."""
        self._session = session
        if session.unnamed:
            self._wanted.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            for attempt in range(ATTEMPTS):
                if not self._session.unnamed:
                    break
                await self._ask(self._session)
                await trio.sleep(2.0**attempt)
            if self._session.unnamed:
                log.warning("order.unnamed", order_ids=list(self._session.unnamed))
                self._session.unnamed.clear()

    async def _ask(self, session: Session) -> None:
        try:
            found = await self._queries.query_orders(list(session.unnamed))
        except VenueError as error:
            log.warning("query.failed", query="QueryOrders", why=str(error))
            return
        for asked in found:
            self._tell(session.name(asked))
