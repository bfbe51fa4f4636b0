"""Looks for proof of what became of an unknown order. It is found, or proved dead, or it stays unknown.

An attempt is dead only when all of this holds: its wire deadline has certainly passed; one private stream stood
unbroken from before the send until then, was heard after then and never named it, or a snapshot taken after then
lacks it; the lists of open and of closed orders, asked for after the deadline and the time REST may lag, lack it; and
no fill since the send that could be its own is without an owner. Whose such a fill is the venue is asked: an order that
it shows with another name, or with other terms, is somebody else's. One order is asked for by its name, several by one
list of all: a full set of names would wait for minutes for its room among the calls.

The long lag is for what REST alone could tell: an order that opened and closed while no stream stood. A snapshot from
after the deadline whose fills reach back before the send leaves nothing of that kind but an order that ended without
a fill, which is dead as well. So such a snapshot counts as an unbroken stream does.

An order that the venue had shown may be disowned by it: the stream's newest snapshot lacks it, and a cancel after that
was refused as one of an unknown order. It does not rest; once every fill since its send is known it has ended, whatever
REST, which may lag, still shows. One with a time to live has been canceled or has expired: the list of closed orders
tells which. One whose inbox had no room for a report has not heard all that is known: REST tells its end. Where cancels
are refused so, and neither a snapshot nor a frame has told of the end, a fresh snapshot is asked for.
"""

from __future__ import annotations

import math

import structlog
import trio

from engine.errors import TooMany, VenueError
from engine.runtime.messages import ProvenDead, ProvenEnded
from engine.runtime.order_desk import NEVER_NS, OrderDesk, OrderHandle
from engine.runtime.poll_task import FILLS_MARGIN_NS
from engine.runtime.settings import EngineSettings
from engine.values.time import NS
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

MOST_PAUSE_S = 16.0
"""Evidence that an unknown order lives is looked for at once, after 2 s, and after pauses that double up to this.

The list of closed orders costs four points of a REST counter of twenty that refills by half a point a second: asked
for every two seconds it would keep the question that proves the death waiting, and every other read with it.
"""
HEARD_NS = 2 * NS
"""A stream tells nothing by its silence: a frame must have come this long after the deadline, by when what happened
before it has come too. A quiet stream brings a heartbeat a second, at the least the answer to a ping."""
REACH_BACK_S = 5.0
"""So long may a look read the history of fills; the next look goes on with it."""
MOST_SUSPECTS = 50
"""Orders that one question may name."""
MOST_CLOSED = 100
"""So many closed orders may be read for several in doubt: two pages, which cost what the names of two cost."""
UNTOLD_S = 2.0
"""A frame that tells of an end comes within this of the refusal that gives it away, or it is lost."""
FAILED_PAUSE_S = 2.0
"""A question without an answer is asked again this soon."""


class Investigator:
    """Examines every order in doubt until it is not in doubt any more."""

    def __init__(self, settings: EngineSettings, desk: OrderDesk, link: VenueLink) -> None:
        self._settings, self._desk, self._link = settings, desk, link
        self.queries = 0

    async def run(self) -> None:
        """Go round until cancelled. What the doubtful are asked for may wait long for room: the disowned do not."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_doubtful, name="investigator/doubtful")
            nursery.start_soon(self._watch_disowned, name="investigator/disowned")

    async def _watch_doubtful(self) -> None:
        """Exits go first: they are what somebody is bare of. A failed query is asked again."""
        while True:
            await trio.sleep(self._settings.poll_every_s / 2)
            doubtful = [h for h in self._desk.live.values() if h.view.in_doubt]
            await self._look([handle for handle in doubtful if self._is_due(handle)])
            await self._decide()

    async def _watch_disowned(self) -> None:
        while True:
            await trio.sleep(self._settings.poll_every_s / 2)
            living = [handle for handle in self._desk.live.values() if not handle.view.ended]
            for handle in [handle for handle in living if handle.disowned and not handle.dropped]:
                await self._conclude_disowned(handle)
            strange = [handle for handle in living if self._wants_snapshot(handle)]
            if strange and self._link.standing is not None:  # one that is on its way brings a snapshot itself
                for handle in strange:
                    handle.snapshots.asked(MOST_PAUSE_S)
                self._link.refresh()

    async def _decide(self) -> None:
        """Ask for all that are ripe, in one question; where more has closed than is to be read, each by its name."""
        asked: set[str] = set()
        most: int | None = None
        while ripe := self._ripe(asked)[:most]:
            try:
                await self._conclude(ripe)
            except TooMany as error:
                log.warning("investigation.too_many", orders=len(ripe), error=str(error))
                most = 1
            else:
                asked.update(handle.view.cl_ord_id for handle in ripe)

    def _ripe(self, asked: set[str]) -> list[OrderHandle]:
        """Return the orders in doubt that may be decided now and that this round has not asked for, exits first.

        A question may wait long for room: an exit that has come into doubt meanwhile is next.
        """
        left = (h for h in self._desk.live.values() if h.view.in_doubt and h.view.cl_ord_id not in asked)
        return sorted(filter(self._may_ask, left), key=lambda handle: handle.view.role == "entry")

    def _may_ask(self, handle: OrderHandle) -> bool:
        return self._may_conclude(handle) and trio.current_time() >= handle.doubt.ask_s

    def _is_due(self, handle: OrderHandle) -> bool:
        """Whether to look for evidence that it lives. A new snapshot is such a look; a conclusion brings its own."""
        standing = self._link.standing
        looked_s = max(handle.doubt.looked_s, standing.since_s if standing is not None else -math.inf)
        return trio.current_time() >= looked_s + handle.doubt.pause_s

    async def _look(self, due: list[OrderHandle]) -> None:
        """Look through the lists of open and of newly closed orders for all of them at once."""
        if not due:
            return
        for handle in due:
            handle.doubt.looked(MOST_PAUSE_S)
        names = {handle.view.cl_ord_id for handle in due}
        blind = any(not (self._stood_since_the_send(h) or self._fills_reach_back(h)) for h in due)
        self.queries += 1 + blind
        try:
            found = await self._link.open_orders(urgent=any(h.view.role != "entry" for h in due))
            if blind and self._link.standing is None:  # else the stream itself shows what has closed
                found += await self._link.closed_orders()
        except VenueError as error:
            log.warning("investigation.failed", error=str(error))
            return
        for report in found:
            if report.cl_ord_id in names:
                self._desk.route(report)
        if blind:
            with trio.move_on_after(REACH_BACK_S):
                await self._link.reach_back(min(handle.earliest_ns for handle in due) - 1)

    async def _conclude(self, ripe: list[OrderHandle]) -> None:
        """Ask the question that proves each of them alive or dead; it is late enough to. Raises TooMany."""
        began_s = trio.current_time()
        try:
            shown = await self._ask_for(ripe)
        except VenueError as error:
            for handle in ripe:
                handle.doubt.asked(began_s, MOST_PAUSE_S)
                handle.doubt.ask_s = trio.current_time() + FAILED_PAUSE_S
            log.warning("investigation.failed", orders=[h.view.cl_ord_id for h in ripe], error=str(error))
            return
        for handle in ripe:
            handle.doubt.asked(began_s, MOST_PAUSE_S)
        missing = [handle for handle in ripe if handle.view.cl_ord_id not in shown]
        await self._ask_whose(missing)
        for handle in missing:
            if not self._suspects(handle) and self._stream_proves(handle):
                log.warning("order.proved_dead", cl_ord_id=handle.view.cl_ord_id)
                handle.put(ProvenDead("deadline passed, no report, not in open or closed orders, no unexplained fill"))

    async def _ask_for(self, ripe: list[OrderHandle]) -> set[str]:
        """Hand on what the venue has of them, open or closed, and return whom it has. Raises VenueError, TooMany."""
        urgent, names = any(h.view.role != "entry" for h in ripe), {h.view.cl_ord_id for h in ripe}
        self.queries += 2
        if len(ripe) == 1:
            (name,) = names
            found = await self._link.open_orders(name, urgent=urgent)
            found += await self._link.closed_orders(cl_ord_id=name, urgent=urgent)
            shown = names if found else set()  # whatever comes for a name is its own, and no proof that it is not there
        else:
            found = await self._link.open_orders(urgent=urgent)
            since_ns = min(_sent_ns(handle) for handle in ripe)
            found += await self._link.closed_orders(since_ns=since_ns, most=MOST_CLOSED, urgent=urgent)
            found = [report for report in found if report.cl_ord_id in names]
            shown = {report.cl_ord_id for report in found if report.cl_ord_id is not None}
        for report in found:
            self._desk.route(report)
        return shown

    async def _conclude_disowned(self, handle: OrderHandle) -> None:
        """Read the fills back to before its send, a while at a time, and then tell that it has ended."""
        since_ns, standing = max(0, _sent_ns(handle) - 1), self._link.standing
        if standing is None:
            return
        if standing.fills_since_ns > since_ns and trio.current_time() >= handle.doubt.ask_s:
            handle.doubt.asked(trio.current_time(), MOST_PAUSE_S)
            self.queries += 1
            with trio.move_on_after(REACH_BACK_S):
                await self._link.reach_back(since_ns)
        standing = self._link.standing
        whole = standing is not None and standing.fills_since_ns <= since_ns
        if whole and await self._has_heard_which_end(handle) and handle.disowned:
            log.warning("order.proved_ended", cl_ord_id=handle.view.cl_ord_id)
            handle.put(ProvenEnded("the venue knows it no more: not in its snapshot, nothing to cancel, no other fill"))

    @staticmethod
    def _wants_snapshot(handle: OrderHandle) -> bool:
        """Whether its cancels are refused as of an unknown order, and for too long no frame has told of its end."""
        now_s = trio.current_time()
        if handle.absent_s is not None or handle.strange_s is None:
            return False
        return now_s >= max(handle.strange_s + UNTOLD_S, handle.snapshots.ask_s)

    async def _has_heard_which_end(self, handle: OrderHandle) -> bool:
        """Ask how an order with a time to live has ended, for as long as REST may lag. Whether nothing is left to ask.

        Nothing is bare of it meanwhile: only entries have such a time.
        """
        if not handle.view.spec.expire_ns:
            return True
        if trio.current_time() < handle.doubt.ask_s or handle.absent_s is None:
            return False
        lag_over = trio.current_time() > handle.absent_s + self._settings.visibility_lag_s
        handle.doubt.asked(trio.current_time(), MOST_PAUSE_S)
        self.queries += 1
        try:
            closed = await self._link.closed_orders(cl_ord_id=handle.view.cl_ord_id)
        except VenueError as error:
            log.warning("investigation.failed", orders=[handle.view.cl_ord_id], error=str(error))
            return False
        for report in closed:
            self._desk.route(report)
        return lag_over or bool(closed)

    def _may_conclude(self, handle: OrderHandle) -> bool:
        """Whether a query begun now would be late enough to prove absence."""
        if not self._stream_proves(handle):
            return False
        whole = self._stood_since_the_send(handle) or self._fills_reach_back(handle)
        lag_s = self._settings.visibility_lag_s if whole else self._settings.visibility_lag_broken_s
        return self._link.passed(handle.deadline_ns + int(lag_s * NS))

    def _stream_proves(self, handle: OrderHandle) -> bool:
        """One stream from before the send until past the deadline, or a snapshot from after the deadline."""
        standing, deadline_ns = self._link.standing, handle.deadline_ns
        if standing is None or not self._link.passed(deadline_ns):
            return False
        if standing.since_ns > deadline_ns:
            return True
        if self._stood_since_the_send(handle):
            return standing.heard_ns > deadline_ns + HEARD_NS
        if not handle.doubt.refreshed:  # the stream began in between: only a later snapshot can tell
            handle.doubt.refreshed = True
            self._link.refresh()
        return False

    def _stood_since_the_send(self, handle: OrderHandle) -> bool:
        standing = self._link.standing
        return standing is not None and standing.since_s <= handle.sent_s

    def _fills_reach_back(self, handle: OrderHandle) -> bool:
        standing = self._link.standing
        return standing is not None and standing.fills_since_ns < handle.earliest_ns

    def _suspects(self, handle: OrderHandle) -> list[str]:
        """Return the orders without an owner whose fills may be this order's."""
        return self._desk.unexplained.orders_that_may_be(handle.view.spec, handle.sent_s, handle.earliest_ns)

    async def _ask_whose(self, missing: list[OrderHandle]) -> None:
        """Ask the venue whose the fills are that may be theirs."""
        suspects = list(dict.fromkeys(order_id for handle in missing for order_id in self._suspects(handle)))
        if not suspects:
            return
        self.queries += 1
        try:
            for report in await self._link.query_orders(suspects[:MOST_SUSPECTS]):
                self._desk.unexplained.show(report)
        except VenueError as error:
            log.warning("investigation.failed", suspects=suspects[:MOST_SUSPECTS], error=str(error))


def _sent_ns(handle: OrderHandle) -> int:
    """Venue time before which an order that the venue had shown cannot have traded."""
    if handle.earliest_ns != NEVER_NS:
        return handle.earliest_ns
    return max(0, handle.view.dispatched_ns - FILLS_MARGIN_NS)
