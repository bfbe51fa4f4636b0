"""One order: what moves it, what does not, and what may rest on the venue meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import OrderInvariantError
from engine.orders.commands import Request
from engine.orders.events import OrderEvent
from engine.orders.order import Order
from engine.orders.reports import Answer, OrderReport, Outcome, ReportType
from engine.values.money import Qty
from tests.orders.conftest import (
    OID,
    a_cancel,
    accepted,
    acked,
    alarms,
    amend,
    amended,
    an_open_order,
    an_order,
    answer,
    canceled,
    filled,
    new_order,
    qty,
    refused,
    report,
    standing,
    trade,
)


def test_fill_may_come_before_the_acknowledgement() -> None:
    """The fill is evidence: the order is partial, and the late answer changes nothing."""
    order = an_order()
    order.reported(trade("e1", "4"))
    assert standing(order) == ("partial", "4", "6")
    assert order.answered(accepted()) == []
    assert order.order_id == OID


def test_acknowledgement_after_the_last_fill_changes_nothing() -> None:
    """A filled order stays filled when its new frame and its answer arrive late."""
    order = an_order()
    order.reported(trade("e1", "10", "filled"))
    assert order.reported(acked()) == []
    assert order.answered(accepted()) == []
    assert order.state == "filled"


def test_repeated_trade_adds_nothing() -> None:
    """A snapshot or REST may tell the same execution again."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    assert order.reported(trade("e1", "4")) == []
    assert order.cum_qty == 4


def test_late_fill_after_cancel_keeps_canceled() -> None:
    """The status stands, the quantity moves."""
    order = an_open_order()
    order.reported(canceled())
    (event,) = order.reported(trade("e1", "4"))
    assert (standing(order), event.why) == (("canceled", "4", "0"), "late fill")


def test_overfill_is_recorded_and_alarmed() -> None:
    """The position is the truth, even beyond what was asked."""
    order = an_open_order()
    order.reported(trade("e1", "10"))
    assert alarms(order.reported(trade("e2", "1"))) == ["OVERFILL"]
    assert standing(order) == ("filled", "11", "0")


def test_fills_told_after_an_amend_below_them_are_the_whole_order() -> None:
    """Squall 1310011: the venue had set it to what had filled by then; nothing was filled beyond that."""
    order = an_open_order()
    order.ask(amend("5"), 4, "less")
    order.answered(accepted("amend"))
    told = [order.reported(trade(name, amount))[0] for name, amount in (("e1", "3"), ("e2", "2"), ("e3", "3"))]
    assert [(one.order_qty, one.alarm) for one in told] == [(None, ""), (None, ""), (8, "")]
    assert (standing(order), order.order_qty) == (("filled", "8", "0"), 8)
    assert alarms(order.reported(trade("e4", "2"))) == []
    assert (standing(order), order.order_qty) == (("filled", "10", "0"), 10)
    assert alarms(order.reported(trade("e5", "1"))) == ["OVERFILL"]
    assert order.order_qty == 10


def test_filled_with_less_than_we_took_it_for_is_all_of_it() -> None:
    """Lag 1510032: an amend down was held for not applied, and the rest of the old quantity was waited for for good."""
    order = an_open_order()
    order.reported(filled(cum_qty="6", source="rest"))
    assert (order.state, order.order_qty, order.settle(5)) == ("filled", 6, [])
    order.reported(trade("e1", "6"))
    assert [event.move for event in order.settle(6)] == ["settle"]


@pytest.mark.parametrize("amount", ["11", "12"])
def test_fill_beyond_the_order_proves_an_unanswered_amend(amount: str) -> None:
    """Squall 1310436: so much can have filled under its terms alone; its answer and its frame add nothing."""
    order = an_open_order()
    order.ask(amend("12"), 4, "more")
    filled_up = trade("e1", amount)
    told = [(one.move, one.ts_ns, one.alarm) for one in order.reported(filled_up)]
    assert told == [("amended", filled_up.ts_ns, ""), ("trade", filled_up.ts_ns, "")]
    assert order.order_qty == 12
    assert order.answered(accepted("amend")) + order.reported(amended("12")) == []
    assert alarms(order.reported(trade("e2", "2"))) == ["OVERFILL"]


def test_fill_within_the_order_says_nothing_of_an_unanswered_amend() -> None:
    """It may have come before, whatever the amend asks for."""
    order = an_open_order()
    order.ask(amend("12"), 4, "more")
    order.reported(trade("e1", "9"))
    assert (order.state, order.order_qty) == ("pending_amend", 10)


def test_higher_count_by_rest_is_not_settled_until_the_details_come() -> None:
    """Canceled with a count above our fills waits; its execution makes it agree."""
    order = an_open_order()
    order.reported(canceled(source="rest", cum_qty="4"))
    assert order.settle(5) == []
    assert (order.cum_qty, order.done_qty) == (0, 4)
    order.reported(trade("e1", "4"))
    assert [event.move for event in order.settle(6)] == ["settle"]


def test_filled_frame_without_numbers_counts_the_whole_order() -> None:
    """Filled means all of it, so nothing more is sold for what has no details yet."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    order.reported(filled())
    assert (order.state, order.done_qty, order.agrees) == ("filled", 10, False)
    order.reported(trade("e2", "6"))
    assert order.agrees


def test_filled_in_a_trade_frame_ends_the_order_though_an_earlier_fill_is_missing() -> None:
    """The venue's word ends the order; the missing execution is waited for."""
    order = an_open_order()
    order.reported(trade("e2", "6", "filled", cum_qty="10"))
    assert (order.state, order.agrees) == ("filled", False)


def test_cancel_refused_after_fill_leaves_filled() -> None:
    """The refusal of a cancel that came too late moves nothing."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "no longer wanted")
    order.reported(trade("e1", "10", "filled"))
    assert order.state == "pending_cancel"
    order.answered(refused("cancel", "UNKNOWN_ORDER"))
    assert order.state == "filled"


def test_cancel_refused_while_partly_filled_returns_to_partial() -> None:
    """The order rests as before."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    order.ask(a_cancel(), 4, "no longer wanted")
    order.answered(refused("cancel"))
    assert (order.state, order.pending, order.code) == ("partial", None, "INVALID_PRICE")


def test_change_that_never_left_is_noted_for_the_planner() -> None:
    """The limiter gave no leave: no state moved, yet the refusal is told under one stable code."""
    order = an_open_order()
    order.outgoing = amend("5")
    (event,) = order.answered(answer(Outcome.NOT_SENT, "amend", "NOT_CONNECTED"))
    assert (order.state, order.view().busy, event.move, event.code) == ("open", False, "", "NOT_SENT")


def test_frame_of_the_amend_before_does_not_end_the_pending_one() -> None:
    """Two amends, the first one's frame late: only the second's own values answer it."""
    order = an_open_order()
    order.ask(amend("8"), 4, "less")
    order.answered(accepted("amend"))
    order.ask(amend("6"), 5, "still less")
    assert order.reported(amended("8")) == []
    assert order.state == "pending_amend"
    order.reported(amended("6"))
    assert (order.state, order.order_qty) == ("open", 6)


def test_late_frame_of_an_answered_amend_moves_nothing_backwards() -> None:
    """Both amends are answered before their frames come: the first frame is an echo, not a change by a stranger."""
    order = an_open_order()
    for wanted in ("8", "6"):
        order.ask(amend(wanted), 4, "less")
        order.answered(accepted("amend"))
    assert order.reported(amended("8")) == []
    assert order.reported(amended("6")) == []
    assert order.order_qty == 6
    order.reported(amended("8"))
    assert order.order_qty == 8, "after its echoes a frame speaks of a stranger's change"


def test_unanswered_amend_is_ended_by_a_status_with_its_values() -> None:
    """Its frame was lost; a query that shows the new quantity proves it."""
    order = an_open_order()
    order.ask(amend("8"), 4, "less")
    order.answered(answer(Outcome.UNKNOWN, "amend"))
    assert order.reported(report(ReportType.STATUS, "new", source="rest", order_qty="10")) == []
    assert order.state == "pending_amend"
    order.reported(report(ReportType.STATUS, "new", source="rest", order_qty="8"))
    assert (order.state, order.order_qty) == ("open", 8)


def test_terms_come_from_the_snapshot_but_not_from_lagging_rest() -> None:
    """REST may be older than what the stream has shown; the stream's snapshot is not."""
    order = an_open_order()
    assert order.reported(report(ReportType.STATUS, "new", source="rest", order_qty="9")) == []
    order.reported(report(ReportType.STATUS, "new", source="snapshot", order_qty="9"))
    assert order.order_qty == 9


def test_amend_below_filled_ends_filled() -> None:
    """Precedence: what was amended down to its fills is filled, and the cancel frame that follows adds nothing."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    order.ask(amend("3"), 4, "less")
    order.reported(amended("4"))
    assert order.reported(canceled()) == []
    assert standing(order) == ("filled", "4", "0")


def test_price_only_amend_is_ended_by_its_price() -> None:
    """The quantity is the same before and after: the price tells the frames apart."""
    order = an_open_order()
    order.ask(amend("10", limit_price=qty("99")), 4, "lower")
    assert order.reported(amended("10", limit_price=qty("100"))) == []
    order.reported(amended("10", limit_price=qty("99")))
    assert (order.state, order.limit_price) == ("open", 99)


def test_unasked_change_is_taken() -> None:
    """Another channel or the venue changed it: we follow."""
    order = an_open_order()
    order.reported(report(ReportType.RESTATED, "new", order_qty="7", reason="venue"))
    assert (order.state, order.order_qty, order.reason) == ("open", 7, "venue")


def test_unknown_then_evidence() -> None:
    """No answer leaves doubt, and the stream's new frame ends it."""
    order = an_order()
    assert alarms(order.answered(answer(Outcome.UNKNOWN))) == ["ORDER_UNKNOWN"]
    order.reported(acked())
    assert order.states() == ("new", "pending", "unknown", "open")


def test_unknown_then_refused() -> None:
    """A late refusal is proof."""
    order = an_order()
    order.answered(answer(Outcome.UNKNOWN))
    order.answered(refused())
    assert order.state == "rejected"


def test_refused_then_refused_again_is_silent() -> None:
    """A repeated refusal is no contradiction."""
    order = an_order()
    order.answered(refused())
    assert order.answered(refused()) == []


def test_refusal_after_evidence_only_alarms() -> None:
    """The stream has shown it resting; a refusal does not undo that."""
    order = an_order()
    order.reported(acked())
    assert alarms(order.answered(refused())) == ["REFUSED_BUT_LIVE"]
    assert order.state == "open"


def test_trade_of_a_refused_order_counts() -> None:
    """The venue contradicts its own refusal: the fill is the truth and alarms."""
    order = an_order()
    order.answered(refused())
    assert alarms(order.reported(trade("e1", "4"))) == ["REFUSED_BUT_LIVE"]
    assert standing(order) == ("partial", "4", "6")


def test_order_proved_dead_that_shows_itself_is_open_again() -> None:
    """All proofs held and were wrong: what rests must be watched and may be canceled."""
    order = an_order()
    order.answered(answer(Outcome.UNKNOWN))
    order.prove_dead("all proofs", 4)
    order.settle(5)
    assert alarms(order.reported(acked())) == ["REFUSED_BUT_LIVE"]
    assert (order.state, order.bounds()) == ("open", (10, 10))


def test_trade_after_settled_reopens() -> None:
    """The status before the settlement stands again, with the fill in it."""
    order = an_open_order()
    order.reported(canceled())
    order.settle(5)
    order.reported(trade("e1", "4"))
    assert standing(order) == ("canceled", "4", "0")
    assert [event.move for event in order.settle(6)] == ["settle"]


def test_reopened_order_is_replayed() -> None:
    """A reopening has no row of its own; the rows after it say enough."""
    order = Order(new_order(), "entry")
    events = order.dispatched(1) + order.reported(canceled()) + order.settle(2)
    order.reopen()
    events += order.settle(3) + order.reported(trade("e1", "4")) + order.settle(4)
    again = Order(new_order(), "entry")
    for event in events:
        again.apply(event)
    assert again.view() == order.view()


def test_higher_count_after_settled_reopens_until_the_details_come() -> None:
    """REST counts more than we settled with: not settled any more."""
    order = an_open_order()
    order.reported(canceled())
    order.settle(5)
    order.reported(canceled(source="rest", cum_qty="4"))
    assert (order.state, order.agrees) == ("canceled", False)


def test_repeats_leave_a_settled_order_settled() -> None:
    """Only news reopens."""
    order = an_open_order()
    order.reported(trade("e1", "10"))
    order.settle(5)
    for repeat in (trade("e1", "10"), filled(cum_qty="10"), acked()):
        assert order.reported(repeat) == []
    assert order.state == "settled"


def test_only_a_settled_order_is_reopened() -> None:
    """Reopening a living order is our own error."""
    with pytest.raises(OrderInvariantError, match="only a settled order"):
        an_open_order().reopen()


def test_shrinking_count_in_the_last_word_alarms() -> None:
    """Kraken publishes no busts: a terminal frame below our count is all that would show one."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    assert alarms(order.reported(canceled(cum_qty="3"))) == ["CUM_SHRANK"]
    assert order.cum_qty == 4


def test_stop_that_trades_has_fired_without_its_frame() -> None:
    """The triggered frame may be lost; a fill proves it."""
    order = an_open_order(role="stop", order_type="stop-loss")
    order.reported(trade("e1", "1"))
    assert order.triggered


def test_triggered_is_noted_once() -> None:
    """The frame moves no state and is told once."""
    order = an_open_order(role="stop", order_type="stop-loss")
    told = report(ReportType.TRIGGERED, "new", triggered=True)
    assert [event.triggered for event in order.reported(told)] == [True]
    assert order.reported(told) == []


def test_never_sent_is_denied_and_may_be_tried_again() -> None:
    """Connection refused is certain: nothing left."""
    order = an_order()
    order.answered(answer(Outcome.NOT_SENT, code="NOT_CONNECTED"))
    assert (order.state, order.code) == ("denied", "NOT_SENT")
    waiting = Order(new_order(), "entry")
    waiting.answered(answer(Outcome.NOT_SENT))
    assert waiting.state == "denied"


def test_second_unanswered_change_is_illegal() -> None:
    """One unanswered request per order."""
    order = an_open_order()
    order.ask(amend("8"), 4, "less")
    with pytest.raises(OrderInvariantError):
        order.ask(a_cancel(), 5, "go")


def with_request(order: Order, request: Request, *, written: bool) -> Order:
    if written:
        order.ask(request, 4, "")
    else:
        order.outgoing = request
    return order


BOUNDS = {
    "new": (Order(new_order(), "stop"), 0, 10),
    "pending": (an_order(), 0, 10),
    "open": (an_open_order(), 10, 10),
    "amend decided": (with_request(an_open_order(), amend("4"), written=False), 4, 10),
    "amend down": (with_request(an_open_order(), amend("4"), written=True), 4, 10),
    "amend up": (with_request(an_open_order(), amend("14"), written=True), 10, 14),
    "cancel decided": (with_request(an_open_order(), a_cancel(), written=False), 0, 10),
    "cancel": (with_request(an_open_order(), a_cancel(), written=True), 0, 10),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_tell_the_least_and_the_most_that_may_rest(name: str) -> None:
    """The arithmetic of doubt, state by state."""
    order, least, most = BOUNDS[name]
    assert order.bounds() == (least, most)


def test_bounds_of_doubt_and_of_ended_orders() -> None:
    """An unknown order rests perhaps; an ended one certainly not; a fill lowers both."""
    order = an_order()
    order.answered(answer(Outcome.UNKNOWN))
    assert order.bounds() == (0, 10)
    order.reported(trade("e1", "4"))
    assert order.bounds() == (6, 6)
    order.reported(canceled())
    assert order.bounds() == (0, 0)


def test_replay_refuses_a_row_that_cannot_follow() -> None:
    """A journal whose rows do not fit is our own broken bookkeeping."""
    order = Order(new_order(), "entry")
    with pytest.raises(OrderInvariantError, match="starts in open"):
        order.apply(OrderEvent("cancel", "open", "canceled", 1))
    with pytest.raises(OrderInvariantError, match="journal says"):
        order.apply(OrderEvent("dispatch", "new", "open", 1))


# --- the rule: whatever the order of telling, the quantities come out -------------------------------------------------


def replayed(order: Order, events: list[OrderEvent]) -> Order:
    copy = Order(order.spec, order.role)
    for event in events:
        copy.apply(event)
    return copy


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Answer | OrderReport], str, Qty]:
    """What a venue tells of one order of ten, shuffled, with repeats; how it ended, and what it counted."""
    parts = draw(st.lists(st.integers(1, 5), max_size=4).filter(lambda p: sum(p) <= 10))
    total = sum(parts)
    told: list[Answer | OrderReport] = [draw(st.sampled_from([accepted(), answer(Outcome.UNKNOWN)])), acked()]
    running = 0
    for place, part in enumerate(parts):
        running += part
        told.append(trade(f"e{place}", str(part), cum_qty=str(running)))
    if total == 10:
        end, last = "filled", filled(cum_qty="10")
    else:
        end = draw(st.sampled_from(["canceled", "expired"]))
        kind = ReportType.CANCELED if end == "canceled" else ReportType.EXPIRED
        last = report(kind, end, cum_qty=str(total))  # type: ignore[arg-type]  # drawn from the literals
    told += [last, answer(draw(st.sampled_from(list(Outcome))), "cancel")]
    repeats = draw(st.lists(st.sampled_from(told), max_size=4))
    return draw(st.permutations(told + repeats)), end, qty(total)


@given(histories(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_telling_of_a_history_ends_with_the_venues_quantities(
    history: tuple[list[Answer | OrderReport], str, Qty], ask: bool
) -> None:
    """Reordered, repeated and interleaved: nothing raises, nothing shrinks, and a replay gives the same order."""
    told, end, total = history
    order = Order(new_order(), "entry")
    events = order.dispatched(1)
    for word in told:
        before = order.cum_qty
        if ask and order.state in ("open", "partial"):
            events += order.ask(a_cancel(), 2, "wanted")
        events += order.answered(word) if isinstance(word, Answer) else order.reported(word)
        events += order.settle(3)
        assert before <= order.cum_qty <= total
        least, most = order.bounds()
        assert 0 <= least <= most <= order.order_qty
        assert replayed(order, events).view() == order.view()
    assert (order.state, order.cum_qty) == ("settled", total)
    assert order.states()[-2] == end
