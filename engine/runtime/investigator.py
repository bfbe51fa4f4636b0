"""Looks for proof of what became of an unknown order. It is found, or proved dead, or it stays unknown.

An attempt is dead only when all of this holds: its wire deadline has certainly passed; one private stream stood
unbroken from before the send until then and never named it, or a snapshot taken after then lacks it; the lists of open
and of closed orders, asked for after the deadline and the time REST may lag, lack it; and no fill on that symbol and
side since the send is without an owner.
"""

from __future__ import annotations

import structlog
import trio

from engine.errors import VenueError
from engine.runtime.messages import ProvenDead
from engine.runtime.order_desk import OrderDesk, OrderHandle
from engine.runtime.settings import EngineSettings
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

MOST_PAUSE_S = 16.0
"""Evidence that an unknown order lives is looked for at once, after 2 s, and after pauses that double up to this.

The list of closed orders costs four points of a REST counter of twenty that refills by half a point a second: asked
for every two seconds it would keep the question that proves the death waiting, and every other read with it.
"""
FAILED_PAUSE_S = 2.0
"""A question without an answer is asked again this soon."""


class Investigator:
    """Examines every order in doubt until it is not in doubt any more."""

    def __init__(self, settings: EngineSettings, desk: OrderDesk, link: VenueLink) -> None:
        self._settings, self._desk, self._link = settings, desk, link
        self.queries = 0

    async def run(self) -> None:
        """Go round until cancelled. A query that fails is asked again next round."""
        while True:
            await trio.sleep(self._settings.poll_every_s / 2)
            for handle in [h for h in self._desk.live.values() if h.view.in_doubt]:
                try:
                    await self._examine(handle)
                except VenueError as error:
                    handle.doubt.pause_s = FAILED_PAUSE_S
                    log.warning("investigation.failed", cl_ord_id=handle.view.cl_ord_id, error=str(error))

    async def _examine(self, handle: OrderHandle) -> None:
        doubt, now_s = handle.doubt, trio.current_time()
        if doubt.passed_s is None and self._link.passed(handle.deadline_ns):
            doubt.passed_s = now_s
        conclusive = self._may_conclude(handle)
        first = conclusive and not doubt.late_enough  # the question that may decide it waits for no pause
        if not first and now_s < doubt.looked_s + doubt.pause_s:
            return
        doubt.looked_s, doubt.pause_s = now_s, min(2 * doubt.pause_s, MOST_PAUSE_S)
        doubt.late_enough = conclusive
        closed = conclusive or not self._stood_since_the_send(handle)  # else the stream itself shows what has closed
        if await self._look(handle, closed=closed) or not conclusive:
            return
        if self._stream_proves(handle) and not self._unexplained(handle):
            log.warning("order.proved_dead", cl_ord_id=handle.view.cl_ord_id)
            handle.put(ProvenDead("deadline passed, no report, not in open or closed orders, no unexplained fill"))

    async def _look(self, handle: OrderHandle, *, closed: bool) -> bool:
        """Ask for it among the open orders, and among the closed ones too; what is found goes to the order."""
        cl_ord_id = handle.view.cl_ord_id
        self.queries += 1 + closed
        found = await self._link.open_orders(cl_ord_id)
        if closed:
            found += await self._link.closed_orders(cl_ord_id=cl_ord_id)
        for report in found:
            self._desk.route(report)
        return bool(found)

    def _may_conclude(self, handle: OrderHandle) -> bool:
        """Whether a query begun now would be late enough to prove absence."""
        passed_s = handle.doubt.passed_s
        if passed_s is None or not self._stream_proves(handle):
            return False
        whole = self._stood_since_the_send(handle)
        lag_s = self._settings.visibility_lag_s if whole else self._settings.visibility_lag_broken_s
        return trio.current_time() >= passed_s + lag_s

    def _stood_since_the_send(self, handle: OrderHandle) -> bool:
        since_s = self._link.unbroken_since_s
        return since_s is not None and since_s <= handle.sent_s

    def _stream_proves(self, handle: OrderHandle) -> bool:
        """One stream from before the send until past the deadline, or a snapshot from after the deadline."""
        passed_s, since_s = handle.doubt.passed_s, self._link.unbroken_since_s
        if passed_s is None or since_s is None:
            return False
        if since_s <= handle.sent_s or since_s >= passed_s:
            return True
        if not handle.doubt.refreshed:  # the stream began in between: only a later snapshot can tell
            handle.doubt.refreshed = True
            self._link.refresh()
        return False

    def _unexplained(self, handle: OrderHandle) -> bool:
        spec = handle.view.spec
        return self._desk.unexplained_since(handle.sent_s, spec.symbol, spec.side)
