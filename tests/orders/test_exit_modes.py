"""Ways in which exits may rest, and what bounds a life: both-rest, conditional close, oco, barrier, watchdog."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.commands import CancelOrder, NewOrder
from engine.orders.replay import Opened, rebuild_bracket
from engine.orders.reports import ReportType
from engine.orders.signal import Signal, StopLoss, TakeProfit, protecting
from engine.orders.specs import entry_order
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, NS, QUIET, SELL, THROUGH, Desk, covered_desk, touched

BOTH = msgspec.structs.replace(BUY, exits="both-rest")
CLOSE = msgspec.structs.replace(BUY, exits="conditional-close")
LIMITED = msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), px(88)))
REST = PlaceTarget(qty(2), 0, rest=True)


def both_desk(signal: Signal = BOTH) -> Desk:
    """Stop x1 and target x2 rest side by side for 2."""
    desk = Desk(signal)
    desk.accept("entry")
    assert desk.fill("entry", "2") == [PlaceStop(qty(2))]
    assert desk.accept("x1") == [REST]
    assert desk.accept("x2") == []
    desk.steps.clear()
    return desk


# --- both rest


def test_target_rests_once_the_stop_surely_does() -> None:
    """First the stop, then the target beside it; a touch changes nothing any more."""
    desk = both_desk()
    assert desk.orders["x2"].spec.time_in_force == "gtc"
    assert desk.bracket.state == "covered"
    assert desk.bracket.watched.take_profit is None
    assert desk.sees(touched("5")) == []


def test_resting_target_that_fills_shrinks_the_stop() -> None:
    """One updates the other: what the target sold needs no stop."""
    desk = both_desk()
    assert desk.fill("x2", "0.5") == [AmendStop("x1", qty("1.5"))]
    desk.accept("x1")
    assert desk.fill("x2", "1.5") == [CancelExit("x1", "nothing left to protect")]
    desk.end("x1")
    assert desk.bracket.state == "flat"


def test_fired_stop_takes_the_resting_target_back() -> None:
    """What the stop sells must not be sold by the target too."""
    desk = both_desk()
    assert desk.trigger("x1") == [CancelExit("x2", "stop fired")]
    desk.end("x2")
    desk.fill("x1", "2")
    assert desk.bracket.state == "flat"


def test_both_filled_is_an_excess_that_is_traded_back() -> None:
    """A gap took the stop and the target in one moment: what was sold twice is bought again."""
    desk = both_desk()
    desk.trigger("x1")
    desk.fill("x2", "2")
    desk.tell("x2", ReportType.FILLED, "filled")
    desk.fill("x1", "2")
    assert desk.tell("x1", ReportType.FILLED, "filled") == [PlaceClose(qty(2), "buy", "excess of exits")]


def test_second_exit_without_funds_falls_back_to_watching() -> None:
    """The account holds the coins for the stop: the target sleeps until it is touched, and then swaps in."""
    desk = Desk(BOTH)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    assert desk.refuse("x2", "INSUFFICIENT_FUNDS") == []
    assert desk.bracket.state == "covered"
    assert desk.bracket.watched.take_profit == BUY.take_profit
    assert desk.after(3600) == []
    assert desk.sees(touched("5")) == [CancelExit("x1", "quantity goes elsewhere")]
    assert desk.end("x1") == [PlaceTarget(qty(2))]


def test_stop_without_funds_takes_the_targets_place() -> None:
    """More has filled and the target's hold leaves no coins for its stop: the target goes, the stop comes."""
    desk = Desk(BOTH)
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    desk.accept("x2")
    desk.after(60)
    assert desk.fill("entry", "1") == [AmendStop("x1", qty(2))]
    assert desk.refuse("x1", "INSUFFICIENT_FUNDS")[-1] == CancelExit("x2", "targets are watched from here on")
    assert desk.end("x2") == [AmendStop("x1", qty(2))]


def test_target_taken_away_by_a_person_is_watched_from_then_on() -> None:
    """No tug-of-war over a profit."""
    desk = both_desk()
    assert desk.end("x2") == []
    assert desk.bracket.watched.take_profit == BUY.take_profit


def test_moved_target_rests_at_its_new_price() -> None:
    """The old one goes, the stop stays all the while."""
    desk = both_desk()
    desk.bracket.move_exits(None, px(120))
    assert desk.think() == [CancelExit("x2", "its quantity goes elsewhere")]
    assert desk.end("x2") == [REST]
    assert desk.orders["x3"].spec.limit_price == px(120)


def test_several_targets_rest_with_their_shares() -> None:
    """A take-profit rests as the venue's own order; the first to trade shrinks the stop."""
    first, last = TakeProfit(px(110), share=Decimal("0.5")), TakeProfit(px(120), "take-profit", share=Decimal("0.5"))
    desk = Desk(msgspec.structs.replace(BOTH, take_profit=first, more_targets=(last,)))
    desk.accept("entry")
    desk.fill("entry", "2")
    assert desk.accept("x1") == [PlaceTarget(qty(1), 0, rest=True), PlaceTarget(qty(1), 1, rest=True)]
    desk.accept("x2")
    desk.accept("x3")
    assert desk.orders["x3"].spec.order_type == "take-profit"
    assert desk.fill("x2", "1") == [AmendStop("x1", qty(1))]


# --- one cancels the other


@pytest.mark.parametrize("signal", [BUY, SELL])
def test_oco_closes_what_the_target_left_over(signal: Signal) -> None:
    """The stop goes whole with the first touch; what the target did not fill is closed at market."""
    desk = covered_desk(msgspec.structs.replace(signal, contingency="oco"))
    assert desk.sees(touched("0.5")) == [CancelExit("x1", "quantity goes elsewhere")]
    assert desk.end("x1") == [PlaceTarget(qty(2))]
    desk.market = QUIET
    desk.fill("x2", "0.5")
    (step,) = desk.end("x2")
    assert (type(step), step.qty) == (PlaceClose, qty("1.5"))  # type: ignore[union-attr]  # its type is asserted


def test_oco_with_both_at_rest_takes_the_stop_away() -> None:
    """The target trades a part: both go, the rest is closed."""
    desk = both_desk(msgspec.structs.replace(BOTH, contingency="oco"))
    steps = desk.fill("x2", "0.5")
    assert CancelExit("x2", "the other exit has traded") in steps
    desk.end("x2")
    desk.end("x1")
    assert desk.steps[-1] == PlaceClose(qty("1.5"), "sell", "the other exit has traded")


# --- conditional close


def child(desk: Desk, name: str, amount: str) -> None:
    """The venue makes a stop of a fill; the runtime names it."""
    spec = NewOrder(name, "BTC/USD", "sell", "stop-loss", qty(amount), trigger_price=px(90))
    desk.open(spec, "stop")
    desk.accept(name)


def test_entry_carries_its_close() -> None:
    """The venue protects even while we are dead."""
    spec = entry_order(CLOSE, BTC, "e")
    assert spec.conditional is not None
    assert (spec.conditional.order_type, spec.conditional.trigger_price) == ("stop-loss", px(90))


def test_stop_made_by_the_venue_is_cover() -> None:
    """Nothing of ours is placed beside it."""
    desk = Desk(CLOSE)
    desk.accept("entry")
    assert desk.fill("entry", "1") == []
    child(desk, "k1", "1")
    assert desk.fill("entry", "1") == []
    child(desk, "k2", "1")
    assert desk.bracket.state == "covered"
    assert desk.after(60) == []


def test_venue_is_asked_before_a_missing_child_is_replaced() -> None:
    """It may be there unseen: a stop of ours beside it would exceed the position."""
    desk = Desk(CLOSE)
    desk.accept("entry")
    desk.fill("entry", "2")
    assert desk.bracket.wake_ns(desk.now) == desk.now + NS
    assert desk.after(1) == []
    assert desk.bracket.unseen == qty(2)
    assert desk.after(3) == []
    assert desk.bracket.state == "naked"
    desk.bracket.prove_childless(qty(2))
    assert desk.think() == [PlaceStop(qty(2))]


def test_unseen_child_counts_as_an_exit_that_may_live() -> None:
    """Half of the fills have their stop: nothing is sold, swapped or placed for the half whose stop is not seen."""
    desk = Desk(CLOSE)
    desk.accept("entry")
    desk.fill("entry", "2")
    child(desk, "k1", "1")
    assert desk.sees(touched("5")) == []
    assert desk.sees(THROUGH) == []
    desk.sees(QUIET)
    desk.bracket.close("enough")
    assert desk.think() == [CancelExit("k1", "enough")]
    assert desk.end("k1") == [PlaceClose(qty(1), "sell", "enough")]
    desk.accept("x2")
    assert desk.fill("x2", "1") == []
    assert not desk.bracket.ended
    desk.bracket.prove_childless(qty(2))
    assert desk.think() == [PlaceClose(qty(1), "sell", "enough")]


def test_late_child_shrinks_the_stop_that_took_its_place() -> None:
    """Proved absent and there after all: the two together are brought back to the position."""
    desk = Desk(CLOSE)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(5)
    desk.bracket.prove_childless(qty(2))
    desk.think()
    desk.accept("x1")
    desk.after(60)
    child(desk, "k1", "2")
    assert desk.after(0) == []
    assert [type(step) for step in desk.steps[-1:]] == [CancelExit]


def test_proof_that_no_child_was_made_outlives_a_restart() -> None:
    """The next engine does not doubt it anew."""
    desk = Desk(CLOSE)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(5)
    desk.bracket.prove_childless(qty(2))
    desk.think()
    desk.accept("x1")
    again = rebuild_bracket(desk.facts, desk.bracket.policy)
    assert again is not None
    assert (again.unseen, again.think(QUIET, desk.now)[0].steps) == (0, ())


def test_fee_in_base_shrinks_the_venues_stop() -> None:
    """It was made for the whole fill; we hold less."""
    desk = Desk(CLOSE)
    desk.accept("entry")
    desk.fill("entry", "2")
    child(desk, "k1", "2.01")
    desk.after(60)
    assert desk.steps == [AmendStop("k1", qty(2))]


# --- bounds of a life


def test_watchdog_closes_a_stop_limit_left_behind() -> None:
    """Triggered and unfilled for two seconds: it goes, and the market takes the rest."""
    desk = covered_desk(LIMITED)
    desk.trigger("x1")
    desk.fill("x1", "0.5")
    assert desk.bracket.wake_ns(desk.now) == desk.now + 2 * NS
    assert desk.after(1.9) == []
    assert desk.after(0.1) == [CancelExit("x1", "triggered and left behind")]
    assert desk.end("x1") == [PlaceClose(qty("1.5"), "sell", "stop ended with quantity left")]


def test_watchdog_runs_on_over_a_restart() -> None:
    """It counts from the moment of the trigger, in the journal."""
    desk = covered_desk(LIMITED)
    desk.trigger("x1")
    again = rebuild_bracket(desk.facts, desk.bracket.policy)
    assert again is not None
    assert again.think(QUIET, desk.now + 3 * NS)[0].steps == (CancelExit("x1", "triggered and left behind"),)


def test_market_stop_has_no_watchdog() -> None:
    """It takes what there is; nothing is left behind."""
    desk = covered_desk()
    desk.trigger("x1")
    assert desk.after(60) == []


def test_time_barrier_counts_from_the_first_fill() -> None:
    """Held too long: the entry ends, the stop goes, the market takes it."""
    desk = Desk(msgspec.structs.replace(BUY, exit_after_s=Decimal(30)))
    desk.accept("entry")
    desk.after(100)
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    assert desk.bracket.wake_ns(desk.now) == desk.now + round(29.8 * NS)
    steps = desk.after(29.8)
    assert CancelEntry("its time has run out") in steps
    assert CancelExit("x1", "its time has run out") in steps
    desk.end("entry")
    assert desk.end("x1") == [PlaceClose(qty(1), "sell", "its time has run out")]


def test_stop_whose_cancel_is_refused_for_good_is_neither_flat_nor_asked_again() -> None:
    """It rests and protects; the plan names what is refused, until a person asks anew."""
    desk = Desk(msgspec.structs.replace(BUY, exit_after_s=Decimal(30)))
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(0.2)
    desk.accept("x1")
    assert desk.after(30) == [CancelExit("x1", "its time has run out")]
    assert desk.bracket.refused == ()
    assert desk.refuse("x1", "INVALID_ORDER") == []
    assert desk.after(3600) == []
    assert (desk.bracket.state, desk.bracket.uncovered) == ("exiting", 0)
    assert desk.bracket.refused == (CancelExit("x1", "its time has run out"),)
    desk.bracket.ask_again()
    assert desk.think() == [CancelExit("x1", "its time has run out")]
    assert desk.bracket.refused == ()


def test_close_refused_for_good_is_told_and_placed_once_more_when_a_person_asks() -> None:
    """What is refused for now is not told, and no step but an exit's is."""
    desk = Desk(msgspec.structs.replace(BUY, exit_after_s=Decimal(30)))
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(0.2)
    desk.accept("x1")
    desk.after(30)
    assert desk.end("x1") == [PlaceClose(qty(2), "sell", "its time has run out")]
    assert desk.refuse("x2", "INVALID_ORDER") == []
    assert desk.bracket.refused == (PlaceClose(qty(2), "sell", "its time has run out"),)
    desk.bracket.ask_again()
    assert desk.think() == [PlaceClose(qty(2), "sell", "its time has run out")]
    assert desk.bracket.refused == ()


def test_time_barrier_without_a_fill_ends_the_entry() -> None:
    """Nothing is held: there is only the entry to end."""
    desk = Desk(msgspec.structs.replace(BUY, exit_at_ns=1_050 * NS))
    desk.accept("entry")
    assert desk.after(50) == [CancelEntry("its time has run out")]
    desk.end("entry")
    assert desk.bracket.state == "abandoned"


def test_full_fill_protection_waits_for_the_entry_to_be_over() -> None:
    """A choice: no stop for a part, no alarm for it; the whole is covered at once."""
    desk = Desk(msgspec.structs.replace(BUY, protect_from="full_fill"))
    desk.accept("entry")
    desk.fill("entry", "1")
    assert desk.after(60) == []
    assert desk.bracket.state == "covering"
    assert desk.bracket.uncovered_qty_s == 60
    assert desk.fill("entry", "1") == [PlaceStop(qty(2))]


def test_full_fill_protection_waits_for_no_cancel_of_an_entry_that_has_filled_up() -> None:
    """Storm 1312: its cancel found no answer, and what it had bought in full stood bare, without an alarm."""
    desk = Desk(msgspec.structs.replace(BUY, protect_from="full_fill"))
    desk.accept("entry")
    desk._ask(CancelOrder("entry", "O-entry", "BTC/USD"), CancelEntry("entry timed out"))
    assert desk.fill("entry", "1") == []
    assert desk.fill("entry", "1") == [PlaceStop(qty(2))]
    assert desk.orders["entry"].state == "pending_cancel"


def test_full_fill_protection_does_not_watch_a_fall() -> None:
    """Price through the stop: what has filled is closed, filled up or not."""
    desk = Desk(msgspec.structs.replace(BUY, protect_from="full_fill"))
    desk.accept("entry")
    desk.fill("entry", "1")
    steps = desk.sees(THROUGH)
    assert [type(step) for step in steps] == [CancelEntry, PlaceClose]


def test_gap_of_protection_is_told_and_comes_back() -> None:
    """The gauge is in the bracket's events, and a restart goes on from there."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(0.5)
    desk.accept("x1")
    assert desk.events[-1].uncovered_qty_s == 1
    again = rebuild_bracket(desk.facts, desk.bracket.policy)
    assert again is not None
    assert again.uncovered_qty_s == 1


# --- coins that were there


def held() -> Signal:
    return msgspec.structs.replace(
        protecting("s-9", "default", "BTC/USD", "buy", qty(2), StopLoss(px(90)), TakeProfit(px(110)), px(100)),
    )


def test_bracket_without_entry_begins_by_covering() -> None:
    """Coins that are there get a stop at once, then their target is watched."""
    desk = Desk(held())
    assert desk.think() == [PlaceStop(qty(2))]
    assert desk.bracket.state == "covering"
    desk.accept("x0")
    assert desk.bracket.state == "covered"
    desk.sees(touched("2"))
    assert desk.end("x0") == [PlaceTarget(qty(2))]
    desk.fill("x1", "2")
    assert desk.bracket.state == "flat"


def test_bracket_without_entry_comes_back_from_its_first_row() -> None:
    """Killed before its stop was placed, it is as bare as before, and knows it."""
    again = rebuild_bracket([("", Opened(held(), BTC))], Desk().bracket.policy)
    assert again is not None
    assert again.think(QUIET, NS)[0].steps == (PlaceStop(qty(2)),)
