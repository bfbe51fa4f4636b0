"""Looks for the stops that a conditional close must have made of a bracket's fills, until seen or disproved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
import trio

from engine.errors import VenueError
from engine.orders.brackets import CHILD_NS, Bracket
from engine.orders.reports import OrderReport
from engine.orders.specs import stop_order
from engine.runtime.investigator import HEARD_NS
from engine.runtime.messages import ChildrenAsked
from engine.runtime.services import Services
from engine.values.time import NS

log = structlog.get_logger()

FIRST_PAUSE_S, MOST_PAUSE_S = 1.0, 16.0
"""Between questions that settled nothing; each costs a point of the REST counter that every other read needs."""
LONGEST_FLIGHT_NS = 60 * NS
"""Fills of before that long before the last one was told are none of its stops."""


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
        proves = self._late_enough(last_ns)
        try:
            for report in await self._services.link.open_orders():
                if report.cl_ord_id is None and report.ord_ref_id is not None:
                    self._adopt(report)
        except VenueError as error:
            log.warning("children.not_asked", error=str(error))
            proves = False
        proves = proves and self._late_enough(last_ns) and not self._unexplained(last_ns)
        await self._tell(ChildrenAsked(filled if proves else None))

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

    def _late_enough(self, last_ns: int) -> bool:
        """Tell whether a question now would prove absence: by the stream that stands and by how far REST may lag."""
        standing, settings = self._services.link.standing, self._services.settings
        now_s, age_s = trio.current_time(), (self._services.clock.now_ns() - last_ns) / NS
        if standing is None or now_s < standing.since_s + CHILD_NS / NS:
            return False
        if standing.heard_s < now_s - age_s + HEARD_NS / NS:
            return False
        whole = standing.since_s <= now_s - age_s or standing.fills_since_ns < last_ns - LONGEST_FLIGHT_NS
        return age_s >= (settings.visibility_lag_s if whole else settings.visibility_lag_broken_s)

    def _unexplained(self, last_ns: int) -> bool:
        """Tell whether a fill nobody owns may be of such a stop, each of which is made for one fill of the entry."""
        spec = stop_order(self._bracket.signal, self._bracket.instrument, "", self._bracket.unseen)
        since_ns = last_ns - LONGEST_FLIGHT_NS
        return self._services.desk.unexplained.may_be(spec, float("-inf"), since_ns, part=True)
