"""Selling out in slices: one slice leaves its stop at a time, and the rest stays protected."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.orders.commands import NewOrder
from engine.orders.events import OrderEvent
from engine.orders.reports import Fill, OrderReport, Outcome, ReportType
from engine.orders.signal import Signal, TakeProfit
from engine.orders.slices import SliceTerms
from engine.orders.specs import close_order, stop_order
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, NS, THROUGH, Desk, covered_desk, touched

WHY = "by command"
FREE = msgspec.structs.replace(BUY, stop_loss=None)


def closing(desk: Desk, amount: str, limit: str | None = None) -> Desk:
    """Close all, in slices of so much."""
    desk.bracket.close(WHY)
    desk.bracket.slice_terms = SliceTerms(qty(amount), None if limit is None else px(limit))
    return desk


def bare_desk(signal: Signal = BUY) -> Desk:
    """Two are held; their stop has gone unasked and its successor x2 waits for its answer no more."""
    desk = covered_desk(signal)
    desk.end("x1")
    desk.refuse("x2", "RATE_LIMIT")
    return desk


def test_slice_leaves_the_stop_before_it_is_sold() -> None:
    """The stop shrinks to the rest, confirmed; then the slice goes; then the next, and the last takes the stop."""
    desk = closing(covered_desk(), "1")
    assert desk.think() == [AmendStop("x1", qty(1))]
    assert desk.accept("x1") == [PlaceClose(qty(1), "sell", WHY)]
    assert desk.after(0.1) == []
    assert desk.fill("x2", "1") == [CancelExit("x1", WHY)]
    assert desk.end("x1") == [PlaceClose(qty(1), "sell", WHY)]
    desk.fill("x3", "1")
    assert desk.bracket.state == "flat"


def test_slice_with_a_bound_is_sold_at_its_limit() -> None:
    """At once at that price or better."""
    desk = closing(covered_desk(), "1", "99")
    desk.think()
    assert desk.accept("x1") == [PlaceClose(qty(1), "sell", WHY, px(99))]
    assert (desk.orders["x2"].spec.limit_price, desk.orders["x2"].spec.time_in_force) == (99, "ioc")


def test_one_slice_at_a_time() -> None:
    """While one trades nothing more leaves the stop."""
    desk = closing(covered_desk(), "0.5")
    desk.think()
    desk.accept("x1")
    desk.accept("x2")
    assert desk.fill("x2", "0.2") == []
    assert desk.bracket.orders["x1"].most == qty("1.5")


def test_rest_below_the_minima_goes_with_the_slice() -> None:
    """No stop could stay for so little."""
    desk = closing(covered_desk(), "1.95")
    assert desk.think() == [CancelExit("x1", WHY)]


def test_free_quantity_is_sold_in_slices_and_the_rest_is_covered() -> None:
    """What has no stop anyway is sold first, up to the slice; what is left of it gets one."""
    desk = closing(bare_desk(), "0.5")
    assert desk.think() == [PlaceClose(qty("0.5"), "sell", WHY), PlaceStop(qty("1.5"))]


def test_free_quantity_through_its_stop_is_only_sold() -> None:
    """A stop placed there would fire at once."""
    desk = bare_desk()
    desk.now += NS
    closing(desk, "0.5")
    assert desk.bracket.think(THROUGH, desk.now)[0].steps == (PlaceClose(qty("0.5"), "sell", WHY),)


def test_free_quantity_without_a_stop_is_only_sold() -> None:
    """Its signal asks for none."""
    desk = Desk(FREE)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.end("entry")
    assert closing(desk, "0.5").think() == [PlaceClose(qty("0.5"), "sell", WHY)]


def test_less_free_than_a_slice_is_sold_as_it_is() -> None:
    """Half is free, one would be a slice: half goes."""
    desk = Desk(msgspec.structs.replace(BUY, order_qty=qty(4)))
    desk.accept("entry")
    desk.fill("entry", "1.5")
    desk.after(0.2)
    desk.accept("x1")
    desk.fill("entry", "0.5")
    desk.end("entry")
    desk.refuse("x2", "RATE_LIMIT")
    desk.refuse("x1", "RATE_LIMIT")  # the amend that was tried instead
    closing(desk, "1")
    assert desk.think() == [PlaceClose(qty("0.5"), "sell", WHY)]


def test_market_that_takes_nothing_now_leaves_all_protected() -> None:
    """A slice of nothing: what was freed before gets its stop back."""
    desk = closing(covered_desk(), "1")
    desk.think()
    desk.accept("x1")
    desk.end("x2")  # sold nothing
    desk.bracket.slice_terms = SliceTerms(qty(0))
    assert desk.after(60) == [AmendStop("x1", qty(2))]


def test_market_that_takes_nothing_and_is_through_the_stop_waits() -> None:
    """A stop placed now would only fire."""
    desk = closing(covered_desk(), "1")
    desk.think()
    desk.accept("x1")
    desk.end("x2")
    desk.bracket.slice_terms = SliceTerms(qty(0))
    desk.market = THROUGH
    assert desk.after(60) == []


def test_stop_whose_amend_must_wait_is_not_canceled_instead() -> None:
    """Refused for now only: the slice waits with it, and another order's wait holds nothing up."""
    desk = closing(covered_desk(), "1")
    desk.think()
    assert desk.refuse("x1", "RATE_LIMIT") == []
    assert desk.after(0.5) == []
    assert desk.after(0.5) == [AmendStop("x1", qty(1))]
    assert desk.refuse("x1", "INVALID_ARGUMENTS") == [CancelExit("x1", "quantity goes elsewhere")]


def test_wait_of_another_command_holds_no_slice_up() -> None:
    """Only the stop's own amend does."""
    desk = covered_desk()
    desk.bracket._steps.asked("old", AmendStop("old", qty(1)))
    desk.bracket._steps.asked("x1", PlaceStop(qty("0.3")))
    for name in ("old", "x1"):
        event = msgspec.structs.replace(_refusal(), ts_ns=desk.now)
        desk.bracket._steps.refused(name, event, desk.now)
    assert closing(desk, "1").think() == [AmendStop("x1", qty(1))]


def _refusal() -> OrderEvent:
    return OrderEvent("refuse_change", "pending_amend", "open", 0, code="RATE_LIMIT")


def test_resting_target_goes_before_any_slice() -> None:
    """What it may sell is not sold twice."""
    desk = Desk(msgspec.structs.replace(BUY, exits="both-rest"))
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    desk.accept("x2")
    assert desk.orders["x2"].role == "target"
    closing(desk, "1")
    assert desk.think() == [CancelExit("x2", WHY)]
    assert desk.after(0.5) == []
    assert desk.end("x2") == [AmendStop("x1", qty(1))]


def two_targets_beside_a_stop(signal: Signal) -> Desk:
    """Two are held; x1 is their stop, and x2 and x3 are targets of one each."""
    first, last = (TakeProfit(px(price), share=Decimal("0.5")) for price in (110, 120))
    desk = Desk(msgspec.structs.replace(signal, exits="both-rest", take_profit=first, more_targets=(last,)))
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(0.2)
    for name in ("x1", "x2", "x3"):
        desk.accept(name)
    return desk


def test_what_a_canceled_target_leaves_bare_does_not_wait_for_the_cancels_of_others() -> None:
    """Squall 1600084: the stop is gone, one target's cancel waits for room; past the bound what is free is sold."""
    desk = closing(two_targets_beside_a_stop(BUY), "2", "99")
    assert desk.end("x1") == [CancelExit("x2", WHY), CancelExit("x3", WHY)]
    assert desk.end("x2") == []
    assert desk.after(1.9) == []
    assert desk.after(0.1) == [PlaceClose(qty(1), "sell", WHY, px(99))]
    assert desk.fill("x4", "1") == []
    assert desk.end("x3") == [PlaceClose(qty(1), "sell", WHY, px(99))]


def test_what_stop_and_targets_may_still_sell_is_not_sold_beside_them() -> None:
    """The stop does not follow what fills: past the bound only what no exit has is sold."""
    desk = two_targets_beside_a_stop(msgspec.structs.replace(BUY, order_qty=qty(4)))
    desk.fill("entry", "2")
    for name in ("x4", "x1"):  # a stop for that, and the first one's amend
        desk.refuse(name, "RATE_LIMIT")
    assert closing(desk, "4").think() == [CancelExit("x2", WHY), CancelExit("x3", WHY)]
    assert desk.end("x2") == []
    assert desk.after(2) == [PlaceClose(qty(1), "sell", WHY)]


def test_stop_shrinks_while_a_target_in_doubt_holds_the_close_up() -> None:
    """Storm 1800107: its shrink was not applied, and the doubt about a target lasted for a minute."""
    desk = two_targets_beside_a_stop(BUY)
    assert desk.fill("x2", "0.5") == [AmendStop("x1", qty("1.5"))]
    assert closing(desk, "1.5").think() == [CancelExit("x2", WHY), CancelExit("x3", WHY)]
    assert desk.refuse("x1", "NOT_APPLIED") == []
    assert desk.after(0.9) == []
    assert desk.after(0.1) == [AmendStop("x1", qty("1.5"))]
    assert desk.accept("x1") == []


def test_close_of_all_takes_a_fired_stops_sibling_too() -> None:
    """One of two stops has fired: the other gives way, its quantity is sold at market."""
    desk = Desk(msgspec.structs.replace(BUY, order_qty=qty(4)))
    desk.accept("entry")
    for stop in ("x1", "x2"):
        desk.fill("entry", "1")
        desk.after(0.2)
        desk.accept(stop)
    desk.end("entry")
    desk.trigger("x1")
    desk.bracket.close(WHY)
    assert CancelExit("x2", WHY) in desk.think()
    desk.end("x2")
    assert desk.after(0.2) == [PlaceClose(qty(1), "sell", WHY)]  # the fired one's cancel is on the wire, too


# --- reasons that steps carry -----------------------------------------------------------------------------------------


def test_taken_bracket_takes_its_orders_back_and_says_so() -> None:
    """Entry and exits, by that reason."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    desk.bracket.let_go()
    assert desk.think() == [CancelEntry("taken over"), CancelExit("x1", "taken over")]


def test_entry_is_taken_back_for_the_exit_that_came_first() -> None:
    """Touched, fired, traded: each by its name."""
    for event, why in (("touch", "target touched"), ("fire", "stop fired"), ("trade", "exit traded")):
        desk = Desk()
        desk.accept("entry")
        desk.fill("entry", "1")
        desk.after(0.2)
        desk.accept("x1")
        if event == "touch":
            steps = desk.sees(touched("5"))
        elif event == "fire":
            steps = desk.trigger("x1")
        else:
            desk.bracket._watchdogs._triggered_ns.clear()
            steps = _sold_in_one_report(desk)
        assert steps[0] == CancelEntry(why)


def _sold_in_one_report(desk: Desk) -> list[object]:
    """The stop's whole fill is the first that is heard of it."""
    order = desk.orders["x1"]
    part = Fill("e9", qty(1), px(90), qty(90), (), "taker", desk.now)
    told = OrderReport(ReportType.TRADE, "stream", "O-x1", "filled", desk.now, cl_ord_id="x1", fill=part)
    desk._learned(order, order.reported(told) + order.settle(desk.now))
    return list(desk.think())


def test_entry_whose_cancel_is_under_way_is_not_asked_again() -> None:
    """By our own memory, its order's, or its state."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    desk.sees(touched("5"))
    assert CancelEntry("target touched") in desk.steps
    desk.bracket._steps.asked_to_cancel.clear()
    assert CancelEntry("target touched") not in desk.think()


def test_swap_beside_quantity_that_exits_may_sell_takes_only_what_is_free() -> None:
    """Its target is for what has surely left the stop."""
    desk = covered_desk()
    assert desk.sees(touched("0.5")) == [AmendStop("x1", qty("1.5"))]
    assert desk.accept("x1") == [PlaceTarget(qty("0.5"))]


def test_surplus_of_a_stop_is_taken_back_beside_a_close_that_may_trade() -> None:
    """An unknown close for one and a stop for two, of two held: the stop keeps one."""
    desk = covered_desk()
    desk.open(close_order(BTC, "c", "sell", qty(1)), "close")
    desk.answer("c", Outcome.UNKNOWN)
    assert desk.steps[-1] == AmendStop("x1", qty(1))


def test_busy_stop_is_waited_for_before_the_next_gives_way() -> None:
    """Its answer changes the sum."""
    desk = covered_desk()
    spec: NewOrder = stop_order(BUY, BTC, "s2", qty(1))
    desk.open(spec, "stop")  # unanswered, and one too many
    assert desk.think() == []
    assert desk.accept("s2") == [CancelExit("s2", "quantity goes elsewhere")]
