"""What an order writes into the journal for each step, and that the rows give the same order again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from engine.errors import OrderInvariantError
from engine.orders.commands import RequestKind, kind_of
from engine.orders.events import Numbers, OrderEvent
from engine.orders.order import Order
from engine.orders.reports import Answer, OrderReport, Outcome, ReportType, VenueStatus
from tests.orders.conftest import (
    CL,
    OID,
    a_cancel,
    acked,
    alarms,
    amend,
    amended,
    an_open_order,
    an_order,
    canceled,
    new_order,
    px,
    qty,
    refused,
    report,
    trade,
)

RESTING: tuple[VenueStatus, ...] = ("pending_new", "new", "partially_filled")


def test_denial_keeps_why_code_and_numbers() -> None:
    """Nothing was sent; what was compared is written down."""
    order = Order(new_order(), "entry")
    order.outgoing = order.spec
    numbers = Numbers(Decimal(1), Decimal(2))
    assert order.deny("too much", "LIMIT", 7, numbers) == [
        OrderEvent("deny", "new", "denied", 7, why="too much", code="LIMIT", numbers=numbers)
    ]
    assert (order.outgoing, order.reason, order.code) == (None, "too much", "LIMIT")
    (plain,) = Order(new_order(), "entry").deny("halted", "HALTED", 8)
    assert (plain.numbers, plain.ts_ns) == (None, 8)


def test_doubt_alarms_and_keeps_its_reason() -> None:
    """Nobody is left who could hear the answer."""
    order = an_order()
    assert order.doubt("we stopped", 7) == [
        OrderEvent("doubt", "pending", "unknown", 7, why="we stopped", alarm="ORDER_UNKNOWN")
    ]
    assert order.in_doubt


def test_operators_word_opens_an_unknown_order_alone() -> None:
    """Of any other state the venue has said more than an operator can."""
    order = an_order()
    assert order.declare_live("seen on the web page", 7) == []
    order.doubt("we stopped", 7)
    assert order.declare_live("seen on the web page", 8) == [
        OrderEvent("accept", "unknown", "open", 8, why="seen on the web page")
    ]
    assert (order.in_doubt, order.declare_live("again", 9)) == (True, [])


def test_order_is_proved_dead_only_while_in_doubt() -> None:
    """What the venue has shown is not dead, whatever the proofs say."""
    order = an_order()
    order.doubt("we stopped", 7)
    assert order.prove_dead("all proofs hold", 8) == [
        OrderEvent("prove_dead", "unknown", "rejected", 8, why="all proofs hold")
    ]
    with pytest.raises(OrderInvariantError, match=f"{CL}: the venue has shown it.*all proofs hold"):
        an_open_order().prove_dead("all proofs hold", 8)


def test_order_live_by_word_alone_can_still_be_proved_dead() -> None:
    """The operator was wrong."""
    order = an_order()
    order.doubt("we stopped", 7)
    order.declare_live("I saw it", 8)
    (event,) = order.prove_dead("all proofs hold", 9)
    assert (event.from_state, event.to_state) == ("open", "rejected")


# --- what snapshot and cancel deny ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [an_open_order, lambda: partly()])
def test_disowned_order_is_sure_of_nothing_and_may_still_be_all(make: Callable[[], Order]) -> None:
    """It rests for all that the venue has told before: no cover, and no room for another exit."""
    order = make()
    leaves = order.leaves_qty
    order.disown()
    assert order.bounds() == (qty(0), leaves)


@pytest.mark.parametrize("make", [an_order, lambda: unknown(), lambda: new(), lambda: by_word()])
def test_order_that_the_venue_has_never_shown_is_not_disowned(make: Callable[[], Order]) -> None:
    """Of that a proof of death tells, also where a person has declared it live."""
    order = make()
    order.disown()
    assert order.prove_ended("nothing of it is left", 8) == []
    assert not order.ended


def test_disowned_order_is_proved_to_have_ended_once() -> None:
    """As canceled, with the words of the proof; of any other, and of one that has ended, it says nothing."""
    order = an_open_order()
    assert order.prove_ended("too early", 7) == []
    order.disown()
    assert order.prove_ended("nothing of it is left", 8) == [
        OrderEvent("cancel", "open", "canceled", 8, why="nothing of it is left")
    ]
    assert order.prove_ended("again", 9) == []


@pytest.mark.parametrize(("at_ns", "move"), [(8, "cancel"), (9, "expire"), (10, "expire")])
def test_disowned_order_whose_time_is_over_has_expired(at_ns: int, move: str) -> None:
    """Squall 700107: it was told as canceled. Before its time is over somebody has canceled it."""
    order = an_open_order(expire_ns=9)
    order.disown()
    (event,) = order.prove_ended("nothing of it is left", at_ns)
    assert event.move == move


@pytest.mark.parametrize(("asked_ns", "move"), [(5, "cancel"), (8, "cancel"), (9, "expire")])
def test_disowned_order_that_we_canceled_before_its_time_was_over_was_canceled(asked_ns: int, move: str) -> None:
    """Lag 700439: the answer was lost, and the proof came after both."""
    order = an_open_order(expire_ns=9)
    order.ask(a_cancel(), asked_ns, "asked by the user")
    order.disown()
    (event,) = order.prove_ended("nothing of it is left", 12)
    assert event.move == move


@pytest.mark.parametrize(
    ("code", "move"), [("RATE_LIMIT", "expire"), ("UNKNOWN_ORDER", "cancel"), ("NOT_APPLIED", "cancel")]
)
def test_cancel_that_was_refused_has_not_ended_an_order_whose_time_is_over(code: str, move: str) -> None:
    """Refused as unknown it was no more, and REST, which showed it, may lag: one of those may have ended it."""
    order = an_open_order(expire_ns=9)
    order.ask(a_cancel(), 5, "asked by the user")
    order.answered(said(Outcome.REFUSED, "cancel", code))
    assert order.state == "open"
    order.disown()
    (event,) = order.prove_ended("nothing of it is left", 12)
    assert event.move == move


@pytest.mark.parametrize(("source", "owned"), [("stream", True), ("snapshot", True), ("rest", False)])
def test_only_the_stream_takes_back_that_an_order_was_disowned(source: str, owned: bool) -> None:
    """REST may lag behind the two that have denied it."""
    order = an_open_order()
    order.disown()
    order.reported(report(ReportType.STATUS, "new", source=source))
    assert (order.bounds()[0] > 0) is owned
    assert bool(order.prove_ended("nothing of it is left", 8)) is not owned


def test_fill_is_no_sign_that_the_rest_of_an_order_stands() -> None:
    """It may be one of before."""
    order = an_open_order()
    order.disown()
    order.reported(trade("T1", "4"))
    assert order.bounds() == (qty(0), qty(6))


# --- what an answer concludes -----------------------------------------------------------------------------------------


def said(
    outcome: Outcome, request: RequestKind = "new", code: str = "CODE", text: str = "words", name: str | None = None
) -> Answer:
    return Answer(request, CL, outcome, 7, name, code, text)


def new() -> Order:
    """Decided, and on its way to the limiter."""
    order = Order(new_order(), "entry")
    order.outgoing = order.spec
    return order


def by_word() -> Order:
    order = unknown()
    order.declare_live("I saw it", 3)
    return order


def partly() -> Order:
    order = an_open_order()
    order.reported(trade("T1", "4"))
    return order


def unknown() -> Order:
    order = an_order()
    order.doubt("we stopped", 2)
    return order


def amending() -> Order:
    order = an_open_order()
    order.ask(amend("12", limit_price=px(99), trigger_price=px(98)), 4, "more")
    return order


def canceling() -> Order:
    order = an_open_order()
    order.ask(a_cancel(), 4, "enough")
    return order


@pytest.mark.parametrize(
    ("make", "answer", "event"),
    [(an_order, said(Outcome.ACCEPTED, name=OID), OrderEvent("accept", "pending", "open", 7, order_id=OID)),
     (unknown, said(Outcome.ACCEPTED), OrderEvent("accept", "unknown", "open", 7)),
     (an_order, said(Outcome.REFUSED),
      OrderEvent("reject", "pending", "rejected", 7, why="CODE: words", code="CODE")),
     (unknown, said(Outcome.REFUSED, text=""),
      OrderEvent("reject", "unknown", "rejected", 7, why="CODE", code="CODE")),
     (an_open_order, said(Outcome.REFUSED, code=""),
      OrderEvent("", "open", "open", 7, why="refused after evidence: words", alarm="REFUSED_BUT_LIVE")),
     (an_order, said(Outcome.NOT_SENT),
      OrderEvent("not_sent", "pending", "denied", 7, why="CODE: words", code="NOT_SENT")),
     (new, said(Outcome.NOT_SENT), OrderEvent("deny", "new", "denied", 7, why="CODE: words", code="NOT_SENT")),
     (an_order, said(Outcome.UNKNOWN),
      OrderEvent("doubt", "pending", "unknown", 7, why="CODE: words", code="CODE", alarm="ORDER_UNKNOWN")),
     (amending, said(Outcome.ACCEPTED, "amend"),
      OrderEvent("amended", "pending_amend", "open", 7, order_qty=qty(12), limit_price=px(99), trigger_price=px(98))),
     (amending, said(Outcome.REFUSED, "amend"),
      OrderEvent("refuse_change", "pending_amend", "open", 7, why="CODE: words", code="CODE")),
     (canceling, said(Outcome.NOT_SENT, "cancel"),
      OrderEvent("refuse_change", "pending_cancel", "open", 7, why="CODE: words", code="NOT_SENT")),
     (an_open_order, said(Outcome.REFUSED, "cancel"), OrderEvent("", "open", "open", 7, why="CODE: words",
                                                                   code="CODE"))],
    ids=["accepted", "unknown accepted", "refused", "unknown refused", "refused and yet it rests", "not sent",
         "never dispatched", "unknown", "amended", "amend refused", "cancel not sent", "cancel fell"],
)  # fmt: skip
def test_answer_is_one_row(make: Callable[[], Order], answer: Answer, event: OrderEvent) -> None:
    """Move, states, time, the venue's words behind our code."""
    order = make()
    assert order.answered(answer) == [event]
    assert (order.state, order.reason, order.code) == (event.to_state, event.why or order.reason, event.code)


@pytest.mark.parametrize(
    ("make", "answer"),
    [(an_open_order, said(Outcome.UNKNOWN)), (an_open_order, said(Outcome.NOT_SENT)),
     (an_open_order, said(Outcome.ACCEPTED, name="O-2")), (amending, said(Outcome.UNKNOWN, "amend")),
     (canceling, said(Outcome.ACCEPTED, "cancel")), (canceling, said(Outcome.ACCEPTED, "amend")),
     (an_open_order, said(Outcome.ACCEPTED, "amend")), (amending, said(Outcome.REFUSED, "cancel")),
     (canceling, said(Outcome.REFUSED, "amend"))],
)  # fmt: skip
def test_answer_that_says_nothing_new_is_no_row(make: Callable[[], Order], answer: Answer) -> None:
    """Evidence came first, or it is about something else that was asked."""
    order = make()
    before = order.view()
    assert order.answered(answer) == []
    assert order.view() == before


def test_request_is_known_by_its_kind() -> None:
    """As it stands in journals and answers."""
    assert [kind_of(request) for request in (new_order(), amend("1"), a_cancel())] == ["new", "amend", "cancel"]


def test_answer_takes_just_its_own_request_off_its_way() -> None:
    """A cancel that waits behind is still to be written."""
    order = an_order()
    order.outgoing = a_cancel()
    order.answered(said(Outcome.ACCEPTED, name=OID))
    assert order.outgoing == a_cancel()
    order.ask(a_cancel(), 4, "enough")
    order.answered(said(Outcome.ACCEPTED, "cancel"))
    assert order.outgoing is None


def test_request_is_a_row_with_its_reason_and_time() -> None:
    """Written before the bytes."""
    for request, move, state in ((amend("12"), "ask_amend", "pending_amend"), (a_cancel(), "ask_cancel",
                                                                               "pending_cancel")):  # fmt: skip
        order = an_open_order()
        assert order.ask(request, 9, "why") == [OrderEvent(move, "open", state, 9, why="why")]
        assert order.pending == request


def test_amend_below_what_has_filled_is_told_as_the_fill() -> None:
    """The venue never sets less."""
    order = amending()
    order.reported(trade("e1", "13"))
    (event,) = order.answered(said(Outcome.ACCEPTED, "amend"))
    assert (event.order_qty, order.state) == (13, "filled")


def test_fresh_order_knows_nothing_yet() -> None:
    """Of an intent there is only what was decided."""
    view = Order(new_order(), "entry").view()
    assert (view.state, view.states, view.order_id, view.reason, view.code) == ("new", ("new",), None, "", "")
    assert (view.changed_ns, view.dispatched_ns, view.triggered, view.cancel_wanted) == (0, 0, False, False)
    assert (view.least, view.most, view.busy, view.done_qty) == (0, 10, True, 0)


# --- what a report concludes ------------------------------------------------------------------------------------------


def stop_order_open() -> Order:
    return an_open_order(role="stop", order_type="stop-loss-limit", trigger_price=px(90))


@pytest.mark.parametrize(
    ("make", "told", "event"),
    [(an_order, report(ReportType.NEW, "new"), OrderEvent("accept", "pending", "open", 3, order_id=OID)),
     (an_open_order, canceled(reason="User requested", cum_qty="4"),
      OrderEvent("", "open", "open", 3, why="venue counts more than we booked", venue_cum=qty(4))),
     (an_open_order, canceled(reason="User requested"),
      OrderEvent("cancel", "open", "canceled", 3, why="User requested")),
     (canceling, canceled(reason="User requested"),
      OrderEvent("cancel", "pending_cancel", "canceled", 3, why="enough (User requested)")),
     (canceling, canceled(), OrderEvent("cancel", "pending_cancel", "canceled", 3, why="enough")),
     (an_open_order, report(ReportType.EXPIRED, "expired", reason="GTD"),
      OrderEvent("expire", "open", "expired", 3, why="GTD")),
     (canceling, report(ReportType.EXPIRED, "expired", reason="GTD"),
      OrderEvent("expire", "pending_cancel", "expired", 3, why="GTD")),
     (an_open_order, report(ReportType.STATUS, "expired", source="rest"),
      OrderEvent("expire", "open", "expired", 3)),
     (stop_order_open, report(ReportType.TRIGGERED, "new", triggered=True),
      OrderEvent("", "open", "open", 3, why="stop triggered", triggered=True)),
     (stop_order_open, report(ReportType.AMENDED, "new", order_qty="8", limit_price=px(87), trigger_price=px(88),
                                reason="by hand"),
      OrderEvent("amended", "open", "open", 3, why="by hand", order_qty=qty(8), limit_price=px(87),
                 trigger_price=px(88))),
     (an_open_order, report(ReportType.RESTATED, "new", order_qty="8", limit_price=px(99), trigger_price=px(88)),
      OrderEvent("amended", "open", "open", 3, order_qty=qty(8), limit_price=px(99))),
     (partial(an_open_order, reduce_only=True, leverage=3), report(ReportType.RESTATED, "new", order_qty="8"),
      OrderEvent("amended", "open", "open", 3, order_qty=qty(8), code="SHRUNK_BY_VENUE")),
     (partial(an_open_order, reduce_only=True, leverage=3), report(ReportType.RESTATED, "new", order_qty="12"),
      OrderEvent("amended", "open", "open", 3, order_qty=qty(12))),
     (partial(an_open_order, reduce_only=True, leverage=3), report(ReportType.AMENDED, "new", order_qty="8"),
      OrderEvent("amended", "open", "open", 3, order_qty=qty(8)))],
)  # fmt: skip
def test_report_is_told_by_its_first_row(make: Callable[[], Order], told: OrderReport, event: OrderEvent) -> None:
    """Move, states, the venue's time and words, and the numbers it changed."""
    order = make()
    assert order.reported(told)[0] == event


@pytest.mark.parametrize(
    "told",
    [report(ReportType.STATUS, "new", source="rest", order_qty="8"), report(ReportType.AMENDED, "new", order_qty="10"),
     report(ReportType.AMENDED, "new", limit_price=px(100)), report(ReportType.AMENDED, "new", trigger_price=px(1)),
     report(ReportType.NEW, "new", order_qty="8"), report(ReportType.STATUS, "new", source="stream", order_qty="8"),
     report(ReportType.STATUS, "new", source="rest", cum_qty="0")],
)  # fmt: skip
def test_report_that_tells_no_other_terms_is_no_row(told: OrderReport) -> None:
    """REST may lag; equal terms are no change; a trigger means nothing to a limit order."""
    assert an_open_order().reported(told) == []


def test_order_that_ended_takes_no_terms() -> None:
    """Nothing of it rests."""
    order = an_open_order()
    order.reported(canceled())
    assert order.reported(amended("8")) == []


def test_last_word_below_what_we_booked_alarms() -> None:
    """A trade was taken back; an equal count is none."""
    for counted, alarm in (("3", "CUM_SHRANK"), ("4", "")):
        order = an_open_order()
        order.reported(trade("e1", "4"))
        (event,) = order.reported(canceled(cum_qty=counted))
        assert (event.move, event.alarm) == ("cancel", alarm)


def test_venues_own_closing_order_alarms_when_it_trades() -> None:
    """A liquidation is told apart from our close."""
    for made_by, alarm in (("cancel_newest", "LIQUIDATED"), ("cancel_oldest", "")):
        order = an_open_order(role="close", stp_type=made_by)
        assert order.reported(trade("e1", "4"))[0].alarm == alarm
    assert an_open_order(role="stop").reported(trade("e1", "4"))[0].alarm == ""


def test_all_that_one_report_says_is_told() -> None:
    """Evidence, fill, count and end: a row each, in this order, and none is lost for the next."""
    fill = trade("e1", "4").fill
    ends = {
        "cancel": report(ReportType.CANCELED, "canceled", fill=fill, cum_qty="6"),
        "expire": report(ReportType.EXPIRED, "expired", fill=fill, cum_qty="6"),
        "fill_out": report(ReportType.STATUS, "filled", fill=fill, cum_qty="6"),
    }
    for end, told in ends.items():
        order = an_order()
        assert [event.move for event in order.reported(told)] == ["accept", "trade", "", end]


def test_name_that_comes_late_is_a_row() -> None:
    """By a report or by the answer: live by an operator's word, it had none."""
    named = OrderEvent("", "open", "open", 3, why="named by the venue", order_id=OID)
    for by_answer in (False, True):
        order = unknown()
        order.declare_live("I saw it", 2)
        told = order.answered(said(Outcome.ACCEPTED, name=OID)) if by_answer else order.reported(acked())
        assert told == [msgspec.structs.replace(named, ts_ns=7 if by_answer else 3)]
        assert (order.order_id, order.in_doubt) == (OID, False)


def test_refused_order_that_rests_is_a_row_of_its_own() -> None:
    """With its name, its time and its alarm."""
    order = an_order()
    order.answered(refused())
    assert order.reported(acked()) == [
        OrderEvent("accept", "rejected", "open", 3, why="the venue shows what was held for refused or dead",
                   order_id=OID, alarm="REFUSED_BUT_LIVE")
    ]  # fmt: skip


def test_settlement_is_a_row_with_its_time() -> None:
    """Once, and only when all agrees."""
    order = an_open_order()
    assert order.settle(8) == []
    order.reported(canceled())
    assert order.settle(9) == [OrderEvent("settle", "canceled", "settled", 9)]
    assert order.settle(10) == []


def test_status_of_a_settled_order_is_the_one_it_ended_with() -> None:
    """In FIX words."""
    order = an_open_order()
    assert order.ord_status == "open"
    order.reported(canceled())
    order.settle(9)
    assert (order.state, order.ord_status) == ("settled", "canceled")


@pytest.mark.parametrize(
    ("first", "then", "move"),
    [(amended("8"), amended("8"), None), (amended("8"), amended("9"), "amended")],
)  # fmt: skip
def test_change_made_elsewhere_is_told_once(first: OrderReport, then: OrderReport, move: str | None) -> None:
    """The same terms again are no news."""
    order = an_open_order()
    order.reported(first)
    assert [event.move for event in order.reported(then)] == ([] if move is None else [move])


def test_frame_of_an_answered_amend_is_taken_once() -> None:
    """Its echo ends there: told again later it is somebody's change back."""
    order = amending()
    order.answered(said(Outcome.ACCEPTED, "amend"))
    assert order.reported(amended("12")) == []
    order.reported(amended("9"))
    assert [event.order_qty for event in order.reported(amended("12"))] == [12]


def test_frame_of_an_amend_that_rest_has_shown_is_no_change_of_somebody_else() -> None:
    """Squall 1200486: it came after the next amend, and the order was held for as large as before that."""
    order = amending()
    order.reported(report(ReportType.STATUS, "new", source="rest", order_qty="12"))
    order.ask(amend("7"), 8, "less")
    order.answered(said(Outcome.ACCEPTED, "amend"))
    assert order.reported(amended("12")) == []
    assert order.order_qty == 7


def test_echo_lost_with_its_stream_is_not_waited_for() -> None:
    """A snapshot starts the stream anew: the frame that comes after it is news."""
    order = amending()
    order.answered(said(Outcome.ACCEPTED, "amend"))
    order.reported(report(ReportType.STATUS, "new", source="snapshot", order_qty="12"))
    order.reported(amended("9"))
    assert [event.order_qty for event in order.reported(amended("12"))] == [12]


@pytest.mark.parametrize(
    ("told", "ends"),
    [({"order_qty": "12"}, True), ({"order_qty": "12", "limit_price": px(99), "trigger_price": px(98)}, True),
     ({"order_qty": "12", "limit_price": px(97)}, False), ({"order_qty": "12", "trigger_price": px(97)}, False),
     ({"order_qty": "11"}, False), ({"limit_price": px(99)}, False)],
)  # fmt: skip
def test_amend_is_ended_by_a_frame_with_its_own_values(told: dict[str, Any], ends: bool) -> None:
    """All that it asked for, as far as it is told; the quantity must be."""
    order = amending()
    order.reported(report(ReportType.AMENDED, "new", **told))
    assert (order.state == "open") == ends


def test_change_that_fell_beside_a_partly_filled_order_is_noted() -> None:
    """As beside one that has not filled."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    assert order.answered(said(Outcome.REFUSED, "cancel")) == [
        OrderEvent("", "partial", "partial", 7, why="CODE: words", code="CODE")
    ]


@pytest.mark.parametrize("end", ["canceled", "expired", "rejected"])
def test_fill_after_the_end_is_called_late(end: str) -> None:
    """Whatever the end was."""
    order = an_order()
    if end == "rejected":
        order.answered(refused())
    else:
        order.reported(report(ReportType(end), end))  # type: ignore[arg-type]  # drawn from the literals
    assert order.reported(trade("e1", "4"))[-1].why == "late fill"
    assert an_open_order().reported(trade("e1", "4"))[-1].why == ""


def test_refused_order_that_the_venue_says_has_ended_has_ended() -> None:
    """It existed all the same: its own word outranks the refusal."""
    for kind, end in ((ReportType.CANCELED, "cancel"), (ReportType.EXPIRED, "expire")):
        order = an_order()
        order.answered(refused())
        told = order.reported(report(kind, "canceled" if end == "cancel" else "expired"))
        assert told[-1].move == end


def test_limit_that_the_order_does_not_have_is_not_taken_over() -> None:
    """A stop that ends at market has none, whatever a frame says."""
    order = an_open_order(role="stop", order_type="stop-loss", limit_price=None, trigger_price=px(90))
    (event,) = order.reported(report(ReportType.AMENDED, "new", order_qty="8", limit_price=px(80)))
    assert (event.order_qty, event.limit_price, order.limit_price) == (8, None, None)


def test_restated_order_of_the_same_quantity_was_not_shrunk() -> None:
    """Only its price was changed."""
    order = an_open_order(reduce_only=True, leverage=3)
    (event,) = order.reported(report(ReportType.RESTATED, "new", order_qty="10", limit_price=px(99)))
    assert (event.move, event.code) == ("amended", "")


def test_each_answered_amend_has_an_echo_of_its_own() -> None:
    """The first one's frame does not use up the second's."""
    order = an_open_order()
    for total in ("12", "14"):
        order.ask(amend(total), 4, "more")
        order.answered(said(Outcome.ACCEPTED, "amend"))
    assert order.reported(amended("12")) == []
    order.reported(amended("9"))
    assert order.reported(amended("14")) == []


def test_fill_leaves_an_unanswered_change_pending() -> None:
    """Amend or cancel: its answer is still to come."""
    asked = amend("12", limit_price=px(99), trigger_price=px(98))
    for order, request in ((canceling(), a_cancel()), (amending(), asked)):
        order.reported(trade("e1", "4"))
        assert order.pending == request


# --- asked late enough ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", RESTING)
def test_amend_that_does_not_show_was_not_applied(status: VenueStatus) -> None:
    """The order stands with its old terms and may be asked again."""
    order = an_open_order()
    order.ask(amend("12"), 4, "more")
    assert order.shown(report(ReportType.STATUS, status, source="rest", order_qty="10", ts_ns=9)) == [
        OrderEvent("refuse_change", "pending_amend", "open", 9, why="the venue shows it unchanged", code="NOT_APPLIED")
    ]
    assert (order.order_qty, order.pending, order.code) == (10, None, "NOT_APPLIED")


@pytest.mark.parametrize("status", RESTING)
def test_cancel_that_does_not_show_was_not_applied(status: VenueStatus) -> None:
    """It rests still: what it has filled meanwhile is booked first."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "enough")
    events = order.shown(report(ReportType.STATUS, status, source="rest", cum_qty="4", ts_ns=9))
    assert [(event.move, event.to_state, event.ts_ns) for event in events] == [
        ("", "pending_cancel", 9),
        ("refuse_change", "partial", 9),
    ]
    assert (events[0].venue_cum, order.done_qty) == (4, 4)


def test_amend_that_shows_was_applied() -> None:
    """Its values end it, and nothing is refused."""
    order = an_open_order()
    order.ask(amend("12"), 4, "more")
    (event,) = order.shown(report(ReportType.STATUS, "new", source="rest", order_qty="12", ts_ns=9))
    assert (event.move, event.order_qty, order.state, order.order_qty) == ("amended", 12, "open", 12)


def test_state_without_a_change_in_flight_says_nothing_new() -> None:
    """An order that only rests has nothing to be refused."""
    order = an_open_order()
    assert order.shown(report(ReportType.STATUS, "new", source="rest", order_qty="10")) == []
    assert order.state == "open"


def test_order_that_ended_meanwhile_is_not_refused_anything() -> None:
    """The change came too late or was the end of it."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "enough")
    (event,) = order.shown(report(ReportType.STATUS, "canceled", source="rest"))
    assert (event.move, order.state) == ("cancel", "canceled")


# --- refused, and yet it lives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", RESTING)
def test_refused_order_that_rests_is_open_and_alarms(status: VenueStatus) -> None:
    """What rests is the truth."""
    order = an_order()
    order.answered(refused())
    (event,) = order.reported(report(ReportType.STATUS, status, source="snapshot"))
    assert (event.move, event.alarm, event.order_id, order.state) == ("accept", "REFUSED_BUT_LIVE", OID, "open")
    assert event.why == "the venue shows what was held for refused or dead"


@pytest.mark.parametrize("status", RESTING)
def test_settled_refusal_that_rests_is_opened_again(status: VenueStatus) -> None:
    """Even after its scope has ended."""
    order = an_order()
    order.answered(refused())
    order.settle(5)
    assert alarms(order.reported(report(ReportType.STATUS, status, source="snapshot"))) == ["REFUSED_BUT_LIVE"]
    assert order.state == "open"


def test_refused_order_that_trades_is_told_by_its_trade() -> None:
    """The fill itself opens it: one alarm, not two."""
    order = an_order()
    order.answered(refused())
    events = order.reported(trade("e1", "4"))
    assert [(event.move, event.alarm) for event in events] == [("", ""), ("trade", "REFUSED_BUT_LIVE")]
    assert (order.order_id, order.state) == (OID, "partial")
