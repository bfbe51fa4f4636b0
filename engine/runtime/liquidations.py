"""Orders by which the venue itself closes our margin positions: they carry no name of ours, and shrink a bracket."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import structlog
import trio

from engine.accounts.margin import VenuePosition
from engine.errors import VenueError
from engine.orders.brackets import Bracket
from engine.orders.reports import OrderReport
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.recovery import FILLS_MARGIN_NS, opened_ns
from engine.runtime.services import Services
from engine.values.money import NO_QTY, ZERO

log = structlog.get_logger()

MAX_WAITING: Final = 200
"""Nameless fills whose order is asked for: more than one liquidation makes in a market's book."""
OWNER_BOUND_S: Final = 60.0
"""REST may lag so long; whose position a liquidation has closed is looked for no longer, but once by each search:
asked for every few seconds for good, it would keep the counter of calls full."""
SEARCH_BOUND_S: Final = 10.0
SEARCH_EVERY_S: Final = 60.0
GIVEN_UP_MOST: Final = 1000
"""Orders that nothing proved stay known as such: more than any search finds."""


class Liquidations:
    """Finds the bracket of each, where the venue's own positions prove it. ``scopes`` are the brackets that live."""

    def __init__(self, services: Services, scopes: Callable[[], list[BracketScope]]) -> None:
        self._services, self._scopes = services, scopes
        self._waiting: list[OrderReport] = []
        self._since_s: dict[str, float] = {}  # order -> when it was first heard of
        self._searched_s: dict[str, float] = {}
        self._given_up: OrderedDict[str, None] = OrderedDict()  # orders whose owner nothing proved in time

    @property
    def news(self) -> bool:
        """Whether a report waits whose bracket is not found yet."""
        return bool(self._waiting)

    def hear(self, report: OrderReport) -> bool:
        """Take a report without a name of ours; False when it cannot be of a liquidation of ours."""
        if report.liquidated is False or report.margin is False or report.symbol is None:
            return False
        holders = [one for one in self._services.margin.living(report.symbol) if one.signal.side != report.side]
        if not holders or len(self._waiting) >= MAX_WAITING:
            return False
        self._since_s.setdefault(report.order_id, trio.current_time())
        self._waiting.append(report)
        return True

    async def place(self) -> list[OrderReport]:
        """Ask for what waits and give it to its bracket; returns the reports that turned out to be nobody's of ours."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        try:
            asked = await self._services.link.query_orders(sorted({report.order_id for report in waiting}))
            closing = [one for one in asked if one.liquidated and self._services.desk.name_of(one.order_id) is None]
            positions = await self._services.link.margin_positions() if closing else []
        except VenueError as error:
            log.warning("liquidations.not_asked", error=str(error))
            self._waiting = waiting + self._waiting
            return []
        for market in dict.fromkeys((one.symbol, one.side) for one in closing):
            self._give([one for one in closing if (one.symbol, one.side) == market], positions)
        strangers = {order.order_id for order in asked if not order.liquidated}
        return self._sort(waiting, strangers)

    async def search(self, symbol: str) -> None:
        """Look for liquidations that nobody has told: the venue holds less of a market than our brackets do."""
        services, now_s = self._services, trio.current_time()
        owners = [scope for scope in self._scopes() if scope.bracket.signal.margin and _trades(scope, symbol)]
        if not owners or now_s < self._searched_s.get(symbol, -SEARCH_EVERY_S) + SEARCH_EVERY_S:
            return
        self._searched_s[symbol] = now_s
        since_ns = min(opened_ns(services.journal, scope.signal_id) for scope in owners) - FILLS_MARGIN_NS
        with trio.move_on_after(SEARCH_BOUND_S):
            try:
                found = await services.link.trades_since(since_ns)
            except VenueError as error:
                log.warning("liquidations.not_searched", error=str(error))
                return
            for fill in found:
                if fill.symbol == symbol and services.desk.name_of(fill.order_id) is None:
                    services.desk.stray(fill)

    def _sort(self, waiting: list[OrderReport], strangers: set[str]) -> list[OrderReport]:
        """Route what has an owner by now; return what is nobody's of ours. The undecided waits on, for a while."""
        desk, now_s, left = self._services.desk, trio.current_time(), list[OrderReport]()
        late = {name for name, since_s in self._since_s.items() if now_s >= since_s + OWNER_BOUND_S}
        told = set(self._given_up)
        for report in waiting:
            if desk.name_of(report.order_id) is not None:
                desk.route(report)
            elif report.order_id in strangers | late | told:
                left.append(report)
            else:
                self._waiting.append(report)
        left = [report for report in left if report.order_id not in told]
        for report in left:
            if report.order_id not in strangers:
                self._give_up(report)
        kept = {report.order_id for report in self._waiting}
        self._since_s = {name: since_s for name, since_s in self._since_s.items() if name in kept}
        return left

    def _give_up(self, report: OrderReport) -> None:
        text = f"the venue has closed a position by order {report.order_id}; whose it was nothing proves"
        self._services.gate.close("LIQUIDATED", text, report.symbol or "")
        self._given_up[report.order_id] = None
        if len(self._given_up) > GIVEN_UP_MOST:
            self._given_up.popitem(last=False)

    def _give(self, orders: Sequence[OrderReport], positions: Sequence[VenuePosition]) -> None:
        """Give the orders of one market and side to their brackets, as far as that is proved."""
        scopes = {
            scope.signal_id: scope
            for scope in self._scopes()
            if scope.bracket.signal.margin
            and _trades(scope, orders[0].symbol or "")
            and scope.bracket.signal.side != orders[0].side
            and scope.bracket.exposure > 0
        }
        owners = owners_of([one.bracket for one in scopes.values()], positions, [o.cum_qty or NO_QTY for o in orders])
        for order, owner in zip(orders, owners, strict=True):
            if owner is not None and scopes[owner.signal.signal_id].adoption.liquidation(order):
                text = f"the venue has closed {order.cum_qty} of signal {owner.signal.signal_id}"
                self._services.gate.close("LIQUIDATED", text, order.symbol or "")


def owners_of(
    holders: Sequence[Bracket], positions: Sequence[VenuePosition], closed: Sequence[Decimal]
) -> list[Bracket | None]:
    """Return the bracket whose position each liquidation has closed; None where nothing proves it.

    Each by itself, or else all that are left together: the venue may close one position by several orders, before
    anybody has told of the first.
    """
    proved = [owner_of(holders, positions, one) for one in closed]
    owners = [one if proved.count(one) == 1 else None for one in proved]  # of like ones either could be its own
    left = sum((one for one, owner in zip(closed, owners, strict=True) if owner is None), ZERO)
    common = owner_of(holders, positions, left)
    return [common if owner is None and qty else owner for qty, owner in zip(closed, owners, strict=True)]


def owner_of(holders: Sequence[Bracket], positions: Sequence[VenuePosition], closed: Decimal) -> Bracket | None:
    """Return the bracket whose position a liquidation of ``closed`` base units has closed; None: nothing proves it.

    Either exactly one bracket lacks so much among the positions that its entries opened, or only one holds anything and
    the venue holds so much less of it.
    """
    if not closed:
        return None
    short = [one for one in holders if one.exposure - _open_of(one, positions) == closed]
    if len(short) == 1:
        return short[0]
    if len(holders) != 1:
        return None
    only = holders[0]
    there = (p.qty for p in positions if p.symbol == only.instrument.symbol and p.side == only.signal.side)
    return only if only.exposure - sum(there, ZERO) == closed else None


def _open_of(bracket: Bracket, positions: Sequence[VenuePosition]) -> Decimal:
    entries = {one.order_id for one in bracket.orders.values() if one.role == "entry"}
    return sum((one.qty for one in positions if one.order_id in entries), ZERO)


def _trades(scope: BracketScope, symbol: str) -> bool:
    return scope.bracket.instrument.symbol == symbol
