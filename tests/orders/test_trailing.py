"""Where a stop goes that moves: to break-even, or behind the market; on the tick, and only to the better."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.orders.exit_terms import ExitTerms, Moved
from engine.orders.signal import Signal, StopLoss, TakeProfit
from engine.orders.terms import BreakEven, Trail
from engine.orders.trailing import (
    TRAIL_PAUSE_NS,
    activates,
    better,
    break_even_stop,
    carried_trail,
    moved_to,
    reached,
    tightens,
    trailed_stop,
)
from tests.orders.conftest import px
from tests.orders.desk import BTC, BUY, SELL

EVEN = msgspec.structs.replace(BUY, break_even=BreakEven(px(105), Decimal("1.5")))
SHORT_EVEN = msgspec.structs.replace(SELL, break_even=BreakEven(px(95), Decimal("1.5")))


def trail(signal: Signal = BUY, stop: int = 90, activation: int | None = 105, **terms: Decimal) -> Signal:
    given = terms or {"distance": Decimal(10)}
    active = None if activation is None else px(activation)
    return msgspec.structs.replace(signal, stop_loss=StopLoss(px(stop), trail=Trail(activation_price=active, **given)))


SHORT_TRAIL = trail(SELL, 110, 95)


@pytest.mark.parametrize(("signal", "best", "there"), [(BUY, 105, True), (BUY, 104, False), (SELL, 105, True),
                                                       (SELL, 106, False)])  # fmt: skip
def test_price_is_reached_on_the_side_of_profit(signal: Signal, best: int, there: bool) -> None:
    """At it or beyond."""
    assert reached(signal, px(105), px(best)) == there


def test_better_and_tighter_point_the_same_way() -> None:
    """Up for a buy, down for a sell; equal is not tighter."""
    assert (better(BUY, px(1), px(2)), better(SELL, px(1), px(2)), better(SELL, px(2), px(1))) == (2, 1, 1)
    assert (tightens(BUY, px(2), px(1)), tightens(BUY, px(1), px(1)), tightens(BUY, px(1), px(2))) == (
        True, False, False,
    )  # fmt: skip
    assert (tightens(SELL, px(1), px(2)), tightens(SELL, px(1), px(1)), tightens(SELL, px(2), px(1))) == (
        True, False, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("signal", "entry", "best", "stop"),
    [(EVEN, "100", 105, 102), (EVEN, "100", 104, None), (EVEN, "0", 105, None), (BUY, "100", 105, None),
     (EVEN, "104", 105, None), (EVEN, "102.5", 105, 104),
     (SHORT_EVEN, "100", 95, 98), (SHORT_EVEN, "100", 96, None), (SHORT_EVEN, "96", 94, None)],
)  # fmt: skip
def test_break_even_is_the_average_entry_with_its_offset(
    signal: Signal, entry: str, best: int, stop: int | None
) -> None:
    """Rounded so that it fires no later; not there yet, nothing entered, or it would fire at once: no stop."""
    assert break_even_stop(signal, BTC, Decimal(entry), px(best)) == stop


@pytest.mark.parametrize(
    ("signal", "peak", "stop"),
    [(trail(), 105, 95), (trail(), 101, 91), (trail(), 100, None), (trail(stop=94), 105, 95),
     (trail(stop=95), 105, None),
     (trail(stop=96), 105, None), (trail(percent=Decimal(10)), 105, 95), (trail(distance=Decimal(105)), 105, None),
     (trail(stop=1, distance=Decimal(103)), 105, None), (trail(distance=Decimal("10.5")), 105, 95),
     (trail(stop=90, distance=Decimal(20)), 111, None), (trail(stop=90, distance=Decimal(20)), 112, 92),
     (SHORT_TRAIL, 95, 105), (SHORT_TRAIL, 99, 109), (SHORT_TRAIL, 100, None),
     (trail(SELL, 110, 95, distance=Decimal("10.5")), 95, 105), (BUY, 105, None), (trail(activation=None), 105, None)],
)  # fmt: skip
def test_stop_behind_the_peak_takes_whole_steps(signal: Signal, peak: int, stop: int | None) -> None:
    """Only to the better, at least a tick and a tenth of the distance, never at or below nothing."""
    assert trailed_stop(signal, BTC, px(peak)) == stop


def test_trail_of_a_market_below_one_has_its_steps_too() -> None:
    """Prices are small where a tick is."""
    fine = msgspec.structs.replace(BTC, price_increment=px("0.01"))
    stop = StopLoss(px("0.5"), trail=Trail(Decimal("0.1"), None, px("0.9")))
    assert trailed_stop(msgspec.structs.replace(BUY, stop_loss=stop), fine, px("0.95")) == px("0.85")


def test_distance_behind_a_peak() -> None:
    """In quote, or a share of the peak; of a trail without either, nothing."""
    assert Trail(Decimal(7)).behind(px(200)) == 7
    assert Trail(None, Decimal("2.5")).behind(px(200)) == 5
    assert Trail().behind(px(200)) == 0


def test_trail_begins_at_its_activation() -> None:
    """The venue's own has none, and a plain stop no trail."""
    assert (activates(trail(), px(105)), activates(trail(), px(104)), activates(SHORT_TRAIL, px(95))) == (
        True, False, True,
    )  # fmt: skip
    assert (activates(BUY, px(999)), activates(trail(activation=None), px(999))) == (False, False)
    assert carried_trail(trail(activation=None)) is None
    assert carried_trail(msgspec.structs.replace(BUY, stop_loss=None)) is None
    assert carried_trail(trail()) == Trail(Decimal(10), None, px(105))


def test_moved_stop_keeps_all_but_its_prices() -> None:
    """The limit keeps its distance."""
    stop = StopLoss(px(90), px(88), "index", Decimal(7), Trail(Decimal(10), None, px(105)))
    assert moved_to(stop, px(95)) == msgspec.structs.replace(stop, trigger_price=px(95), limit_price=px(93))
    assert moved_to(StopLoss(px(90)), px(95)) == StopLoss(px(95))


# --- the moves of one bracket -----------------------------------------------------------------------------------------


def test_market_at_break_even_is_followed_once() -> None:
    """Who moved it is said; looser than where it stands, only the rule is used up."""
    assert ExitTerms(EVEN, BTC).follow(px(105), Decimal(100), 0) == Moved("break_even", px(102))
    tight = msgspec.structs.replace(EVEN, stop_loss=StopLoss(px(103)))
    assert ExitTerms(tight, BTC).follow(px(105), Decimal(100), 0) == Moved("break_even", None)
    same = msgspec.structs.replace(EVEN, stop_loss=StopLoss(px(102)))
    assert ExitTerms(same, BTC).follow(px(105), Decimal(100), 0) == Moved("break_even", None)
    assert ExitTerms(EVEN, BTC).follow(px(105), Decimal(104), 0) is None
    assert ExitTerms(EVEN, BTC).follow(px(104), Decimal(100), 0) is None


def test_trail_that_begins_without_a_step_is_written_down() -> None:
    """A restart must know that it has begun; after that only steps are told, one a pause."""
    terms = ExitTerms(trail(stop=95), BTC)
    begun = terms.follow(px(105), Decimal(100), 0)
    assert begun == Moved("trail")
    terms.fold(begun)
    assert terms.follow(px(105), Decimal(100), 0) is None
    step = terms.follow(px(107), Decimal(100), 0)
    assert step == Moved("trail", px(97))
    terms.fold(step)
    assert terms.follow(px(110), Decimal(100), TRAIL_PAUSE_NS - 1) is None
    assert terms.wake_ns() == TRAIL_PAUSE_NS
    assert terms.follow(px(110), Decimal(100), TRAIL_PAUSE_NS) == Moved("trail", px(100))


def test_trail_follows_nothing_before_its_activation_or_any_fill() -> None:
    """Nothing is held, or the market is not there."""
    assert ExitTerms(trail(), BTC).follow(px(104), Decimal(100), 0) is None
    assert ExitTerms(trail(), BTC).follow(px(105), Decimal(0), 0) is None
    assert ExitTerms(trail(), BTC).wake_ns() is None
    assert ExitTerms(BUY, BTC).follow(px(999), Decimal(100), 0) is None


def test_step_that_would_fire_at_once_waits() -> None:
    """The peak is remembered; the market is below the stop it would give."""
    terms = ExitTerms(trail(distance=Decimal(2)), BTC)
    first = terms.follow(px(105), Decimal(100), 0)
    assert first == Moved("trail", px(103))
    terms.fold(first)
    assert terms.follow(px(120), Decimal(100), 1) is None  # too soon
    assert terms.follow(px(110), Decimal(100), TRAIL_PAUSE_NS) is None
    assert terms.follow(px(119), Decimal(100), TRAIL_PAUSE_NS) == Moved("trail", px(118))


# --- moves by command -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "stop", "target", "moved"),
    [(BUY, "94.5", "114.5", Moved("command", px(95), px(115))),
     (SELL, "105.5", "85.5", Moved("command", px(105), px(85))),
     (BUY, "94.5", None, Moved("command", px(95), None)), (SELL, None, "85.5", Moved("command", None, px(85)))],
)  # fmt: skip
def test_move_is_put_on_the_tick_to_the_safe_side(
    signal: Signal, stop: str | None, target: str | None, moved: Moved
) -> None:
    """A stop fires no later than asked, a target sells no worse."""
    terms = ExitTerms(signal, BTC)
    given = [None if text is None else px(text) for text in (stop, target)]
    assert terms.checked(given[0], given[1], 0) == moved


@pytest.mark.parametrize(
    ("signal", "stop", "target", "why"),
    [(msgspec.structs.replace(BUY, stop_loss=None), 95, None, "the bracket has no stop to move"),
     (trail(activation=None), 95, None, "Kraken moves this stop: it trails"),
     (msgspec.structs.replace(BUY, take_profit=None), None, 115, "the bracket has no target to move"),
     (BUY, 111, None, "a buy needs stop < target: 111 and 110"),
     (BUY, 110, None, "a buy needs stop < target: 110 and 110"),
     (SELL, 89, None, "a sell needs stop > target: 89 and 90")],
)  # fmt: skip
def test_exits_that_cannot_move_so_say_so_in_full(
    signal: Signal, stop: int | None, target: int | None, why: str
) -> None:
    """These words come back to whoever asked."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        ExitTerms(signal, BTC).checked(None if stop is None else px(stop), None if target is None else px(target), 0)


def test_target_of_a_bracket_without_a_stop_can_be_moved() -> None:
    """There is nothing it must stay ahead of."""
    free = msgspec.structs.replace(BUY, stop_loss=None)
    assert ExitTerms(free, BTC).checked(None, px(80), 0) == Moved("command", None, px(80))


def test_moved_target_takes_its_limit_along() -> None:
    """It keeps its distance; the other targets, the stop and the break-even stay."""
    limited = TakeProfit(px(120), "take-profit-limit", px(118), Decimal("0.5"))
    near = TakeProfit(px(110), share=Decimal("0.5"))
    terms = ExitTerms(msgspec.structs.replace(EVEN, take_profit=near, more_targets=(limited,)), BTC)
    terms.fold(Moved("command", None, px(125), 1))
    assert terms.signal.targets == (near, msgspec.structs.replace(limited, price=px(125), limit_price=px(123)))
    assert (terms.signal.stop_loss, terms.signal.break_even) == (EVEN.stop_loss, EVEN.break_even)
    assert terms.past_triggers == frozenset()


@pytest.mark.parametrize(("by", "left"), [("command", False), ("break_even", False), ("trail", True)])
def test_stop_moved_by_a_person_or_to_break_even_does_not_go_there_again(by: Any, left: bool) -> None:
    """A step of a trail leaves the rule alone."""
    terms = ExitTerms(EVEN, BTC)
    terms.fold(Moved(by, px(95)))
    assert (terms.signal.break_even is not None) == left


def test_where_stops_stood_before_is_remembered_on_the_tick() -> None:
    """As orders carry it; where the stop stands now is not past."""
    terms = ExitTerms(msgspec.structs.replace(SELL, stop_loss=StopLoss(px("110.7"))), BTC)
    terms.fold(Moved("command", px(108)))
    terms.fold(Moved("command", px(106)))
    assert terms.past_triggers == {110, 108}
    terms.fold(Moved("command", px(110)))
    assert terms.past_triggers == {108, 106}


def test_past_trigger_of_a_long_is_rounded_up() -> None:
    """To where its order rested."""
    terms = ExitTerms(msgspec.structs.replace(BUY, stop_loss=StopLoss(px("90.3"))), BTC)
    terms.fold(Moved("command", px(95)))
    assert terms.past_triggers == {91}


def test_trail_that_has_begun_goes_on_after_a_move_by_hand() -> None:
    """And it wakes for its next step alone."""
    terms = ExitTerms(trail(stop=95), BTC)
    terms.fold(Moved("trail"))
    assert terms.wake_ns() is None  # no peak since the restart
    terms.fold(Moved("command", px(94)))
    assert terms.follow(px(104), Decimal(100), 0) is None
    assert terms.wake_ns() is None  # no whole step from there
    assert terms.follow(px(106), Decimal(100), 0) == Moved("trail", px(96))
    assert terms.wake_ns() == TRAIL_PAUSE_NS
