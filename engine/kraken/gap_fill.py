"""Fetches by REST the fills that a reconnect has left out (§9.6)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import aclosing

import msgspec
import structlog
import trio

from engine.errors import VenueError, VenueRefused
from engine.kraken.call_budget import Urgency
from engine.kraken.fill_memory import FillMemory, Hole
from engine.kraken.queries import Queries
from engine.orders.reports import OrderReport
from engine.venue.protocol import VenueSink

log = structlog.get_logger()

FIRST_PAUSE_S = 0.5
MOST_PAUSE_S = 10.0
ALARM_AFTER_S = 90.0
"""REST has been seen a minute behind the stream; beyond that something is wrong."""


class GapFill:
    """Asks TradesHistory, unconsolidated, until it joins what was known before to what the snapshot shows.

    It reads backwards from the snapshot and no further than to fills it knows, so that neither what comes meanwhile
    nor a busy past makes it read more. ``name_of`` gives the ``cl_ord_id`` of orders that the stream has named.
    """

    def __init__(
        self, queries: Queries, sink: VenueSink, memory: FillMemory, name_of: Callable[[str], str | None]
    ) -> None:
        self._queries, self._sink, self._memory, self._name_of = queries, sink, memory, name_of

    async def close(self, hole: Hole) -> None:
        """Return when every fill of the hole has reached the sink; cancelled with the connection.

        An alarm sounds when that takes too long. Then a list that reaches up to the snapshot is enough, though it
        lacks the fill it should begin with: all since then is in it. One that lags, or none, never is.
        """
        log.info("fills.gap", since_ns=hole.since_ns, after=hole.older, before=hole.newer)
        names: dict[str, str | None] = {}
        began_s, pause_s, alarmed, told = trio.current_time(), FIRST_PAUSE_S, False, 0
        for turn in itertools.count():
            # a list that ends at a fill which REST does not know yet is refused: every other one ends with the newest
            found = await self._ask(hole, hole.until if turn % 2 == 0 else None)
            told += await self._tell(found or [], names)
            ids = {report.fill.exec_id for report in found or [] if report.fill is not None}
            reaches = found is not None and hole.bridged_to(ids)
            if reaches and (hole.bridged_from(ids) or alarmed):
                log.info("fills.gap_closed", fills=told, took_s=round(trio.current_time() - began_s, 3))
                return
            if not alarmed and trio.current_time() - began_s >= ALARM_AFTER_S:
                alarmed = True
                log.error("link.alarm", link="private", why="fills of an outage are not found", after=hole.older)
            else:
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, MOST_PAUSE_S)

    async def tell(self, found: Sequence[OrderReport]) -> int:
        """Hand over what nobody has told yet of some fills, oldest first; return how many."""
        return await self._tell(found, {})

    async def _ask(self, hole: Hole, until: str | None) -> list[OrderReport] | None:
        found: list[OrderReport] = []
        try:
            async with aclosing(self._queries.trade_pages(hole.since_ns, until, Urgency.FILLS)) as pages:
                async for found in pages:
                    if self._memory.joins(hole, found):
                        break
        except VenueError as error:
            log.warning("query.failed", query="TradesHistory", why=str(error))
            return None
        return found

    async def _tell(self, found: Sequence[OrderReport], names: dict[str, str | None]) -> int:
        """Hand over what nobody has told yet, oldest first, with its order's name; return how many."""
        fresh = [report for report in found if report.fill is not None and not self._memory.knows(report.fill)]
        await self._learn(list(dict.fromkeys(r.order_id for r in fresh if r.order_id not in names)), names)
        told = 0
        for report in fresh:
            if report.fill is not None and self._memory.hear(report.fill):  # the stream may have told it meanwhile
                self._sink.on_report(msgspec.structs.replace(report, cl_ord_id=names.get(report.order_id)))
                told += 1
        return told

    async def _learn(self, order_ids: list[str], names: dict[str, str | None]) -> None:
        """Learn what the orders are called: a fill's row does not say. Without an answer they go by the venue's id."""
        names.update((one, name) for one in order_ids if (name := self._name_of(one)) is not None)
        unnamed = [one for one in order_ids if one not in names]
        if not unnamed:
            return
        try:
            orders = await self._queries.query_orders(unnamed, Urgency.FILLS)
            names.update((order.order_id, order.cl_ord_id) for order in orders)
        except VenueRefused:
            log.info("query.failed", query="QueryOrders", why="REST does not know all of them yet")
        except VenueError as error:
            log.warning("query.failed", query="QueryOrders", why=str(error))
