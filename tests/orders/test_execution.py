"""What subscribers read of each step: the sums right after it, and what was compared for a denial."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.events import EXEC_TYPE_OF_MOVE, ExecutionReport, Numbers, OrderEvent
from engine.orders.execution import Tally, execution_report, refusal_report
from engine.orders.order import Order
from engine.orders.replay import Refused
from engine.orders.reports import Outcome, ReportType
from tests.orders.conftest import (
    CL,
    OID,
    acked,
    amend,
    an_open_order,
    an_order,
    answer,
    canceled,
    fill,
    new_order,
    px,
    qty,
    report,
    trade,
)
from tests.orders.desk import BUY

NUMBERS = Numbers(Decimal(5), Decimal(7), Decimal(1))


def told(order: Order, events: list[OrderEvent]) -> list[ExecutionReport]:
    """Publish what an order concluded, as the runtime does: folded one by one from what it was before."""
    before = Tally(Order(order.spec, order.role))
    return [before.report(event, BUY, 40 + place) for place, event in enumerate(events)]


def test_trade_is_told_with_its_fill_and_the_sums_after_it() -> None:
    """Who, what, where it stands, and the one execution that moved it."""
    order = an_open_order()
    before = Tally(order)
    (event,) = order.reported(trade("e1", "4"))
    assert before.report(event, BUY, 41) == ExecutionReport(
        offset=41,
        ts_ns=3,
        exec_type="trade",
        ord_status="partial",
        signal_id="s-1",
        strategy_id="default",
        cl_ord_id=CL,
        order_id=OID,
        role="entry",
        symbol="BTC/USD",
        side="buy",
        order_type="limit",
        order_qty=qty(10),
        cum_qty=qty(4),
        leaves_qty=qty(6),
        avg_px=Decimal(100),
        last_qty=qty(4),
        last_px=px(100),
        exec_id="e1",
        liquidity_ind="maker",
    )


def test_events_of_one_report_are_told_one_after_the_other() -> None:
    """A fill that proves the order and completes it: each row has the sums of its moment."""
    order = an_order()
    events = order.reported(trade("e1", "10", "filled"))
    rows = told(order, events)
    assert [(row.exec_type, row.ord_status, row.order_id, str(row.cum_qty), str(row.leaves_qty)) for row in rows] == [
        ("new", "open", OID, "0", "10"),
        ("trade", "filled", OID, "10", "0"),
    ]
    assert [row.offset for row in rows] == [40, 41]
    assert [row.last_qty for row in rows] == [None, 10]


def test_average_price_is_cost_by_quantity() -> None:
    """Over all fills, zero before the first."""
    order = an_open_order()
    before = Tally(order)
    rows = [before.report(event, BUY, 1) for exec_id, price in (("e1", "100"), ("e2", "130")) for event in
            order.reported(report(ReportType.TRADE, "partially_filled", fill=fill(exec_id, "2", price)))]  # fmt: skip
    assert [row.avg_px for row in rows] == [100, 115]
    assert Tally(Order(new_order(), "entry")).describe(OrderEvent("", "new", "new", 1), BUY, 1).avg_px == 0


def test_amend_moves_the_quantity_that_is_told() -> None:
    """From its row on; what is left is counted from the new total."""
    order = an_open_order()
    before = Tally(order)
    order.ask(amend("12"), 4, "more")
    (event,) = order.answered(answer(Outcome.ACCEPTED, "amend"))
    row = before.report(event, BUY, 1)
    assert (row.exec_type, row.order_qty, row.leaves_qty) == ("replaced", 12, 12)
    again = before.describe(msgspec.structs.replace(event, order_qty=None), BUY, 2)
    assert again.order_qty == 12


def test_what_the_venue_counts_is_not_left_to_trade() -> None:
    """Its count outranks our details, and never goes back."""
    order = an_open_order()
    before = Tally(order)
    (event,) = order.reported(report(ReportType.STATUS, "partially_filled", source="rest", cum_qty="4"))
    row = before.report(event, BUY, 1)
    assert (row.exec_type, row.cum_qty, row.leaves_qty) == ("order_status", 0, 6)
    lower = before.report(msgspec.structs.replace(event, venue_cum=qty(1)), BUY, 2)
    assert lower.leaves_qty == 6


def test_overfilled_order_has_nothing_left() -> None:
    """Never less than nothing."""
    order = an_open_order()
    before = Tally(order)
    (event,) = order.reported(trade("e1", "11"))
    assert before.report(event, BUY, 1).leaves_qty == 0


@pytest.mark.parametrize("state", ["filled", "canceled", "expired", "rejected", "denied", "settled"])
def test_ended_order_has_nothing_left(state: str) -> None:
    """Whatever it had not filled."""
    row = Tally(an_open_order()).describe(OrderEvent("cancel", "open", state, 1), BUY, 1)
    assert (row.ord_status, row.order_qty, row.leaves_qty) == (state, 10, 0)


def test_reason_alarm_code_and_numbers_are_those_of_the_event() -> None:
    """What a person must look at reaches the subscriber."""
    order = Order(new_order(), "stop")
    (event,) = order.deny("too much", "LIMIT", 9, NUMBERS)
    row = execution_report(order, msgspec.structs.replace(event, alarm="LOOK"), BUY, 7)
    assert (row.exec_type, row.ord_status, row.role, row.ts_ns, row.offset) == ("denied", "denied", "stop", 9, 7)
    assert (row.reason, row.code, row.alarm, row.numbers) == ("too much", "LIMIT", "LOOK", NUMBERS)
    assert (row.order_id, row.last_px, row.exec_id, row.liquidity_ind) == (None, None, None, None)


def test_fired_stop_has_a_word_of_its_own() -> None:
    """It moves no state, and yet it is what everybody waits for."""
    order = an_open_order(role="stop", order_type="stop-loss", trigger_price=px(90), limit_price=None)
    (event,) = order.reported(report(ReportType.TRIGGERED, "new", triggered=True))
    assert execution_report(order, event, BUY, 1).exec_type == "triggered"
    assert execution_report(order, msgspec.structs.replace(event, triggered=False), BUY, 1).exec_type == "order_status"


@pytest.mark.parametrize("move", sorted(EXEC_TYPE_OF_MOVE))
def test_every_move_is_told_by_its_word(move: str) -> None:
    """The table of words is the only one."""
    row = Tally(an_open_order()).describe(OrderEvent(move, "open", "open", 1), BUY, 1)
    assert row.exec_type == EXEC_TYPE_OF_MOVE[move]


def test_report_now_is_the_report_of_the_folded_order() -> None:
    """Told in the middle or read again from the journal: one and the same row."""
    order = an_open_order()
    before = Tally(order)
    for said in (acked(), trade("e1", "4"), canceled(reason="User requested")):
        for event in order.reported(said):
            assert before.report(event, BUY, 5) == execution_report(order, event, BUY, 5)


def test_denied_signal_is_told_without_an_order() -> None:
    """No order was made: no name, nothing filled, nothing left, and why."""
    assert refusal_report(Refused(BUY, "STALE", "too late", NUMBERS), 12, 34) == ExecutionReport(
        offset=12,
        ts_ns=34,
        exec_type="denied",
        ord_status="denied",
        signal_id="s-1",
        strategy_id="default",
        cl_ord_id="",
        order_id=None,
        role="entry",
        symbol="BTC/USD",
        side="buy",
        order_type="limit",
        order_qty=qty(2),
        cum_qty=qty(0),
        leaves_qty=qty(0),
        avg_px=Decimal(0),
        reason="too late",
        code="STALE",
        numbers=NUMBERS,
    )
