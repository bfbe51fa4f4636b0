"""An order folded from its rows again: the same order, and rows that cannot follow are refused."""

from __future__ import annotations

import pytest

from engine.errors import OrderInvariantError
from engine.orders.events import OrderEvent
from engine.orders.order import Order
from engine.orders.replay import Fact, Intent, Requested, rebuild_orders
from engine.orders.reports import Outcome
from tests.orders.conftest import (
    CL,
    OID,
    a_cancel,
    accepted,
    amend,
    an_open_order,
    an_order,
    answer,
    canceled,
    filled,
    new_order,
    px,
    qty,
    refused,
    standing,
    trade,
)
from tests.orders.test_order import replayed


def test_note_on_a_settled_order_leaves_it_settled() -> None:
    """A refusal that comes after everything is noted, and the replay does not reopen for it."""
    order = an_order()
    events = order.reported(trade("e1", "10", "filled")) + order.settle(5)
    events += order.answered(refused())
    assert (events[-1].alarm, order.state) == ("REFUSED_BUT_LIVE", "settled")
    again = an_order()
    for event in events:
        again.apply(event)
    assert (again.state, again.walk) == ("settled", order.walk)


def test_amend_down_to_the_fill_is_replayed_as_filled() -> None:
    """Whether it is complete is judged by the new total."""
    order = Order(new_order(), "entry")
    events = order.dispatched(1) + order.answered(accepted()) + order.reported(trade("e1", "4"))
    events += order.ask(amend("4"), 5, "less") + order.answered(answer(Outcome.ACCEPTED, "amend"))
    assert standing(order) == ("filled", "4", "0")
    assert replayed(order, events).view() == order.view()


def lived(*facts: Fact) -> Order:
    """Fold rows after those of an order that has been accepted."""
    order = Order(new_order(), "entry")
    events: list[Fact] = [*order.dispatched(1), *order.answered(accepted())]
    spec = order.spec
    rows: list[Fact] = [Intent(spec, "entry", ""), Requested(spec, "ws", ""), *events, *facts]
    return rebuild_orders((CL, row) for row in rows)[CL]


@pytest.mark.parametrize(("move", "state"), [("ask_amend", "pending_amend"), ("ask_cancel", "pending_cancel")])
def test_request_survives_a_fill_between_its_row_and_its_event(move: str, state: str) -> None:
    """The fill came first: the order still knows what it has asked, and its doubt is as wide."""
    request = amend("12") if move == "ask_amend" else a_cancel()
    (fill,) = an_open_order().reported(trade("e1", "4"))
    order = lived(Requested(request, "ws", ""), fill, OrderEvent(move, "partial", state, 5))
    assert (order.state, order.pending, order.outgoing) == (state, request, request)
    assert order.bounds() == ((6, 8) if move == "ask_amend" else (0, 6))


def test_fill_beside_a_request_that_is_not_asked_yet_leaves_no_pending_one() -> None:
    """Written down, not yet asked: it is on its way, and nothing more."""
    (fill,) = an_open_order().reported(trade("e1", "4"))
    order = lived(Requested(amend("12"), "ws", ""), fill)
    assert (order.pending, order.outgoing, order.state) == (None, amend("12"), "partial")


def test_answer_alone_takes_the_request_off_its_way() -> None:
    """We stopped between the answer's row and its event."""
    order = lived(Requested(a_cancel(), "ws", ""), answer(Outcome.NOT_SENT, "cancel"))
    assert (order.outgoing, order.view().busy) == (None, False)


def test_request_for_the_order_itself_is_no_change_of_it() -> None:
    """The new-order request says only that it may have been sent."""
    order = lived()
    assert (order.pending, order.outgoing, order.view().busy) == (None, None, False)


def test_row_before_its_intent_is_refused() -> None:
    """Requests, answers and events of an order nobody has decided: each names it."""
    rows: list[Fact] = [Requested(amend("1"), "ws", ""), accepted(), OrderEvent("dispatch", "new", "pending", 1)]
    for row in rows:
        with pytest.raises(OrderInvariantError, match=f"a row of order {CL} stands before its intent"):
            rebuild_orders([(CL, row)])


def test_replay_of_a_wrong_row_says_what_stood_and_what_was_told() -> None:
    """Two messages a person can act on."""
    order = an_open_order()
    with pytest.raises(OrderInvariantError, match=f"{CL}: 'dispatch' starts in new, the replay stands in open"):
        order.apply(OrderEvent("dispatch", "new", "pending", 1))
    with pytest.raises(
        OrderInvariantError, match=f"{CL}: replay of 'cancel' ends in canceled, the journal says filled"
    ):
        order.apply(OrderEvent("cancel", "open", "filled", 1))


def test_settled_order_is_reopened_by_the_row_that_follows() -> None:
    """A reopening leaves no row of its own."""
    order = Order(new_order(), "entry")
    events = order.dispatched(1) + order.answered(accepted()) + order.reported(canceled()) + order.settle(5)
    events += order.reported(trade("e1", "4")) + order.settle(6)
    again = replayed(order, events)
    assert (again.view(), again.walk) == (order.view(), order.walk)
    assert [event.from_state for event in events[-2:]] == ["canceled", "canceled"]


def test_view_is_the_order_as_it_stands() -> None:
    """Every member, of an order that was amended and has traded."""
    order = an_open_order(role="stop", order_type="stop-loss-limit", trigger_price=px(90))
    order.ask(amend("12", limit_price=px(88), trigger_price=px(89)), 4, "tighter")
    order.answered(answer(Outcome.ACCEPTED, "amend"))
    order.reported(trade("e1", "4"))
    order.cancel_wanted = True
    view = order.view()
    assert (view.cl_ord_id, view.role, view.state, view.spec, view.order_id) == (CL, "stop", "partial", order.spec, OID)
    assert (view.order_qty, view.cum_qty, view.done_qty, view.leaves_qty) == (12, 4, 4, 8)
    assert (view.least, view.most, view.busy, view.triggered, view.cancel_wanted) == (8, 8, False, True, True)
    assert (view.cum_cost, view.avg_px, view.fees) == (400, 100, {})
    assert (view.limit_price, view.trigger_price, view.changed_ns, view.dispatched_ns) == (88, 89, 2, 1)
    assert (view.reason, view.code, view.states) == (
        "tighter",
        "",
        ("new", "pending", "open", "pending_amend", "open", "partial"),
    )


def test_filled_word_ends_an_order_with_a_row_of_its_own() -> None:
    """Without numbers the whole of it counts."""
    order = an_open_order()
    (event,) = order.reported(filled(reason="done"))
    assert event == OrderEvent("fill_out", "open", "filled", 3, why="done", venue_cum=qty(10))
