"""The planner by example: what stands, what is missing."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.bracket_events import MarketFacts
from engine.orders.reports import Fee, Outcome, ReportType
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget
from tests.orders.conftest import qty
from tests.orders.desk import BUY, NS, QUIET, SELL, THROUGH, Desk, covered_desk, touched

SWAP_BOUND_S = 2.0


def test_partial_fill_is_covered_after_the_window() -> None:
    """While the entry works, fills are gathered for the cover window and then stopped together."""
    desk = Desk()
    desk.accept("entry")
    assert desk.fill("entry", "0.5") == []
    assert desk.after(0.1) == []
    assert desk.fill("entry", "0.3") == []
    assert desk.bracket.wake_ns(desk.now) == desk.now + NS // 10
    assert desk.after(0.1) == [PlaceStop(qty("0.8"))]


def test_fills_are_gathered_for_longer_while_the_counter_is_short() -> None:
    """Half of the bound of bareness: a second, not a fifth of one."""
    desk = Desk()
    desk.market = MarketFacts(usable=True, crowded=True)
    desk.accept("entry")
    desk.fill("entry", "0.5")
    assert desk.after(0.9) == []
    assert desk.after(0.1) == [PlaceStop(qty("0.5"))]
    desk.accept("x1")
    desk.fill("entry", "0.5")
    desk.sees(QUIET)
    assert desk.after(0.2) == [PlaceStop(qty("0.5"))]


def test_a_new_window_opens_for_fills_after_a_stop_was_sent() -> None:
    """A stop on its way does not make the next fill hurry."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "0.5")
    desk.after(0.2)
    assert desk.fill("entry", "0.5") == []
    assert desk.after(0.2) == [PlaceStop(qty("0.5"))]


def test_entry_that_is_taken_back_hurries_the_cover_of_what_has_filled() -> None:
    """Squall 1320885: the batch of cancels passed the counter, and the stop that had gathered fills came behind it."""
    desk = Desk()
    desk.market = MarketFacts(usable=True, crowded=True)
    desk.accept("entry")
    desk.fill("entry", "0.5")
    desk.bracket.unwant_entry("a person")
    assert desk.after(0) == [PlaceStop(qty("0.5"))]
    desk.accept("x1")
    desk.fill("entry", "0.5")
    desk.bracket.unwant_entry("a person")
    assert desk.after(0.1) == []


def test_last_fill_is_covered_at_once() -> None:
    """Nothing more can come: there is nothing to gather."""
    desk = Desk()
    desk.accept("entry")
    assert desk.fill("entry", "2") == [PlaceStop(qty(2))]


@pytest.mark.parametrize(("age_s", "step"), [(3.0, PlaceStop(qty(1))), (30.0, AmendStop("x1", qty("2")))])
def test_more_cover_takes_the_cheaper_way(age_s: float, step: PlaceStop | AmendStop) -> None:
    """A young stop is dear to amend, so a further one is placed; an old one is amended."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    desk.after(age_s)
    assert desk.fill("entry", "1") == [step]


def test_refused_further_stop_becomes_an_amend() -> None:
    """What was refused is not repeated; the other way is still open."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    assert desk.fill("entry", "1") == [PlaceStop(qty(1))]
    assert desk.refuse("x2", "SCHEDULED_ORDERS_LIMIT") == [AmendStop("x1", qty(2))]


def test_quantity_on_its_way_by_amend_is_not_placed_again() -> None:
    """A decided amend counts at its most before its order has looked at it."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    stale = desk.orders["x1"].view()
    desk.after(30)
    assert desk.fill("entry", "1") == [AmendStop("x1", qty(2))]
    desk.bracket.learn(msgspec.structs.replace(stale, busy=True), [], desk.now)
    assert desk.think() == []


def test_fees_in_base_shrink_what_is_covered() -> None:
    """The position is what is left after fees, rounded down to lots."""
    desk = Desk()
    desk.accept("entry")
    assert desk.fill("entry", "2", (Fee("BTC", Decimal("0.005")),)) == [PlaceStop(qty("1.99"))]


def test_surplus_shrinks_the_stop() -> None:
    """A late base fee, or an exit by the target, leaves more stop than coins."""
    desk = covered_desk()
    desk.sees(touched("0.5"))
    desk.accept("x1")
    desk.market = QUIET
    desk.fill("x2", "0.5")
    assert desk.bracket.state == "covered"
    assert desk.orders["x1"].order_qty == desk.position == qty("1.5")


def test_stop_filled_ends_flat() -> None:
    """All of it sold by the stop: nothing is left to do."""
    desk = covered_desk()
    desk.trigger("x1")
    assert desk.bracket.state == "exiting"
    desk.fill("x1", "2")
    assert desk.bracket.state == "flat"


def test_entry_still_working_is_canceled_when_the_stop_sells_all_it_had() -> None:
    """The stop's slice filled in one report: the entry's remainder must not buy on."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    assert [type(step) for step in desk.fill("x1", "1")] == [CancelEntry]
    desk.end("entry")
    assert desk.bracket.state == "flat"


def test_fired_stop_cancels_the_entry_and_later_fills_are_closed_at_market() -> None:
    """No new stop beyond a fired one: its trigger is passed."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    assert [type(step) for step in desk.trigger("x1")] == [CancelEntry]
    assert [type(step) for step in desk.fill("entry", "0.5")] == [PlaceClose]
    desk.end("entry")
    desk.fill("x1", "1")
    desk.fill("x2", "0.5")
    assert desk.bracket.state == "flat"


def test_stop_that_ended_with_quantity_left_is_closed_at_market() -> None:
    """A triggered stop whose rest was canceled is not put back."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.fill("x1", "0.5")
    (step,) = desk.end("x1", "no liquidity")
    assert step == PlaceClose(qty("1.5"), "sell", "stop ended with quantity left")


def test_stop_refused_because_it_would_fire_is_closed_at_market() -> None:
    """The venue says its trigger is passed: market."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    (step,) = desk.end("x1", "Order would trigger immediately")
    assert isinstance(step, PlaceClose)
    assert desk.bracket.vanished == 0


def test_trigger_already_passed_closes_instead_of_covering() -> None:
    """The fresh book is through the stop before the stop is placed."""
    desk = Desk()
    desk.market = THROUGH
    desk.accept("entry")
    (step,) = desk.fill("entry", "2")
    assert step == PlaceClose(qty(2), "sell", "price is through the stop")


def test_close_into_an_empty_book_waits_before_the_next() -> None:
    """A market order that found nobody is planned anew after a pause, until flat."""
    desk = Desk()
    desk.market = THROUGH
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    assert desk.end("x1") == []
    assert desk.bracket.wake_ns(desk.now) == desk.now + NS
    (step,) = desk.after(1)
    assert isinstance(step, PlaceClose)
    desk.fill("x2", "2")
    assert desk.bracket.state == "flat"


def test_touch_below_the_minimum_is_no_touch() -> None:
    """The target swaps in only for what can be ordered."""
    desk = covered_desk()
    assert desk.sees(touched("0.09")) == []
    assert desk.sees(touched("0.1")) == [AmendStop("x1", qty("1.9"))]


def test_target_is_sent_only_when_its_quantity_has_left_the_stop() -> None:
    """Shrink, confirmed, then the target; the rest keeps its stop."""
    desk = covered_desk()
    assert desk.sees(touched("0.5")) == [AmendStop("x1", qty("1.5"))]
    assert desk.after(0.1) == []
    assert desk.accept("x1") == [PlaceTarget(qty("0.5"))]


def test_touch_of_all_cancels_the_stop() -> None:
    """No quantity stays: the stop goes, then the target is sent, and flat."""
    desk = covered_desk()
    assert desk.sees(touched("5")) == [CancelExit("x1", "quantity goes elsewhere")]
    assert desk.accept("x1") == []
    assert desk.end("x1") == [PlaceTarget(qty(2))]
    assert desk.bracket.vanished == 0
    desk.fill("x2", "2")
    assert desk.bracket.state == "flat"


def test_what_the_target_left_over_gets_its_stop_back_in_the_same_plan() -> None:
    """The immediate order half filled: the rest is covered in one step."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.fill("x2", "1")
    desk.market = QUIET
    assert desk.end("x2") == [PlaceStop(qty(1))]


def test_stop_comes_back_at_once_though_the_entry_is_not_gone_yet() -> None:
    """The cover window is for fills, not for what a swap left over."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    assert [type(step) for step in desk.sees(touched("2"))] == [CancelEntry, CancelExit]
    desk.end("x1")
    desk.market = QUIET
    assert desk.refuse("x2") == [PlaceStop(qty(1))]


def test_price_that_turns_before_the_target_ends_the_swap() -> None:
    """The shrunk stop is brought back once its amend has been answered."""
    desk = covered_desk()
    desk.sees(touched("0.5"))
    desk.sees(QUIET)
    assert desk.bracket.swap is None
    assert desk.accept("x1") == [PlaceStop(qty("0.5"))]


def test_swap_that_is_not_settled_in_its_bound_ends() -> None:
    """The stop's cancel stays unanswered: no target, and a wake-up at the bound."""
    desk = covered_desk()
    desk.sees(touched("2"))
    assert desk.bracket.wake_ns(desk.now) == desk.now + 2 * NS
    desk.after(SWAP_BOUND_S)
    assert desk.bracket.swap is None
    desk.market = QUIET
    assert desk.end("x1") == [PlaceStop(qty(2))]


def test_overdue_unknown_target_does_not_hold_the_stop_back() -> None:
    """It cannot rest any more; the stop goes back first, the rest is investigated, and no second target is sent."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.after(1.5)
    desk.end("x1")
    desk.answer("x2", Outcome.UNKNOWN)
    assert desk.after(0.5) == []
    assert desk.bracket.wake_ns(desk.now) == desk.now + 3 * NS // 2
    assert desk.after(1.5) == [PlaceStop(qty(2))]
    desk.accept("x3")
    assert desk.after(60) == [], "the touch lasts, yet the first target has not answered"


def test_excess_of_an_overdue_target_is_flattened() -> None:
    """The investigated target had traded after all and the stop fired: what was sold twice is bought back."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.answer("x2", Outcome.UNKNOWN)
    desk.after(SWAP_BOUND_S)
    desk.accept("x3")
    desk.fill("x3", "2")
    assert desk.bracket.state == "exiting", "the target has not answered: nobody knows yet whether this is flat"
    (step,) = desk.fill("x2", "2")
    assert step == PlaceClose(qty(2), "buy", "excess of exits")
    desk.fill("x4", "2")
    assert desk.bracket.state == "flat"


def test_one_exit_filled_takes_its_sibling_back() -> None:
    """OCO: the target sold all, so the stop that came back in doubt goes."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.answer("x2", Outcome.UNKNOWN)
    desk.after(SWAP_BOUND_S)
    desk.accept("x3")
    assert [type(step) for step in desk.fill("x2", "2")] == [CancelExit]
    desk.end("x3")
    assert desk.bracket.state == "flat"


def test_swap_that_traded_nothing_is_paused_ever_longer() -> None:
    """A target refused or left unfilled does not swap again at once."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.end("x2")
    desk.accept("x3")
    assert desk.after(4.9) == []
    assert [type(step) for step in desk.after(0.2)] == [CancelExit]


def test_sell_side_mirrors() -> None:
    """A short bracket buys its exits; fees in base add to what must come back."""
    desk = Desk(SELL)
    desk.accept("entry")
    assert desk.fill("entry", "2", (Fee("BTC", Decimal("0.01")),)) == [PlaceStop(qty("2.01"))]
    stop = desk.orders["x1"].spec
    assert (stop.side, stop.order_type, stop.trigger_price) == ("buy", "stop-loss", 110)
    desk.accept("x1")
    desk.sees(touched("5"))
    desk.end("x1")
    assert (desk.orders["x2"].spec.side, desk.orders["x2"].spec.limit_price) == ("buy", 90)
    desk.fill("x2", "2.01")
    assert desk.bracket.state == "flat"


def test_without_a_stop_only_the_target_is_planned() -> None:
    """The signal asked for none: held quantity counts as covered."""
    desk = Desk(msgspec.structs.replace(BUY, stop_loss=None))
    desk.accept("entry")
    assert desk.fill("entry", "2") == []
    assert desk.bracket.state == "covered"
    assert desk.sees(touched("2")) == [PlaceTarget(qty(2))]
    desk.fill("x1", "2")
    assert desk.bracket.state == "flat"


def test_without_stop_and_target_a_person_holds_the_coins() -> None:
    """Nothing to do for what has filled."""
    desk = Desk(msgspec.structs.replace(BUY, stop_loss=None, take_profit=None))
    desk.accept("entry")
    desk.fill("entry", "2")
    assert desk.bracket.state == "taken_over"


def test_dust_ends_flat() -> None:
    """A fill below the minima cannot be ordered by anyone."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "0.05")
    desk.end("entry")
    assert (desk.bracket.state, desk.steps) == ("flat", [])


def test_entry_without_a_fill_is_abandoned() -> None:
    """Refused or canceled untouched."""
    desk = Desk()
    desk.refuse("entry")
    assert desk.bracket.state == "abandoned"


def test_several_stops_give_way_smallest_first() -> None:
    """To free 0.9, the stop of 0.5 goes and the larger one shrinks."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1.5")
    desk.after(0.2)
    desk.accept("x1")
    desk.fill("entry", "0.5")
    desk.accept("x2")
    desk.after(60)
    assert desk.sees(touched("0.9")) == [CancelExit("x2", "quantity goes elsewhere"), AmendStop("x1", qty("1.1"))]


def test_canceled_entry_report_of_a_bracket_without_fill_needs_no_plan() -> None:
    """Expired at the venue: abandoned like canceled."""
    desk = Desk()
    desk.accept("entry")
    desk.tell("entry", ReportType.EXPIRED, "expired")
    assert desk.bracket.state == "abandoned"


def test_fired_stop_is_awaited_and_the_resting_one_shrinks() -> None:
    """A late fee leaves less than both stops would sell: what has fired cannot be called back."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1.5")
    desk.after(0.2)
    desk.accept("x1")
    desk.fill("entry", "0.4")
    desk.after(0.2)
    desk.accept("x2")
    desk.trigger("x2")
    assert desk.fill("entry", "0.1", (Fee("BTC", Decimal("0.5")),)) == [AmendStop("x1", qty("1.1"))]
