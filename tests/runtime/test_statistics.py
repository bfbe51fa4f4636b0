"""Counts folded from rows, and the last fills."""

from __future__ import annotations

import pytest

from engine.orders.events import OrderEvent
from engine.orders.replay import FACT_OF_KIND, rebuild_orders
from engine.runtime.bus import reports_from
from engine.runtime.executions import executions, order_reports
from engine.runtime.statistics import OrderCounts, Tally
from engine.testing import run_world
from tests.runtime.worlds import FAULTS, live_through, told


def _counted(rows) -> OrderCounts:
    tally = Tally()
    for row in rows:
        tally.take(row)
    return tally.counts


@pytest.mark.parametrize("fault", FAULTS)
def test_counts_agree_with_the_orders_rebuilt(fault):
    """Each standing is counted once for each order that stands there, however it got there."""
    rows = told(fault).rows
    counts = _counted(rows)
    facts = [(row.cl_ord_id, row.decode(FACT_OF_KIND[row.kind])) for row in rows if row.kind in FACT_OF_KIND]
    orders = rebuild_orders(facts).values()
    fills = {fact.fill.exec_id for _, fact in facts if isinstance(fact, OrderEvent) and fact.fill is not None}
    ends = [states[-2] if (states := order.states())[-1] == "settled" else states[-1] for order in orders]
    for name in ("filled", "canceled", "expired", "rejected"):
        assert (name, getattr(counts, name)) == (name, ends.count(name))
    assert counts.denied == ends.count("denied") + counts.signals_denied
    assert counts.unknown_now == ends.count("unknown")
    assert counts.unknown == sum("unknown" in order.states() for order in orders)
    assert counts.executions == len(fills)


def test_requests_are_counted_by_their_way():
    """Without faults everything went by WebSocket, once."""
    counts = _counted(told().rows)
    assert (counts.submitted, counts.by_websocket, counts.by_rest, counts.not_sent) == (6, 6, 0, 0)
    assert (counts.signals_accepted, counts.signals_denied, counts.brackets_ended) == (1, 1, 1)
    assert counts.amends + counts.cancels == 4


def test_a_refusal_that_proves_wrong_is_taken_back():
    """An order counted as rejected and then found live is no longer rejected."""
    tally = Tally()
    for move, before, after in (("reject", "pending", "rejected"), ("accept", "rejected", "open")):
        tally._happened(OrderEvent(move, before, after, 0))
    assert tally.counts.rejected == 0


def test_the_last_fills_come_from_the_end_of_the_journal():
    """The newest N fills, oldest first, with the totals of their own moment; the report of a fill is the bus's own."""

    async def body(world):
        await live_through(world)
        journal = world.journal
        published = list(reports_from(journal, 0))
        of_first = order_reports(journal, next(report.cl_ord_id for report in published if report.cl_ord_id))
        return published, await executions(journal, 3), await world.engine.history(), of_first

    published, last, everything, of_first = run_world(body, seed=1)
    trades = [report for report in published if report.exec_type == "trade"]
    assert everything == trades
    assert last == trades[-3:]
    assert of_first
    assert of_first == [report for report in published if report.cl_ord_id == of_first[0].cl_ord_id]


def test_reports_resume_at_any_offset():
    """Whatever offset a reader resumes at, it gets exactly the reports behind it."""

    async def body(world):
        await live_through(world)
        everything = list(reports_from(world.journal, 0))
        for report in everything:
            behind = list(reports_from(world.journal, report.offset))
            assert behind == [other for other in everything if other.offset > report.offset]

    run_world(body, seed=1)
