"""Stops that the venue made of a conditional close: they carry no name of ours, but name the entry they come from."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from engine.errors import VenueError
from engine.orders.reports import OrderReport
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.services import Services

log = structlog.get_logger()

MAX_WAITING = 200
"""Nameless reports whose order is asked for; more than fills of one conditional close can bring between two looks."""
OWNER_BOUND_S = 120.0
"""So long may REST not know an order that the stream has told a fill of: twice as long as it was ever seen to lag."""


class Children:
    """Finds the bracket of each. ``scopes`` are the brackets that live."""

    def __init__(self, services: Services, scopes: Callable[[], list[BracketScope]]) -> None:
        self._services, self._scopes = services, scopes
        self._waiting: list[OrderReport] = []
        self._since_s: dict[str, float] = {}  # order -> when it was first heard of (trio's clock)
        self._early: list[OrderReport] = []  # told before the entry that they may come of has its venue id

    @property
    def news(self) -> bool:
        """Whether a report waits whose order could not be asked for, or given to its bracket, yet."""
        return bool(self._waiting or self._early)

    def hear(self, report: OrderReport) -> bool:
        """Take a report without a name of ours; False when it cannot be of a child.

        A fill listed by REST does not name the order that its order came from: that is asked for.
        """
        if self._known(report):
            return True
        if report.ord_ref_id is not None and report.order_qty is not None:
            return self._give(report) or self._keep(report)
        mine = any(self._may_own(scope, report) for scope in self._scopes())
        if not mine or len(self._waiting) >= MAX_WAITING:
            return False
        self._since_s.setdefault(report.order_id, trio.current_time())
        self._waiting.append(report)
        return True

    async def place(self) -> list[OrderReport]:
        """Ask for what waits and give it to its bracket; returns the reports that turned out to be nobody's of ours."""
        early, self._early = self._early, []
        nobodys = [report for report in early if not self.hear(report)]
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return nobodys
        try:
            asked = await self._services.link.query_orders(sorted({report.order_id for report in waiting}))
        except VenueError as error:
            log.warning("children.not_asked", error=str(error))
            self._waiting = waiting + self._waiting
            return nobodys
        for order in asked:
            if order.cl_ord_id is None and order.ord_ref_id is not None and not self._give(order):
                self._keep(order)
        return nobodys + self._sort(waiting, {order.order_id for order in asked})

    def _sort(self, waiting: list[OrderReport], shown: set[str]) -> list[OrderReport]:
        """Route what has an owner by now; return what is nobody's of ours. What REST does not know yet waits on."""
        desk, now_s, left = self._services.desk, trio.current_time(), list[OrderReport]()
        for report in waiting:
            late = now_s >= self._since_s.get(report.order_id, now_s) + OWNER_BOUND_S
            if desk.name_of(report.order_id) is not None:
                desk.route(report)
            elif report.order_id in shown or late:
                left.append(report)
            else:
                self._waiting.append(report)
        kept = {report.order_id for report in self._waiting}
        self._since_s = {name: since_s for name, since_s in self._since_s.items() if name in kept}
        return left

    def _keep(self, report: OrderReport) -> bool:
        """Keep an order that may come of an entry in doubt: what names that entry may still be on its way.

        Not a fill: until it has an owner it stands against every proof that an order is dead.
        """
        scopes = (scope for scope in self._scopes() if self._may_own(scope, report))
        entries = (order for scope in scopes for order in scope.bracket.orders.values() if order.role == "entry")
        doubtful = any(order.order_id is None and not order.ended for order in entries)
        if report.fill is not None or not doubtful or len(self._early) >= MAX_WAITING:
            return False
        self._early.append(report)
        return True

    def _known(self, report: OrderReport) -> bool:
        """Route a report of a child that some bracket has taken in already: an earlier process may have named it."""
        name = self._services.desk.name_of(report.order_id)
        if name is not None and name in self._services.desk.live:
            self._services.desk.route(report)
            return True
        for scope in self._scopes():
            for view in scope.bracket.orders.values():
                if view.order_id == report.order_id:
                    self._services.desk.name(report.order_id, view.cl_ord_id)
                    self._services.desk.route(report)
                    return True
        return False

    def _give(self, report: OrderReport) -> bool:
        return any(scope.adoption.child(report) for scope in self._scopes())

    @staticmethod
    def _may_own(scope: BracketScope, report: OrderReport) -> bool:
        signal = scope.bracket.signal
        exits = signal.exits == "conditional-close" and report.side != signal.side
        return exits and report.symbol in (None, signal.symbol)
