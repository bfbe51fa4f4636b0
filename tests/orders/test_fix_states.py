"""FIX Appendix D, groups A to L, as far as one order can tell them: answers and reports in, state and quantities out.

``standing`` is (state, cum_qty, leaves_qty). Pending Cancel and Pending Replace outrank a fill (FIX 5.0 SP2).
"""

from __future__ import annotations

import itertools

import pytest

from engine.errors import OrderInvariantError
from engine.orders.order import Order
from engine.orders.reports import Outcome, ReportType
from tests.orders.conftest import (
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
    px,
    qty,
    refused,
    report,
    standing,
    trade,
)


def test_a1a_filled_in_parts() -> None:
    """Acknowledged, partly filled, filled; the last trade frame may still say partially_filled."""
    order = an_order()
    order.reported(report(ReportType.PENDING_NEW, "pending_new"))
    order.reported(acked())
    assert standing(order) == ("open", "0", "10")
    order.reported(trade("e1", "2"))
    assert standing(order) == ("partial", "2", "8")
    order.reported(trade("e2", "8"))
    order.reported(filled(cum_qty="10"))
    assert standing(order) == ("filled", "10", "0")


def test_a1b_partly_filled_and_expired() -> None:
    """Done for the day, here good till date: expired with a quantity."""
    order = an_open_order()
    order.reported(trade("e1", "2"))
    order.reported(report(ReportType.EXPIRED, "expired", cum_qty="2"))
    assert standing(order) == ("expired", "2", "0")


def test_b1a_cancel_of_an_unfilled_order() -> None:
    """Asked, taken, done."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "")
    order.answered(accepted("cancel"))
    assert order.state == "pending_cancel", "taken is not done"
    order.reported(canceled())
    assert standing(order) == ("canceled", "0", "0")


def test_b1a_cancel_refused() -> None:
    """It rests as before."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "")
    order.answered(refused("cancel"))
    assert standing(order) == ("open", "0", "10")


def test_b1b_fills_before_the_cancel_is_done() -> None:
    """Pending Cancel with a higher cum_qty, then canceled with it."""
    order = an_open_order()
    order.reported(trade("e1", "2"))
    order.ask(a_cancel(), 4, "")
    order.reported(trade("e2", "3"))
    assert standing(order) == ("pending_cancel", "5", "5")
    order.reported(canceled(cum_qty="5"))
    assert standing(order) == ("canceled", "5", "0")


def test_b1c_filled_before_the_cancel_is_accepted() -> None:
    """Pending Cancel until the refusal, then filled; or by the filled frame alone."""
    for last in (lambda o: o.answered(refused("cancel")), lambda o: o.reported(filled())):
        order = an_open_order()
        order.ask(a_cancel(), 4, "")
        order.reported(trade("e1", "10"))
        assert standing(order) == ("pending_cancel", "10", "0")
        last(order)
        assert standing(order) == ("filled", "10", "0")


def test_b1d_cancel_before_the_acknowledgement_waits() -> None:
    """The wish is remembered and may be asked once the order is proved."""
    order = an_order()
    order.cancel_wanted = True
    assert order.view().cancel_wanted
    order.answered(accepted())
    order.ask(a_cancel(), 4, "")
    assert order.state == "pending_cancel"


def test_b1e_acknowledgement_and_cancel_cross() -> None:
    """The new frame that was on its way when the cancel went out changes nothing."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "")
    assert order.reported(acked()) == []
    assert order.state == "pending_cancel"


def test_b1f_unknown_order_says_nothing_about_an_unanswered_add() -> None:
    """A cancel's refusal proves nothing while the add is unanswered."""
    order = an_order()
    order.answered(answer(Outcome.UNKNOWN))
    assert order.answered(refused("cancel", "UNKNOWN_ORDER")) == []
    assert order.state == "unknown"


def test_c1a_amend_up_of_an_unfilled_order() -> None:
    """The new total stands once taken."""
    order = an_open_order()
    order.ask(amend("11"), 4, "")
    assert standing(order) == ("pending_amend", "0", "10")
    order.answered(accepted("amend"))
    assert standing(order) == ("open", "0", "11")


def test_c1b_fill_while_the_amend_is_pending() -> None:
    """It carries the terms before the change: leaves are reckoned from the old total until the answer."""
    order = an_open_order()
    order.reported(trade("e1", "1"))
    order.ask(amend("12"), 4, "")
    order.reported(trade("e2", "1"))
    assert standing(order) == ("pending_amend", "2", "8")
    order.reported(amended("12"))
    assert standing(order) == ("partial", "2", "10")


def test_c1c_amend_of_a_filled_order_is_refused() -> None:
    """Filled before the amend came: the refusal ends Pending Replace."""
    order = an_open_order()
    order.ask(amend("12"), 4, "")
    order.reported(trade("e1", "10"))
    order.answered(refused("amend", "UNKNOWN_ORDER"))
    assert standing(order) == ("filled", "10", "0")


def test_c2a_amend_refused_because_a_fill_came_first() -> None:
    """Back to partial with the old total."""
    order = an_open_order()
    order.ask(amend("5"), 4, "")
    order.reported(trade("e1", "1"))
    order.answered(refused("amend"))
    assert standing(order) == ("partial", "1", "9")


def test_c3a_amend_down_above_the_fill() -> None:
    """It stays open with the smaller rest."""
    order = an_open_order()
    order.ask(amend("5"), 4, "")
    order.reported(trade("e1", "3"))
    order.reported(amended("5"))
    assert standing(order) == ("partial", "3", "2")


def test_c3b_amend_down_to_the_fill_ends_filled() -> None:
    """Filled by precedence, not canceled."""
    order = an_open_order()
    order.ask(amend("5"), 4, "")
    order.reported(trade("e1", "5"))
    order.answered(accepted("amend"))
    order.reported(canceled(cum_qty="5"))
    assert standing(order) == ("filled", "5", "0")


def test_c3c_amend_down_below_the_fill_ends_filled() -> None:
    """The venue sets the total to what has filled; what it says is taken for the end of our amend."""
    for last in (lambda o: o.answered(accepted("amend")), lambda o: o.reported(amended("6"))):
        order = an_open_order()
        order.ask(amend("5"), 4, "")
        order.reported(trade("e1", "6"))
        last(order)
        assert standing(order) == ("filled", "6", "0")


def test_d1_amends_one_after_the_other() -> None:
    """First refused, second taken: the second's total stands."""
    order = an_open_order()
    order.ask(amend("12"), 4, "")
    order.answered(refused("amend"))
    order.ask(amend("13"), 5, "")
    order.answered(accepted("amend"))
    assert standing(order) == ("open", "0", "13")


def test_d2_frames_of_both_amends_after_both_answers() -> None:
    """However late the frames come, the last total stands."""
    order = an_open_order()
    for total in ("12", "13"):
        order.ask(amend(total), 4, "")
        order.answered(accepted("amend"))
    for total in ("12", "13", "13"):
        order.reported(amended(total))
    assert standing(order) == ("open", "0", "13")


def test_e_unsolicited_cancel() -> None:
    """Self-trade prevention, a dead man's switch, a person: canceled without our asking."""
    order = an_open_order()
    order.reported(trade("e1", "2"))
    order.reported(canceled(reason="STP"))
    assert (standing(order), order.reason) == (("canceled", "2", "0"), "STP")


def test_e_unsolicited_change() -> None:
    """Restated by the venue: we follow, also while our cancel is pending."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "")
    order.reported(report(ReportType.RESTATED, "new", order_qty="8"))
    assert standing(order) == ("pending_cancel", "0", "8")


def test_f_order_refused() -> None:
    """Rejected, with nothing live."""
    order = an_order()
    order.answered(refused())
    assert standing(order) == ("rejected", "0", "0")


def test_f_possible_resend_of_a_known_order() -> None:
    """A second refusal for a duplicate id, while the first order lives, only alarms."""
    order = an_open_order()
    assert alarms(order.answered(refused(code="INVALID_ARGUMENTS"))) == ["REFUSED_BUT_LIVE"]
    assert order.state == "open"


def test_g_status_of_an_order_while_pending() -> None:
    """A query's answer is evidence for an unknown order and tells its count."""
    order = an_order()
    order.answered(answer(Outcome.UNKNOWN))
    order.reported(report(ReportType.STATUS, "partially_filled", source="rest", cum_qty="4"))
    assert (order.state, order.cum_qty, order.done_qty, order.leaves_qty) == ("open", 0, 4, 6)


def test_g_lagging_status_moves_nothing_backwards() -> None:
    """REST may be a minute behind the stream."""
    order = an_open_order()
    order.reported(trade("e1", "10"))
    assert order.reported(report(ReportType.STATUS, "partially_filled", source="rest", cum_qty="4")) == []
    assert order.state == "filled"


def test_h_restart_with_partial_fills_counts_nothing_twice() -> None:
    """Replayed, then told all again by the snapshot."""
    order = Order(new_order(), "entry")
    events = order.dispatched(1) + order.answered(accepted()) + order.reported(trade("e1", "4"))
    again = Order(new_order(), "entry")
    for event in events:
        again.apply(event)
    again.reported(report(ReportType.STATUS, "partially_filled", source="snapshot", cum_qty="4", order_qty="10"))
    again.reported(trade("e1", "4"))
    assert standing(again) == ("partial", "4", "6")


def test_i_immediate_or_cancel() -> None:
    """The rest is canceled with what has filled; fill-or-kill with nothing."""
    order = an_open_order(time_in_force="ioc")
    order.reported(trade("e1", "4"))
    order.reported(canceled(cum_qty="4"))
    assert standing(order) == ("canceled", "4", "0")
    killed = an_order(time_in_force="ioc")
    killed.reported(canceled(cum_qty="0"))
    assert standing(killed) == ("canceled", "0", "0")


def test_j1b_fill_after_canceled() -> None:
    """cum_qty moves, the status stays."""
    order = an_open_order()
    order.reported(canceled())
    order.reported(trade("e1", "3", "canceled"))
    assert standing(order) == ("canceled", "3", "0")


def test_k_requests_refused_in_a_halted_market() -> None:
    """Cancel-only refuses the amend; the order rests with its old terms."""
    order = an_open_order()
    order.ask(amend("5"), 4, "")
    order.answered(refused("amend", "CANCEL_ONLY"))
    assert (standing(order), order.code) == (("open", "0", "10"), "CANCEL_ONLY")


def test_l_answer_over_a_broken_session() -> None:
    """No answer, then a snapshot that shows it, then the lost fills and repeats of all."""
    order = an_order()
    order.answered(answer(Outcome.UNKNOWN))
    told = [
        report(ReportType.STATUS, "partially_filled", source="snapshot", cum_qty="5", order_qty="10"),
        trade("e1", "3", source="snapshot"),
        trade("e2", "2", source="snapshot"),
    ]
    for word in told + told:
        order.reported(word)
    assert standing(order) == ("partial", "5", "5")


# --- status precedence (FIX 5.0 SP2): of all that holds at once the highest is reported

PRECEDENCE = {
    "pending_cancel": 12, "pending_amend": 11, "filled": 8, "canceled": 5, "expired": 5, "partial": 4,
    "open": 2, "rejected": 2, "pending": 2, "unknown": 2, "new": 2,
}  # fmt: skip
"""Our states by FIX's rank; Done for Day (10) and Stopped (7) have no counterpart on Kraken, an expiry is a cancel."""


@pytest.mark.parametrize("change", ["", "pending_amend", "pending_cancel"])
@pytest.mark.parametrize("cum", ["0", "3", "10"])
def test_precedence_of_all_that_holds_while_it_rests(change: str, cum: str) -> None:
    """Pending Cancel over Pending Replace over Filled over Partially Filled over New, whatever came first."""
    for fill_first in (True, False):
        order = an_open_order()
        holds = {"open", change or "open", {"0": "open", "3": "partial", "10": "filled"}[cum]}
        steps = [lambda o: o.reported(trade("e1", cum))] if cum != "0" else []
        if change:
            ask = amend("12") if change == "pending_amend" else a_cancel()
            steps.append(lambda o, ask=ask: o.ask(ask, 4, ""))
        if cum == "10" and change and fill_first:
            continue  # a filled order is asked nothing
        for step in steps if fill_first else steps[::-1]:
            step(order)
        assert order.state == max(holds, key=lambda state: PRECEDENCE[state])
        assert order.cum_qty == qty(cum)


def test_precedence_filled_outranks_canceled() -> None:
    """Canceled and complete at once is filled: an amend down to the fill, and a last fill behind a cancel's ask."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "")
    order.reported(trade("e1", "10"))
    order.reported(filled(cum_qty="10"))
    assert standing(order) == ("filled", "10", "0")
    assert order.reported(canceled(cum_qty="10")) == []
    assert order.state == "filled"


def test_precedence_canceled_outranks_partially_filled() -> None:
    """What ended with a part is canceled, however many stale frames still call it partially filled."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    order.reported(canceled(cum_qty="4"))
    for stale in (trade("e1", "4"), acked(), report(ReportType.STATUS, "partially_filled", source="rest")):
        assert order.reported(stale) == []
    assert standing(order) == ("canceled", "4", "0")


def test_b1e_answer_and_refused_cancel_cross() -> None:
    """The cancel overtakes its order and is refused; the order's answer comes after: it rests."""
    order = an_order()
    assert order.answered(refused("cancel", "UNKNOWN_ORDER")) == []
    order.answered(accepted())
    assert standing(order) == ("open", "0", "10")


def test_c2a_amend_of_other_terms_refused_by_a_complete_fill() -> None:
    """A new price, refused because all has filled: filled, under the old price."""
    order = an_open_order()
    order.ask(amend("10", limit_price=px("101")), 4, "")
    order.reported(trade("e1", "10"))
    order.answered(refused("amend", "UNKNOWN_ORDER"))
    assert (standing(order), order.limit_price) == (("filled", "10", "0"), px("100"))


def test_d1_first_amend_refused_after_a_fill_while_pending() -> None:
    """The refusal gives back what stood before it, with the fill of the meantime; the second amend starts there."""
    order = an_open_order()
    order.ask(amend("12"), 4, "")
    order.reported(trade("e1", "2"))
    order.answered(refused("amend"))
    assert standing(order) == ("partial", "2", "8")
    order.ask(amend("14"), 5, "")
    order.answered(accepted("amend"))
    assert standing(order) == ("partial", "2", "12")


def test_d2_second_request_is_not_asked_while_the_first_is_out() -> None:
    """One unanswered request per order: Kraken keeps no order among them, so the machine refuses the second."""
    order = an_open_order()
    order.ask(amend("12"), 4, "")
    for second in (amend("13"), a_cancel()):
        with pytest.raises(OrderInvariantError):
            order.ask(second, 5, "")
    assert (order.state, order.view().busy) == ("pending_amend", True)


def test_d2_chain_with_a_refusal_in_between() -> None:
    """Taken, refused, taken: each starts from what stood, the refused total never counts."""
    order = an_open_order()
    for total, last in (("12", accepted("amend")), ("15", refused("amend")), ("13", accepted("amend"))):
        order.ask(amend(total), 4, "")
        order.answered(last)
    assert standing(order) == ("open", "0", "13")


def test_d2_cancel_after_an_amend_that_was_never_answered() -> None:
    """The amend's end is shown by a query; only then is the cancel asked, and it ends the order."""
    order = an_open_order()
    order.ask(amend("12"), 4, "")
    order.shown(report(ReportType.STATUS, "new", source="rest", order_qty="12"))
    assert standing(order) == ("open", "0", "12")
    order.ask(a_cancel(), 5, "")
    order.reported(canceled())
    assert standing(order) == ("canceled", "0", "0")


def test_f_order_canceled_on_arrival() -> None:
    """Accepted and ended by the engine in one breath, before the answer: canceled with the venue's reason."""
    order = an_order()
    order.reported(canceled(reason="Post only order"))
    order.answered(accepted())
    assert (standing(order), order.reason) == (("canceled", "0", "0"), "Post only order")


def test_f_refused_and_yet_it_lives() -> None:
    """What rests is the truth: a report of a refused order opens it again, with an alarm."""
    order = an_order()
    order.answered(refused())
    assert alarms(order.reported(acked())) == ["REFUSED_BUT_LIVE"]
    assert order.state == "open"


def test_f_refused_and_yet_it_fills() -> None:
    """A fill of a refused order counts, with an alarm."""
    order = an_order()
    order.answered(refused())
    assert alarms(order.reported(trade("e1", "10"))) == ["REFUSED_BUT_LIVE"]
    assert standing(order) == ("filled", "10", "0")


def test_g_status_while_a_cancel_is_pending() -> None:
    """A status that still shows it open ends no Pending Cancel; one asked late enough does."""
    order = an_open_order()
    order.ask(a_cancel(), 4, "")
    open_still = report(ReportType.STATUS, "new", source="rest", order_qty="10")
    assert order.reported(open_still) == []
    assert order.state == "pending_cancel"
    order.shown(open_still)
    assert (order.state, order.code) == ("open", "NOT_APPLIED")


def test_h_expiry_behind_a_restart() -> None:
    """It expired while nobody listened: the status read after the restart ends it with what it had."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    order.reported(report(ReportType.STATUS, "expired", source="rest", cum_qty="4"))
    assert standing(order) == ("expired", "4", "0")


def test_i_fill_or_kill() -> None:
    """Canceled with nothing, before or after its answer."""
    for answer_first in (True, False):
        order = an_order()
        if answer_first:
            order.answered(accepted())
        order.reported(canceled(cum_qty="0", reason="Fill or kill: not filled"))
        if not answer_first:
            order.answered(accepted())
        assert standing(order) == ("canceled", "0", "0")


def test_j1a_trade_taken_back_alarms() -> None:
    """Kraken publishes no busts: a last word that counts less than we booked alarms, and what we booked stays."""
    order = an_open_order()
    order.reported(trade("e1", "4"))
    assert alarms(order.reported(canceled(cum_qty="3"))) == ["CUM_SHRANK"]
    assert standing(order) == ("canceled", "4", "0")


def test_j_fill_beyond_the_order() -> None:
    """More than asked for is booked, alarmed, and leaves nothing to fill."""
    order = an_open_order()
    order.reported(trade("e1", "10"))
    assert alarms(order.reported(trade("e2", "1"))) == ["OVERFILL"]
    assert standing(order) == ("filled", "11", "0")


def test_k_canceled_in_a_halt() -> None:
    """The venue ends it when trading stops: canceled, unsolicited, with its reason."""
    order = an_open_order()
    order.ask(amend("12"), 4, "")
    order.reported(canceled(reason="Market halted"))
    order.answered(refused("amend", "CANCEL_ONLY"))
    assert (standing(order), order.reason) == (("canceled", "0", "0"), "Market halted")


def test_l_order_of_frames_does_not_matter() -> None:
    """Answer, new, trades, filled in any order, doubled: the same end."""
    words = [acked(), trade("e1", "4"), trade("e2", "6"), filled(cum_qty="10")]
    for told in itertools.permutations(words):
        order = an_order()
        for word in told:
            order.reported(word)
            order.reported(word)
        order.answered(accepted())
        order.settle(9)
        assert (order.state, order.cum_qty) == ("settled", qty("10"))
