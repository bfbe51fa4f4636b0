"""From a journal to running brackets: what had not ended is rebuilt, asked about, and only then acted upon."""

from __future__ import annotations

import msgspec
import structlog
import trio

from engine.journal.reader import JournalReader
from engine.orders.bracket_events import Policy
from engine.orders.brackets import Bracket
from engine.orders.claims import ORPHAN
from engine.orders.commands import NewOrder
from engine.orders.events import OrderEvent
from engine.orders.order import Order
from engine.orders.replay import Fact, Requested, rebuild_bracket, rebuild_orders
from engine.orders.reports import Answer, OrderReport, Outcome
from engine.orders.specs import made_by_venue
from engine.runtime.counting import Counting
from engine.runtime.history import facts_of
from engine.runtime.messages import Barrier
from engine.runtime.order_desk import OrderDesk, OrderHandle
from engine.values.time import NS
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

WHY_ADOPTED = "adopted: ours, and not in the journal"

FILLS_MARGIN_NS = 120 * NS
"""Fills are asked for from this long before the oldest unfinished order was sent: clocks and REST may lag."""


class Loose(msgspec.Struct, frozen=True):
    """An order as the last process left it: its last new-order request and answers that no event had drawn on yet.

    ``since_ns`` is a time before which it certainly was not sent.
    """

    order: Order
    request: Requested | None
    answers: tuple[Answer, ...]
    since_ns: int

    @property
    def undecided(self) -> bool:
        """No row says that it was sent. The venue has the last word: the journal's tail may have been lost."""
        return self.order.state == "new" and self.request is None

    @property
    def half_adopted(self) -> bool:
        """An order that the venue made was given this name, and the row that says which order it is was not kept.

        Nothing was ever sent under the name: no answer to it will come, and no list will show it.
        """
        order = self.order
        made = made_by_venue(order.spec) and self.request is None
        return made and order.state == "pending" and order.order_id is None


class Unfinished(msgspec.Struct, frozen=True):
    """A bracket that had not ended, with every order it ever had."""

    bracket: Bracket
    opened_row: int
    loose: tuple[Loose, ...]
    opened_ns: int


def load_unfinished(journal: JournalReader, policy: Policy, counting: Counting | None = None) -> list[Unfinished]:
    """Rebuild every bracket that opened and was not closed. Raises OrderInvariantError for rows that cannot follow.

    ``counting`` has counted the journal's rows; without one they are counted here.
    """
    found = []
    for signal_id, row in (counting or Counting.of(journal)).brackets.items():
        facts = facts_of(journal, signal_id=signal_id)
        bracket = rebuild_bracket(facts, policy)
        if bracket is not None:
            if bracket.signal.strategy_id == ORPHAN:
                bracket.close(WHY_ADOPTED)  # its first row may be the last that was kept
            orders, since_ns = rebuild_orders(facts), opened_ns(journal, signal_id)
            loose = tuple(_loose(order, facts, since_ns) for order in orders.values() if order.state != "settled")
            found.append(Unfinished(bracket, row, loose, since_ns))
    return found


def opened_ns(journal: JournalReader, signal_id: str) -> int:
    """Return when a bracket opened (our wall clock): nothing of it was sent before."""
    return next(row.ts_ns for row in journal.rows(signal_id=signal_id, kind="signal"))


def _loose(order: Order, facts: list[tuple[str, Fact]], since_ns: int) -> Loose:
    request: Requested | None = None
    answers: list[Answer] = []
    for cl_ord_id, fact in facts:
        if cl_ord_id != order.cl_ord_id:
            continue
        if isinstance(fact, Requested) and isinstance(fact.request, NewOrder):
            request = fact
        elif isinstance(fact, Answer):
            answers.append(fact)
        elif isinstance(fact, OrderEvent):
            answers.clear()  # whatever was answered before this event has been drawn upon
    return Loose(order, request, tuple(answers), since_ns)


def catch_up(loose: Loose, now_ns: int) -> list[OrderEvent]:
    """Conclude what the last process could not.

    No request row = certainly not sent; a request without an answer = unknown. Amends and cancels without an answer
    keep their state: the venue is asked about them.
    """
    order = loose.order
    events: list[OrderEvent] = []
    if loose.half_adopted:
        text = "its adoption was broken off: the venue's own order is taken in anew, under another name"
        return order.answered(Answer("new", order.cl_ord_id, Outcome.NOT_SENT, now_ns, text=text))
    if order.state == "new" and loose.request is None:
        return order.deny("the engine stopped before it was sent", "NOT_SENT", now_ns)
    if order.state == "new":
        events += order.dispatched(now_ns)
    for answer in loose.answers:
        events += order.answered(answer)
    if order.state == "pending":
        events += order.doubt("the engine stopped before the answer came", now_ns)
    return events


async def reconcile(desk: OrderDesk, link: VenueLink, handles: list[OrderHandle], since_ns: int) -> None:
    """Read orders and fills from the venue and put them into the orders' inboxes; returns once all were looked at.

    ``since_ns`` is when the oldest unfinished bracket opened: orders whose rows were lost may have filled from then on.
    What the private stream's snapshot has told is not asked for again: an engine that is killed every few seconds would
    spend the counter of REST calls on it, and then could not even fetch the token of its next stream. Open orders of
    ours that no scope knows come out among the desk's strays. Raises VenueError.
    """
    standing = link.standing
    living = [h for h in handles if h.view.order_id is not None and h.view.state != "settled"]
    reports: list[OrderReport] = [] if standing is not None else await link.open_orders()
    shown = desk.open_at_snapshot if standing is not None else frozenset()
    asked = [h.view.order_id for h in living if h.view.order_id is not None and h.view.cl_ord_id not in shown]
    for start in range(0, len(asked), 50):
        reports += await link.query_orders(asked[start : start + 50])
    since_ns -= FILLS_MARGIN_NS
    if standing is None:
        reports += await _named(desk, link, await link.trades_since(since_ns))
    else:
        await link.reach_back(since_ns)
    for report in reports:
        await desk.deliver(report)
    await wait_taken(handles)


async def _named(desk: OrderDesk, link: VenueLink, fills: list[OrderReport]) -> list[OrderReport]:
    """Give fills listed by REST the cl_ord_id of their order; those of orders that carry none are not ours."""
    nameless = sorted({f.order_id for f in fills if f.cl_ord_id is None and not desk.knows(f.order_id)})
    names = {order.order_id: order.cl_ord_id for order in await link.query_orders(nameless)} if nameless else {}
    named = []
    for fill in fills:
        name = fill.cl_ord_id or names.get(fill.order_id)
        if name is not None or fill.order_id not in names:
            named.append(msgspec.structs.replace(fill, cl_ord_id=name))
    return named


async def wait_taken(handles: list[OrderHandle]) -> None:
    """Return when every order has taken what waits in its inbox and has told its bracket."""
    for handle in handles:
        if handle.view.state != "settled":
            barrier = Barrier(trio.Event())
            if await handle.deliver(barrier):
                await barrier.passed.wait()
