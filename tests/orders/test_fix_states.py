"""FIX Appendix D, groups A to L, as far as one order can tell them: answers and reports in, state and quantities out.

``standing`` is (state, cum_qty, leaves_qty). Pending Cancel and Pending Replace outrank a fill (FIX 5.0 SP2).
"""

from __future__ import annotations

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
