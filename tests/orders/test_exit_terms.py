"""Stops and targets that move: by a person, to break-even, behind the market; in place and never loosened."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.bracket_events import MarketFacts
from engine.orders.replay import rebuild_bracket
from engine.orders.signal import Signal, StopLoss, TakeProfit
from engine.orders.steps import AmendStop, PlaceStop, PlaceTarget
from engine.orders.terms import BreakEven, Trail
from tests.orders.conftest import px, qty
from tests.orders.desk import BUY, SELL, Desk, covered_desk, touched

EVEN = msgspec.structs.replace(BUY, break_even=BreakEven(px(105), Decimal(1)))
TRAIL = msgspec.structs.replace(
    BUY, take_profit=None, stop_loss=StopLoss(px(90), trail=Trail(Decimal(10), None, px(105)))
)


def at(best: int) -> MarketFacts:
    return MarketFacts(usable=True, best=px(best))


def short(signal: Signal, **changes: object) -> Signal:
    return msgspec.structs.replace(signal, side="sell", **changes)


def test_moved_stop_is_amended_in_place() -> None:
    """One amend carries the new trigger; the quantity never leaves its protection."""
    desk = covered_desk()
    desk.bracket.move_exits(px(95), None)
    assert desk.think() == [AmendStop("x1", qty(2), px(95))]
    desk.accept("x1")
    assert desk.bracket.state == "covered"
    assert desk.orders["x1"].trigger_price == px(95)
    assert desk.after(60) == []


def test_moved_stop_takes_its_limit_along() -> None:
    """The limit keeps its distance from the trigger."""
    desk = covered_desk(msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), px(88))))
    desk.bracket.move_exits(px(95), None)
    assert desk.think() == [AmendStop("x1", qty(2), px(95), px(93))]


def test_move_and_further_cover_share_one_amend() -> None:
    """More has filled and the stop has moved: one command says both."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    desk.accept("x1")
    desk.after(60)
    desk.bracket.move_exits(px(95), None)
    assert desk.fill("entry", "1") == [AmendStop("x1", qty(2), px(95))]


def test_refused_move_is_not_repeated_and_the_old_stop_stays() -> None:
    """What rests goes on protecting at its old price; another price is another command."""
    desk = covered_desk()
    desk.bracket.move_exits(px(95), None)
    desk.think()
    assert desk.refuse("x1") == []
    assert desk.after(60) == []
    assert (desk.bracket.state, desk.orders["x1"].trigger_price) == ("covered", px(90))
    desk.bracket.move_exits(px(94), None)
    assert desk.think() == [AmendStop("x1", qty(2), px(94))]


def test_stop_placed_after_a_move_has_the_new_trigger() -> None:
    """Put back after a swap, it stands where it was moved to."""
    desk = covered_desk()
    desk.bracket.move_exits(px(95), px(120))
    desk.think()
    desk.accept("x1")
    desk.end("x1")
    assert desk.steps[-1] == PlaceStop(qty(2))
    assert desk.orders["x2"].spec.trigger_price == px(95)


def test_moved_target_is_the_one_that_is_sent() -> None:
    """The swap sells at the new price."""
    desk = covered_desk()
    desk.bracket.move_exits(None, px(120))
    assert desk.bracket.watched.targets == (TakeProfit(px(120)),)
    desk.sees(touched("2"))
    desk.end("x1")
    assert desk.orders["x2"].spec.limit_price == px(120)


@pytest.mark.parametrize(
    ("signal", "stop", "target", "why"),
    [(BUY, "111", None, "a buy needs stop < target: 111 and 110"),
     (BUY, None, "89", "a buy needs stop < target: 90 and 89"),
     (SELL, "89", None, "a sell needs stop > target: 89 and 90"),
     (msgspec.structs.replace(BUY, take_profit=None), None, "120", "the bracket has no target to move"),
     (msgspec.structs.replace(BUY, stop_loss=None), "95", None, "the bracket has no stop to move"),
     (msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), trail=Trail(Decimal(5)))), "95", None,
      "Kraken moves this stop: it trails")],
)  # fmt: skip
def test_exits_that_cannot_move_so_say_why(signal: Signal, stop: str | None, target: str | None, why: str) -> None:
    """Nothing has changed after a refusal."""
    desk = Desk(signal)
    before = desk.bracket.terms
    with pytest.raises(ValueError, match=why):
        desk.bracket.move_exits(stop and px(stop), target and px(target))  # type: ignore[arg-type]  # "" is not drawn
    assert desk.bracket.terms == before


def test_stop_moved_by_a_person_at_the_venue_stays_there() -> None:
    """Only stops that rest where ours stood before are moved along."""
    desk = covered_desk()
    desk.orders["x1"].trigger_price = px(93)
    desk.bracket.learn(desk.orders["x1"].view(), [], desk.now)
    desk.bracket.move_exits(px(95), None)
    assert desk.think() == []


def test_break_even_moves_the_stop_to_the_average_entry() -> None:
    """Once the executable side touches it, a bit to the good, and once only."""
    desk = covered_desk(EVEN)
    assert desk.sees(at(104)) == []
    assert desk.sees(at(105)) == [AmendStop("x1", qty(2), px(101))]
    desk.accept("x1")
    assert desk.sees(at(104)) == []
    assert desk.bracket.terms.break_even is None


def test_break_even_of_a_short() -> None:
    """Downwards, with the stop below the entry."""
    desk = covered_desk(short(EVEN, stop_loss=StopLoss(px(110)), take_profit=TakeProfit(px(80)),
                              break_even=BreakEven(px(95), Decimal(1))))  # fmt: skip
    assert desk.sees(at(96)) == []
    assert desk.sees(at(95)) == [AmendStop("x1", qty(2), px(99))]


def test_break_even_never_loosens() -> None:
    """A person has set the stop tighter: it stays there, whatever is touched later."""
    desk = covered_desk(EVEN)
    desk.bracket.move_exits(px(103), None)
    desk.think()
    desk.accept("x1")
    assert desk.sees(at(106)) == []
    assert desk.orders["x1"].trigger_price == px(103)


def test_trail_begins_at_its_activation_and_follows_in_steps() -> None:
    """At most one amend in fifteen seconds, each a tenth of the distance at least."""
    desk = covered_desk(TRAIL)
    assert desk.sees(at(104)) == []
    assert desk.sees(at(105)) == [AmendStop("x1", qty(2), px(95))]
    desk.accept("x1")
    assert desk.sees(at(107)) == []
    wake_ns = desk.bracket.wake_ns(desk.now)
    assert wake_ns == desk.now + 15_000_000_000
    assert desk.after(15) == [AmendStop("x1", qty(2), px(97))]
    desk.accept("x1")
    assert desk.sees(at(103)) == []
    assert desk.after(60) == []


def test_trail_of_a_short_follows_downwards() -> None:
    """The same, mirrored, by percent."""
    stop = StopLoss(px(110), trail=Trail(None, Decimal(10), px(90)))
    desk = covered_desk(short(TRAIL, stop_loss=stop))
    assert desk.sees(at(91)) == []
    assert desk.sees(at(90)) == [AmendStop("x1", qty(2), px(99))]


def test_stop_that_follows_is_moved_in_the_thought_that_takes_its_close_back() -> None:
    """Closed for being bare, its stop turns out to rest: nothing else would wake the bracket to follow the market."""
    desk = Desk(short(TRAIL, stop_loss=StopLoss(px(110), trail=Trail(Decimal(8), None, px(95)))))
    desk.accept("entry")
    desk.fill("entry", "0.5")
    desk.end("entry")
    desk.after(2)
    assert (desk.bracket.state, desk.bracket.closing) == ("naked", "uncovered past its bound")
    assert desk.sees(at(85)) == []
    assert desk.accept("x1") == [AmendStop("x1", qty("0.5"), px(93))]
    assert (desk.bracket.state, desk.bracket.closing) == ("covered", "")


def test_trail_of_the_venue_rests_as_a_trailing_stop() -> None:
    """Without activation Kraken follows the market itself."""
    desk = Desk(msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), trail=Trail(Decimal("2.5")))))
    desk.accept("entry")
    desk.fill("entry", "2")
    spec = desk.orders["x1"].spec
    assert (spec.order_type, spec.trail, spec.trail_unit, spec.trigger_price) == ("trailing-stop", px(2), "quote", None)


def test_moves_come_back_from_the_journal() -> None:
    """After a restart the stop stands where it was moved to, the trail goes on, and nothing is moved twice."""
    desk = covered_desk(TRAIL)
    desk.sees(at(105))
    desk.accept("x1")
    again = rebuild_bracket(desk.facts, desk.bracket.policy)
    assert again is not None
    assert again.terms == desk.bracket.terms
    assert again.think(at(105), desk.now)[0].steps == ()
    later = desk.now + 60_000_000_000
    assert again.think(at(108), later)[0].steps == (AmendStop("x1", qty(2), px(98)),)


def test_targets_are_taken_one_after_the_other() -> None:
    """Half at the first price; the stop keeps the rest until the second is touched."""
    targets = TakeProfit(px(110), share=Decimal("0.5")), TakeProfit(px(120), "take-profit", share=Decimal("0.5"))
    desk = covered_desk(msgspec.structs.replace(BUY, take_profit=targets[0], more_targets=targets[1:]))
    assert desk.sees(touched("5")) == [AmendStop("x1", qty(1))]
    assert desk.accept("x1") == [PlaceTarget(qty(1))]
    desk.market = MarketFacts(usable=True)
    desk.fill("x2", "1")
    assert desk.bracket.state == "covered"
    assert desk.bracket.watched.targets == (targets[1],)
    desk.after(1)
    desk.sees(touched("5"))
    assert desk.end("x1") == [PlaceTarget(qty(1), 1)]
    assert desk.orders["x3"].spec.order_type == "market"
    desk.fill("x3", "1")
    assert desk.bracket.state == "flat"
