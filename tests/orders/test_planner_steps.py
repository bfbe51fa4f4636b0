"""Small rules of the planner, each seen in the step it takes or leaves out."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.bracket_events import MarketFacts
from engine.orders.commands import AmendOrder, CancelOrder, kind_of
from engine.orders.reports import Answer, Fee, OrderReport, Outcome, ReportType
from engine.orders.signal import Signal, StopLoss, TakeProfit
from engine.orders.specs import close_order, stop_order
from engine.orders.standing import reference_price
from engine.orders.steps import (
    AmendStop,
    CancelEntry,
    CancelExit,
    PlaceClose,
    PlaceStop,
    PlaceTarget,
    Step,
    WithdrawChange,
)
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, NS, QUIET, SELL, THROUGH, Desk, covered_desk, touched

BIG = msgspec.structs.replace(BUY, order_qty=qty(8))
BOTH = msgspec.structs.replace(BIG, exits="both-rest")
SHARED = msgspec.structs.replace(
    BOTH,
    take_profit=TakeProfit(px(110), share=Decimal("0.5")),
    more_targets=(TakeProfit(px(120), "take-profit", share=Decimal("0.5")),),
)


def beside(signal: Signal = BOTH, amount: str = "2") -> Desk:
    """The entry works on; what has filled has its stop x1 and its targets beside it."""
    desk = Desk(signal)
    desk.accept("entry")
    desk.fill("entry", amount)
    desk.after(0.2)
    desk.accept("x1")
    for name in list(desk.orders)[2:]:
        desk.accept(name)
    desk.now += 60 * NS
    desk.steps.clear()
    return desk


def stops(desk: Desk, count: int, amount: str = "1") -> Desk:
    """Fill so much after so much, each with a stop of its own that rests."""
    for number in range(1, count + 1):
        desk.fill("entry", amount)
        desk.after(0.2)
        desk.accept(f"x{number}")
    return desk


def entered(signal: Signal = BIG) -> Desk:
    desk = Desk(signal)
    desk.accept("entry")
    return desk


# --- the price of minima ----------------------------------------------------------------------------------------------


def test_minima_are_judged_where_quantity_is_worth_least() -> None:
    """The stop's limit, its trigger, the entry's prices, what was paid; one where nothing is known."""
    plain = msgspec.structs.replace(BUY, stop_loss=None)
    bare = msgspec.structs.replace(plain, limit_price=None)
    filled = entered()
    filled.fill("entry", "1")
    views = (Desk().orders["entry"].view(), filled.orders["entry"].view())
    assert reference_price(msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), px(88))), views) == 88
    assert reference_price(BUY, views) == 90
    assert reference_price(plain, views) == 100
    assert reference_price(msgspec.structs.replace(bare, trigger_price=px(105)), views) == 105
    assert reference_price(bare, views) == 100
    assert reference_price(bare, views[:1]) == 1


# --- cover ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "step"),
    [(4.9, PlaceStop(qty(1))), (5, AmendStop("x1", qty(3))), (9.9, AmendStop("x1", qty(3))),
     (15, AmendStop("x1", qty(3)))],
)  # fmt: skip
def test_amend_is_taken_where_it_costs_no_more_than_a_further_stop(age_s: float, step: PlaceStop | AmendStop) -> None:
    """Three points against three: from five seconds on the stop itself grows."""
    desk = entered()
    desk.fill("entry", "2")
    desk.after(0.2)
    desk.accept("x1")
    desk.now += round(age_s * NS)
    desk.fill("entry", "1")
    desk.bracket._cover._missing_since = 0  # its window is over
    assert desk.think() == [step]


def test_oldest_stop_grows() -> None:
    """Of several the one whose amend is cheapest."""
    desk = stops(entered(), 1)
    desk.now += 4 * NS
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x2")
    desk.now += 8 * NS
    desk.fill("entry", "1")
    assert desk.after(0.2) == [AmendStop("x1", qty(2))]


def test_bracket_has_at_most_four_stops() -> None:
    """Each takes a slot: the fifth quantity goes to one that rests, whatever it costs."""
    desk = stops(entered(), 4)
    assert [type(step) for step in desk.steps] == [PlaceStop] * 4
    desk.fill("entry", "1")
    assert isinstance(desk.after(0.2)[0], AmendStop)


def test_dust_beside_a_busy_stop_is_no_stop_of_its_own() -> None:
    """It cannot be ordered: nothing is sent for it."""
    desk = entered()
    desk.fill("entry", "2")
    desk.after(0.2)
    desk.fill("entry", "0.05")
    assert desk.after(1) == []


CHILDREN = msgspec.structs.replace(BIG, exits="conditional-close")


def children(*amounts: str, fee: str) -> Desk:
    """Each fill has a stop of the venue's making; the first paid a fee in base, for which its stop is too large."""
    desk = entered(CHILDREN)
    for number, amount in enumerate(amounts, 1):
        desk.fill("entry", amount, (Fee("BTC", Decimal(fee)),) if number == 1 else ())
        desk.open(stop_order(CHILDREN, BTC, f"s{number}", qty(amount)), "stop")
        desk.accept(f"s{number}")
    return desk


def test_base_fee_is_taken_from_a_stop_that_can_stay() -> None:
    """The least stop cannot be cut: canceled for the sake of a fee it would leave bare what the fee left over."""
    desk = children("1", "0.1", fee="0.05")
    assert desk.after(0.2) == [AmendStop("s1", qty("0.95"))]


def test_base_fees_of_fills_that_trickle_in_are_gathered() -> None:
    """Mixed 1800757: sixteen had an amend each, four points a time, and the counter was full. What is no dust goes."""
    desk = children("1", "0.5", fee="0.05")
    assert desk.steps == []
    desk.market = MarketFacts(usable=True, crowded=True)
    assert desk.after(0.9) == []
    assert desk.after(0.1) == [AmendStop("s2", qty("0.45"))]
    assert children("1", fee="0.1").steps == [AmendStop("s1", qty("0.9"))]
    over = children("1", fee="0.05")
    assert over.end("entry") == [AmendStop("s1", qty("0.95"))]


def test_what_stops_leave_that_are_canceled_together_is_sold_together() -> None:
    """Mixed 1900081: twenty stops of a conditional close were left behind, and a close for each filled the counter."""
    desk = children("1", "0.5", "0.5", fee="0")
    desk.bracket.prove_childless(qty(2))
    desk.bracket.close("by command")
    assert sum(isinstance(step, CancelExit) for step in desk.think()) == 3
    assert desk.end("s1") == []
    assert desk.after(0.1) == []
    assert desk.end("s2") == []
    assert desk.after(0.1) == [PlaceClose(qty("1.5"), "sell", "by command")]
    desk.fill(next(name for name, order in desk.orders.items() if order.role == "close"), "1.5")
    assert desk.end("s3") == [PlaceClose(qty("0.5"), "sell", "by command")]


def test_shrink_under_way_is_waited_for_before_a_lesser_stop_gives_way() -> None:
    """Fill upon fill has its fee: the stop that pays for all of them is asked once more, none is canceled."""
    desk = children("1", "0.1", fee="0.05")
    desk.steps.clear()
    desk.fill("entry", "0.1", (Fee("BTC", Decimal("0.02")),))
    desk.open(stop_order(CHILDREN, BTC, "s3", qty("0.1")), "stop")
    desk.accept("s3")
    assert not [step for step in desk.steps if isinstance(step, CancelExit)]


def test_stop_below_the_minimum_stays_where_it_is_when_the_others_move() -> None:
    """The venue makes one of a small fill, and nobody may amend it: to ask would be denied, again and again."""
    desk = children("1", "0.05", fee="0")
    desk.steps.clear()
    desk.bracket.move_exits(px(92), None)
    assert desk.think() == [AmendStop("s1", qty(1), px(92))]


def test_stops_move_behind_the_cover_that_a_given_up_swap_still_owes() -> None:
    """Squall 1340656: two dozen moves took every point, and what two canceled stops had covered stood bare."""
    desk = stops(entered(), 4)
    desk.now += 60 * NS
    assert CancelExit("x1", "quantity goes elsewhere") in desk.sees(touched("1"))
    desk.bracket.move_exits(px(92), None)
    assert desk.sees(QUIET) == []
    assert desk.end("x1", "User requested") == []
    moves = [AmendStop(name, qty(1), px(92)) for name in ("x3", "x4")]
    assert desk.after(0.2) == [AmendStop("x2", qty(2), px(92)), *moves]


def test_price_through_a_stop_that_rests_is_its_own_business() -> None:
    """It fires by itself: nothing is closed beside it."""
    desk = covered_desk()
    assert desk.sees(THROUGH) == []
    assert (desk.bracket.closing, desk.bracket.state) == ("", "covered")


def test_close_for_the_price_lasts_while_the_price_is_through() -> None:
    """A stop that turns out to rest ends it only when the price has come back."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.answer("x1", Outcome.UNKNOWN)
    desk.bracket.closing = "price is through the stop"
    desk.market = THROUGH
    desk.accept("x1")
    assert desk.bracket.closing == "price is through the stop"
    desk.sees(QUIET)
    assert desk.bracket.closing == ""


def test_dust_beyond_a_stop_whose_price_is_passed_goes_to_it() -> None:
    """Squall 1340057: it cannot be sold by itself, and to close for it kept the stop that rests from growing."""
    desk = stops(entered(), 1)
    desk.now += 60 * NS
    desk.market = THROUGH
    desk.fill("entry", "0.05")
    assert desk.after(0.2) == [AmendStop("x1", qty("1.05"))]
    desk.accept("x1")
    assert (desk.bracket.closing, desk.bracket.state, desk.bracket.uncovered) == ("", "covered", 0)


def test_dust_that_a_close_for_the_price_leaves_goes_to_the_stop_that_rests() -> None:
    """Nothing else would take it, and the close could not end while it stands bare."""
    desk = stops(entered(), 1)
    desk.now += 60 * NS
    desk.market = THROUGH
    desk.fill("entry", "0.5")
    assert desk.after(0.2)[-1] == PlaceClose(qty("0.5"), "sell", "price is through the stop")
    desk.accept("x2")
    desk.fill("x2", "0.45")
    assert desk.end("x2") == [AmendStop("x1", qty("1.05"))]
    desk.accept("x1")
    assert desk.bracket.uncovered == 0
    desk.sees(QUIET)
    assert (desk.bracket.closing, desk.bracket.state) == ("", "covered")


# --- after a stop has fired -------------------------------------------------------------------------------------------


def test_stop_that_sold_all_it_had_leaves_its_sibling_in_place() -> None:
    """One of two has fired and is done: the other protects the rest as before."""
    desk = stops(entered(), 2)
    desk.end("entry")
    desk.trigger("x1")
    desk.fill("x1", "1")
    assert (desk.bracket.closing, desk.bracket.state) == ("", "covered")


def test_base_fee_of_a_fired_stop_is_taken_over_by_its_sibling() -> None:
    """It cannot be ordered by itself: to close it would send nothing, and keep the stop that rests from growing."""
    desk = stops(entered(msgspec.structs.replace(SELL, order_qty=qty(8))), 2)
    desk.end("entry")
    desk.trigger("x1")
    assert desk.fill("x1", "1", (Fee("BTC", Decimal("0.02")),)) == [AmendStop("x2", qty("1.02"))]
    desk.accept("x2")
    assert (desk.bracket.closing, desk.bracket.state, desk.bracket.uncovered) == ("", "covered", 0)


def test_fill_after_a_fired_stop_is_sold_and_says_why() -> None:
    """No further stop is placed at a price that is passed."""
    desk = stops(entered(), 1)
    desk.trigger("x1")
    assert desk.fill("entry", "0.5") == [PlaceClose(qty("0.5"), "sell", "quantity beyond the fired stop")]


def test_resting_targets_quantity_is_not_sold_twice_after_the_stop_fired() -> None:
    """What a target may still sell is left to it until it is gone."""
    desk = beside()
    desk.trigger("x1")
    assert desk.fill("entry", "0.5") == []
    assert CancelExit("x2", "stop fired") in desk.steps
    assert desk.end("x2") == [PlaceClose(qty("0.5"), "sell", "quantity beyond the fired stop")]


# --- swaps ------------------------------------------------------------------------------------------------------------


def test_touch_that_would_leave_less_than_a_stop_takes_all() -> None:
    """No stop could stay for the rest."""
    desk = covered_desk()
    assert desk.sees(touched("1.95")) == [CancelExit("x1", "quantity goes elsewhere")]
    assert desk.end("x1") == [PlaceTarget(qty(2))]


def test_second_target_that_was_refused_for_good_is_not_swapped_again() -> None:
    """The place is part of its name: the stop comes back and stays."""
    desk = covered_desk(msgspec.structs.replace(SHARED, exits="stop-rests", order_qty=qty(2)))
    desk.sees(touched("1"))
    assert desk.accept("x1") == [PlaceTarget(qty(1), 0)]
    desk.fill("x2", "1")
    assert desk.after(0.2) == [CancelExit("x1", "quantity goes elsewhere")]
    assert desk.end("x1") == [PlaceTarget(qty(1), 1)]
    assert desk.refuse("x3", "INVALID_PRICE") == [PlaceStop(qty(1))]
    desk.accept("x4")
    assert desk.after(60) == []


class FullCounter(Desk):
    """Changes of what rests wait for room; one that is withdrawn was not sent."""

    def _ask(self, request: AmendOrder | CancelOrder, step: Step) -> None:
        order = self.orders[request.cl_ord_id]
        order.outgoing = request
        self.bracket.commanded(request.cl_ord_id, step)
        self._learned(order, [])

    def _do(self, step: Step) -> None:
        super()._do(step)
        if isinstance(step, WithdrawChange):
            order = self.orders[step.cl_ord_id]
            self.bracket.commanded(step.cl_ord_id, step)
            assert order.outgoing is not None
            unsent = Answer(kind_of(order.outgoing), order.cl_ord_id, Outcome.NOT_SENT, self.now, code="WITHDRAWN")
            self._learned(order, order.answered(unsent))


def waiting(desk: Desk) -> Desk:
    """Two are held and covered."""
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    desk.steps.clear()
    return desk


@pytest.mark.parametrize(("amount", "change"), [("2", CancelExit), ("1", AmendStop)])
def test_change_of_a_stop_that_still_waits_is_withdrawn_with_its_swap(amount: str, change: type[Step]) -> None:
    """Calm 400017: it would have gone when the swap was over, and left its quantity bare."""
    desk = waiting(FullCounter())
    (asked,) = desk.sees(touched(amount))
    assert isinstance(asked, change)
    assert desk.after(1.9) == []
    assert desk.after(0.1) == [WithdrawChange("x1")]
    assert (desk.bracket.state, desk.bracket.uncovered, desk.bracket.orders["x1"].busy) == ("covered", 0, False)
    assert desk.after(60) == [asked]
    assert desk.sees(QUIET) == [WithdrawChange("x1")]


@pytest.mark.parametrize(("counter", "sold"), [(FullCounter, [PlaceTarget(qty(1))]), (Desk, [])])
def test_swap_sells_what_one_stop_has_left_while_the_other_waits_for_room(
    counter: type[Desk], sold: list[Step]
) -> None:
    """Squall 2000624: it stood bare until both had gone. A cancel that is on the wire is waited for."""
    desk = counter()
    desk.accept("entry")
    stops(desk, 2)
    assert [step.cl_ord_id for step in desk.sees(touched("2")) if isinstance(step, CancelExit)] == ["x1", "x2"]
    assert desk.end("x1") == sold


def test_stop_whose_cancel_waits_for_room_leaves_nothing_bare_until_it_goes() -> None:
    """Its close waits with it: the bound of bareness begins when the cancel is let go."""
    desk = waiting(FullCounter())
    desk.bracket.close("asked by the user")
    assert desk.think() == [CancelExit("x1", "asked by the user")]
    desk.after(10)
    assert (desk.bracket.state, desk.bracket.uncovered) == ("exiting", 0)
    order = desk.orders["x1"]
    order.ask(CancelOrder("x1", "O-x1", "BTC/USD"), desk.now, "asked by the user")
    desk.bracket.learn(order.view(), [], desk.now)
    desk.think()
    desk.after(2)
    assert (desk.bracket.state, desk.bracket.uncovered) == ("naked", 2)


def shrinking(desk: Desk) -> Desk:
    """Stop and target rest for two; the target has traded a half, and the stop's shrink waits for room."""
    assert waiting(desk).bracket.orders["x2"].role == "target"
    desk.accept("x2")
    assert desk.fill("x2", "0.5") == [AmendStop("x1", qty("1.5"))]
    return desk


BOTH = msgspec.structs.replace(BUY, exits="both-rest")


def test_shrink_that_still_waits_goes_for_what_is_held_by_then() -> None:
    """Mixed 40173: it would have gone for what was held when it was decided."""
    desk = shrinking(FullCounter(BOTH))
    assert desk.fill("x2", "0.5") == [AmendStop("x1", qty(1))]
    assert desk.after(60) == []
    assert (desk.bracket.orders["x1"].least, desk.bracket.orders["x1"].most) == (1, 2)


def test_shrink_that_still_waits_is_withdrawn_where_the_stop_is_to_go() -> None:
    """By then nothing is left to protect."""
    desk = shrinking(FullCounter(BOTH))
    assert desk.fill("x2", "1.5")[-2:] == [WithdrawChange("x1"), CancelExit("x1", "nothing left to protect")]


def test_shrink_that_has_gone_is_waited_for() -> None:
    """Its answer comes first, then the next one goes."""
    desk = shrinking(Desk(BOTH))
    assert desk.fill("x2", "0.5") == []
    assert desk.accept("x1") == [AmendStop("x1", qty(1))]


def test_shrink_that_has_gone_is_waited_for_though_the_venue_does_not_show_it() -> None:
    """Lag 835013: the order stands as it was, and its answer is still to come. Nothing of it can be altered."""
    desk = shrinking(Desk(BOTH))
    order = desk.orders["x1"]
    rests = OrderReport(ReportType.STATUS, "rest", "O-x1", "new", desk.now, cl_ord_id="x1", order_qty=qty(2))
    desk._learned(order, order.shown(rests))
    assert (order.state, order.view().busy, order.waits) == ("open", True, False)
    assert desk.fill("x2", "0.5") == []


def test_change_of_a_stop_that_has_gone_is_not_withdrawn() -> None:
    """Its answer is on the way: the stop comes back once it has ended."""
    desk = waiting(Desk())
    desk.sees(touched("2"))
    assert desk.after(2) == []
    assert desk.end("x1") == [PlaceStop(qty(2))]


def test_cancel_of_a_stop_by_a_person_goes_whatever_becomes_of_a_swap() -> None:
    """It is not the swap's to withdraw."""
    desk = waiting(FullCounter())
    stop = desk.orders["x1"]
    stop.outgoing = CancelOrder("x1", "O-x1", "BTC/USD")
    desk._learned(stop, [])
    assert desk.sees(touched("2")) == []
    assert desk.bracket.swap is not None
    assert desk.after(2) == []
    assert desk.bracket.swap is None


# --- targets that rest beside the stop --------------------------------------------------------------------------------


def test_resting_target_that_trades_takes_the_entry_back() -> None:
    """The first exit that fills ends the entry."""
    assert CancelEntry("target traded") in beside().fill("x2", "0.5")


def test_targets_grow_with_the_stop_and_after_it() -> None:
    """First the stop holds more, surely; then each target its share of it."""
    desk = beside(SHARED)
    assert [order.role for order in desk.orders.values()] == ["entry", "stop", "target", "target"]
    desk.fill("entry", "2")
    assert desk.after(0.2) == [AmendStop("x1", qty(4))]
    order = desk.orders["x1"]
    taken = Answer("amend", "x1", Outcome.ACCEPTED, desk.now, "O-x1")
    desk._learned(order, order.answered(taken))
    assert desk.plan().steps == (AmendStop("x2", qty(2)), AmendStop("x3", qty(2)))


def test_one_target_grows_to_all_that_is_held() -> None:
    """Its amend sets the total."""
    desk = beside()
    desk.fill("entry", "1")
    assert desk.after(0.2) == [AmendStop("x1", qty(3))]
    assert desk.accept("x1") == [AmendStop("x2", qty(3))]


def test_target_shrinks_with_what_is_held() -> None:
    """The stop has sold a part: what the target may still sell shrinks to the rest, its fills included."""
    desk = beside(msgspec.structs.replace(BOTH, order_qty=qty(2)))
    desk.fill("x2", "0.5")
    desk.accept("x1")
    desk.open(close_order(BTC, "c", "sell", qty("0.5")), "close")
    desk.accept("c")
    desk.now += 60 * NS
    steps = desk.fill("c", "0.5")
    assert AmendStop("x2", qty("1.5")) in [*steps, *desk.steps]
    assert desk.bracket.exposure == 1


def test_target_where_none_was_asked_for_is_taken_back() -> None:
    """A person has moved it to another price: its quantity goes to the one that belongs there."""
    desk = beside(SHARED)
    told = {"order_qty": qty(1), "limit_price": px(113)}
    steps = desk.tell("x2", ReportType.AMENDED, "new", **told)
    assert steps == [CancelExit("x2", "its quantity goes elsewhere")]
    assert desk.orders["x3"].state == "open"


def test_armed_target_that_was_moved_is_known_by_its_new_trigger() -> None:
    """Its first trigger no longer counts."""
    desk = beside(SHARED)
    assert desk.orders["x3"].spec.trigger_price == 120
    moved = msgspec.structs.replace(SHARED.more_targets[0], price=px(125))
    desk.bracket._exits.signal = msgspec.structs.replace(SHARED, more_targets=(moved,))
    assert desk.tell("x3", ReportType.AMENDED, "new", order_qty=qty(1), trigger_price=px(125)) == []
    assert desk.orders["x3"].trigger_price == 125


def test_targets_share_what_the_stop_holds() -> None:
    """Together they ask for all of it and no more."""
    desk = beside(SHARED)
    assert [order.leaves_qty for order in desk.orders.values() if order.role == "target"] == [1, 1]
    assert desk.bracket.exposure == 2


# --- entries and excess -----------------------------------------------------------------------------------------------


def test_buying_back_of_an_excess_is_not_taken_back() -> None:
    """It is no exit: it is left to trade."""
    desk = covered_desk()
    desk.open(stop_order(BUY, BTC, "x9", qty(2)), "stop")
    for stop in ("x9", "x1"):
        desk.trigger(stop)
        desk.fill(stop, "2")
    assert desk.end("x1") == [PlaceClose(qty(2), "buy", "excess of exits")]
    (back,) = [cl for cl, order in desk.orders.items() if order.role == "close"]
    assert desk.accept(back) == []
    assert desk.bracket.state == "exiting"
    desk.fill(back, "2")
    assert desk.bracket.state == "flat"


def test_dust_of_an_entry_that_still_works_is_waited_with() -> None:
    """Nothing can be ordered for it yet, and nothing is leaving."""
    desk = entered()
    assert desk.fill("entry", "0.05") == []
    assert desk.bracket.state == "covering"


def test_entry_whose_cancel_is_on_the_wire_is_not_asked_again() -> None:
    """Its state alone says so, after a restart too."""
    desk = stops(entered(), 1)
    desk._ask(CancelOrder("entry", "O-entry", "BTC/USD"), CancelEntry(""))
    desk.bracket._steps.asked_to_cancel.clear()
    assert desk.orders["entry"].state == "pending_cancel"
    assert [step for step in desk.sees(touched("5")) if isinstance(step, CancelEntry)] == []


def test_two_stops_are_shrunk_without_counting_a_busy_one_twice() -> None:
    """The busy one may still hold its most: the other gives way by just the surplus."""
    desk = stops(entered(), 2)
    desk.end("entry")
    desk.now += 60 * NS
    desk.bracket.commanded("x1", AmendStop("x1", qty(1)))
    desk.open(close_order(BTC, "c", "sell", qty("0.5")), "close")
    desk.answer("c", Outcome.UNKNOWN)
    assert [step for step in desk.steps if isinstance(step, CancelExit)] == []
