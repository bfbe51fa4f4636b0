"""The verbs that look: orders, one order, a story, reports. A journal is enough for each of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal

import msgspec

from engine.control.command import Arguments
from engine.control.desk import Desk, paced
from engine.control.refusal import ambiguous, not_found
from engine.orders.commands import OrderType, TimeInForce
from engine.orders.events import ExecutionReport, OrderEvent, Role
from engine.orders.replay import rebuild_orders
from engine.orders.view import OrderView
from engine.runtime.bus import reports_from
from engine.runtime.executions import executions, order_reports
from engine.runtime.history import facts_of
from engine.runtime.story import Finder, Story, Subject, quick_find, tell_story
from engine.values.money import Price, Qty, Side
from engine.values.time import rfc3339


class OrderRecord(msgspec.Struct, frozen=True):
    """One order as the door tells it. Amounts are strings in JSON, ``sent_at`` is "" before it was sent."""

    cl_ord_id: str
    order_id: str | None
    signal_id: str
    role: Role
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    order_qty: Qty
    limit_price: Price | None
    trigger_price: Price | None
    state: str
    cum_qty: Qty
    leaves_qty: Qty
    avg_px: Decimal
    fees: dict[str, Decimal]
    sent_at: str
    reason: str
    states: tuple[str, ...]


class OrderList(msgspec.Struct, frozen=True):
    """Orders that have not settled, and the last fills when they were asked for."""

    active: tuple[OrderRecord, ...]
    history: tuple[ExecutionReport, ...] = ()


class OrderDetail(msgspec.Struct, frozen=True):
    """One order with the reports of all that happened to it."""

    order: OrderRecord
    reports: tuple[ExecutionReport, ...]


def order_record(signal_id: str, view: OrderView) -> OrderRecord:
    """Put an order's view into the door's form."""
    return OrderRecord(
        cl_ord_id=view.cl_ord_id,
        order_id=view.order_id,
        signal_id=signal_id,
        role=view.role,
        symbol=view.spec.symbol,
        side=view.spec.side,
        order_type=view.spec.order_type,
        time_in_force=view.spec.time_in_force,
        order_qty=view.order_qty,
        limit_price=view.limit_price,
        trigger_price=view.trigger_price,
        state=view.state,
        cum_qty=view.cum_qty,
        leaves_qty=view.leaves_qty,
        avg_px=view.avg_px,
        fees=view.fees,
        sent_at=rfc3339(view.dispatched_ns) if view.dispatched_ns else "",
        reason=view.reason,
        states=view.states,
    )


async def list_orders(desk: Desk, arguments: Arguments) -> OrderList:
    """List the orders that have not settled; with ``history`` the last fills too."""
    active = _living(desk) if desk.engine is not None else await _unsettled(desk)
    limit = int(arguments.get("history", 0))
    return OrderList(tuple(active), tuple(await executions(desk.journal, limit)) if limit else ())


def _living(desk: Desk) -> list[OrderRecord]:
    brackets = desk.engine.active() if desk.engine is not None else []
    return [
        order_record(bracket.signal.signal_id, view)
        for bracket in brackets
        for view in bracket.orders
        if view.state != "settled"
    ]


async def _unsettled(desk: Desk) -> list[OrderRecord]:
    """Find the orders whose last row is no settlement; only those are folded again."""
    unsettled: dict[str, str] = {}
    async for row in paced(desk.journal.rows()):
        if row.kind == "intent" or (row.kind == "order" and row.decode(OrderEvent).to_state != "settled"):
            unsettled[row.cl_ord_id] = row.signal_id
        elif row.kind == "order":
            unsettled.pop(row.cl_ord_id, None)
    return [order_record(signal_id, _rebuilt(desk, cl_ord_id)) for cl_ord_id, signal_id in unsettled.items()]


def _rebuilt(desk: Desk, cl_ord_id: str) -> OrderView:
    live = desk.engine.order(cl_ord_id) if desk.engine is not None else None
    return live or rebuild_orders(facts_of(desk.journal, cl_ord_id=cl_ord_id))[cl_ord_id].view()


async def show_order(desk: Desk, arguments: Arguments) -> OrderDetail:
    """Show one order of ours, living or settled."""
    text = str(arguments["order"])
    subject = await find_subject(desk, text)
    if not subject.cl_ord_id:
        raise not_found(f"{text} (it is a signal: ask why of it)")
    order = order_record(subject.signal_id, _rebuilt(desk, subject.cl_ord_id))
    return OrderDetail(order, tuple(order_reports(desk.journal, subject.cl_ord_id)))


async def explain(desk: Desk, arguments: Arguments) -> Story:
    """Tell the whole story of an order or a signal."""
    return tell_story(desk.journal, await find_subject(desk, str(arguments["id"])))


async def find_subject(desk: Desk, text: str) -> Subject:
    """Return what an id means. Raises Refusal when it is nothing or more than one thing."""
    subject = quick_find(desk.journal, text)
    if subject is not None:
        return subject
    finder = Finder(text)
    async for row in paced(desk.journal.rows()):
        finder.take(row)
    found = finder.found()
    if not found:
        raise not_found(text)
    if len(found) > 1:
        raise ambiguous(text, [one.cl_ord_id or one.signal_id for one in found])
    return found[0]


async def follow_reports(desk: Desk, arguments: Arguments) -> AsyncGenerator[ExecutionReport, None]:
    """Yield execution reports beyond ``after``; with ``follow`` and a live engine until it ends."""
    after = int(arguments.get("after", 0))
    if desk.engine is None or not arguments.get("follow", False):
        upto = None if desk.engine is None else desk.engine.services.journal.durable
        for report in reports_from(desk.journal, after, upto):
            yield report
        return
    async with aclosing(desk.engine.reports(after)) as reports:
        async for report in reports:
            yield report
