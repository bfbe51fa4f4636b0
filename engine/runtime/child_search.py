"""Looks for the stops that a conditional close must have made of a bracket's fills, until seen or disproved."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from itertools import chain

import structlog
import trio

from engine.errors import VenueError
from engine.orders.brackets import Bracket
from engine.orders.entry_fills import CHILD_NS
from engine.orders.events import OrderEvent
from engine.orders.reports import OrderReport
from engine.orders.specs import stop_order
from engine.runtime.investigator import HEARD_NS, MOST_SUSPECTS
from engine.runtime.messages import ChildrenAsked
from engine.runtime.services import Services
from engine.values.money import ZERO, Qty
from engine.values.time import NS

log = structlog.get_logger()

FIRST_PAUSE_S, MOST_PAUSE_S = 1.0, 16.0
"""Between questions that settled nothing; each costs a point of the REST counter that every other read needs."""
LONGEST_FLIGHT_NS = 60 * NS
"""Where the first fill has no details yet: it was made at most so long before the last one was told."""


class ChildSearch:
    """Asks for them, and tells the bracket once no stop can be there of a fill: until then one may live unseen.

    The proof is that of a dead order: a private stream stands that would have told, open orders asked for after REST
    may lag lack it, and no unexplained fill could be its own. ``adopt`` takes a stop in, ``tell`` reaches the bracket.
    """

    def __init__(
        self,
        services: Services,
        bracket: Bracket,
        adopt: Callable[[OrderReport], bool],
        tell: Callable[[ChildrenAsked], Awaitable[None]],
    ) -> None:
        self._services, self._bracket, self._adopt, self._tell = services, bracket, adopt, tell
        self._asking = False
        self._again_ns, self._pause_s = 0, FIRST_PAUSE_S
        self._sought = bracket.fill_known

    @property
    def due_ns(self) -> int | None:
        """When to ask (our clock); None while nothing is missing or somebody asks."""
        if self._asking or not self._bracket.unseen:
            return None
        known = self._bracket.fill_known
        if known != self._sought:
            self._sought, self._again_ns, self._pause_s = known, 0, FIRST_PAUSE_S
        return max(known[1] + CHILD_NS, self._again_ns)

    def due(self, now_ns: int) -> bool:
        """Tell whether to ask now; then somebody does, and nobody else until the answer is taken over."""
        at_ns = self.due_ns
        if at_ns is None or now_ns < at_ns:
            return False
        self._asking = True
        return True

    async def ask(self) -> None:
        """Ask for open orders, take in what came of our fills, and tell the bracket what that proves."""
        filled, last_ns = self._bracket.fill_known
        since_ns = self._since_ns(filled, last_ns)
        proves = self._late_enough(last_ns, since_ns)
        try:
            for report in await self._services.link.open_orders(urgent=True):
                if report.cl_ord_id is None and report.ord_ref_id is not None:
                    self._adopt(report)
            proves = proves and self._late_enough(last_ns, since_ns) and await self._all_explained(since_ns)
        except VenueError as error:
            log.warning("children.not_asked", error=str(error))
            proves = False
        await self._tell(ChildrenAsked(filled if proves else None))

    def _since_ns(self, filled: Qty, last_ns: int) -> int:
        """Return when the entry first filled (venue time): none of its stops can have traded before that."""
        rows = chain.from_iterable(
            self._services.journal.rows(cl_ord_id=one.cl_ord_id, kind="order")
            for one in self._bracket.orders.values()
            if one.role == "entry"
        )
        fills = [fill for row in rows if (fill := row.decode(OrderEvent).fill) is not None]
        if sum((fill.last_qty for fill in fills), ZERO) < filled:
            return last_ns - LONGEST_FLIGHT_NS
        return min(fill.ts_ns for fill in fills)

    def asked(self, answer: ChildrenAsked, now_ns: int) -> None:
        """Take an answer over; what was adopted with it is known by now."""
        self._asking = False
        if answer.childless_of is not None:
            self._bracket.prove_childless(answer.childless_of)
            return
        proof_ns = self._bracket.fill_known[1] + round(self._services.settings.visibility_lag_s * NS)
        early = now_ns < proof_ns
        self._again_ns = proof_ns if early else now_ns + round(self._pause_s * NS)
        self._pause_s = self._pause_s if early else min(2 * self._pause_s, MOST_PAUSE_S)

    def _late_enough(self, last_ns: int, since_ns: int) -> bool:
        """Tell whether a question now would prove absence: by the stream that stands and by how far REST may lag."""
        standing, settings = self._services.link.standing, self._services.settings
        now_s, age_s = trio.current_time(), (self._services.clock.now_ns() - last_ns) / NS
        if standing is None or now_s < standing.since_s + CHILD_NS / NS:
            return False
        if standing.heard_s < now_s - age_s + HEARD_NS / NS:
            return False
        whole = standing.since_s <= now_s - age_s or standing.fills_since_ns < since_ns
        return age_s >= (settings.visibility_lag_s if whole else settings.visibility_lag_broken_s)

    async def _all_explained(self, since_ns: int) -> bool:
        """Tell whether no fill may be of such a stop, once the venue was asked whose they are. Raises VenueError."""
        suspects = self._suspects(since_ns)
        if suspects:
            for report in await self._services.link.query_orders(suspects[:MOST_SUSPECTS]):
                self._services.desk.unexplained.show(report)
        return not suspects or not self._suspects(since_ns)

    def _suspects(self, since_ns: int) -> list[str]:
        """Return the orders whose fills may be of a stop that is unseen, each of which is made for one of the fills."""
        bracket, unexplained = self._bracket, self._services.desk.unexplained
        spec = stop_order(bracket.signal, bracket.instrument, "", bracket.unseen)
        entries = {one.order_id for one in bracket.orders.values() if one.role == "entry" and one.order_id is not None}
        return unexplained.orders_that_may_be(spec, -math.inf, since_ns, part=True, made_by=entries)
