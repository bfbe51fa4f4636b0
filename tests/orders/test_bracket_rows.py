"""What a bracket writes down for each move, and the small rules of what it remembers and lets go."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.bracket_events import BracketEvent, MarketFacts, Policy
from engine.orders.endings import COINS_GONE, OTHER_EXIT, POSITION_GONE, TIME_BARRIER
from engine.orders.order import Order
from engine.orders.reports import ReportType
from engine.orders.signal import Signal, TakeProfit
from engine.orders.slices import SliceTerms
from engine.orders.specs import target_order
from engine.orders.steps import CancelExit, PlaceStop
from engine.orders.terms import BreakEven
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, NS, QUIET, START, Desk, covered_desk, touched

HALVES = msgspec.structs.replace(
    BUY,
    take_profit=TakeProfit(px(110), share=Decimal("0.5")),
    more_targets=(TakeProfit(px(120), share=Decimal("0.5")),),
)
LONG = msgspec.structs.replace(BUY, leverage=3)
ALERT = Policy(naked_action="alert")


def bare_desk(signal: Signal = BUY, policy: Policy = ALERT) -> Desk:
    """An entry of 2 has filled, its stop x1 was refused for good."""
    desk = Desk(signal, policy)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.refuse("x1", "INVALID_PRICE")
    return desk


def row(desk: Desk, move: str, before: str, after: str, **said: object) -> BracketEvent:
    given: dict[str, object] = {"exposure": qty(2), "uncovered": qty(0), **said}
    return BracketEvent(move, before, after, desk.now, **given)  # type: ignore[arg-type]  # drawn from its members


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_of_a_life_say_where_when_and_how_much_was_bare() -> None:
    """Each move with the exposure, what was uncovered, and the gauge up to then."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.now += NS // 2
    desk.accept("x1")
    assert desk.events == [
        BracketEvent("begin_cover", "entering", "covering", START, qty(2), qty(2)),
        BracketEvent("hold", "covering", "covered", desk.now, qty(2), qty(0), uncovered_qty_s=Decimal(1)),
    ]
    assert [type(event.uncovered_qty_s) for event in desk.events] == [Decimal, Decimal]


def test_row_of_a_swap_says_that_the_target_was_touched() -> None:
    """The reason of leaving is the touch."""
    desk = covered_desk()
    desk.sees(touched("2"))
    assert desk.events[-1] == row(desk, "leave", "covered", "exiting", why="target touched")


def test_row_of_a_close_says_why_and_that_all_goes() -> None:
    """The latch goes with it."""
    desk = covered_desk()
    desk.bracket.close("by command")
    desk.think()
    assert desk.events[-1] == row(
        desk, "leave", "covered", "exiting", why="by command", closing="by command", close_all=True
    )


def test_row_without_a_move_tells_a_latch_that_changed() -> None:
    """A stop has fired already; the command to close is written down all the same, once."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.bracket.close("by command")
    desk.think()
    assert desk.events[-1] == row(
        desk, "", "exiting", "exiting", why="by command", closing="by command", close_all=True
    )
    assert desk.bracket.think(desk.market, desk.now)[1] == []


def test_row_of_moved_exits_says_who_and_where() -> None:
    """Stop, target and which target; it moves no state."""
    desk = covered_desk(HALVES)
    desk.fill("x1", "1")  # the nearest target's share has left
    desk.bracket.move_exits(px(95), px(125))
    desk.think()
    assert desk.events[-1] == row(
        desk, "", desk.bracket.state, desk.bracket.state, exposure=qty(1), why="command",
        moved="command", stop=px(95), target=px(125), place=1,
    )  # fmt: skip


def test_row_of_a_reopening_says_that_the_venue_had_more_to_say() -> None:
    """Then the bracket moves on to where it stands."""
    desk = covered_desk()
    desk.fill("x1", "2")
    assert desk.bracket.state == "flat"
    desk.fill("entry", "0.5")
    again, on = desk.events[-2:]
    assert again == row(
        desk, "reopen", "flat", "covering", exposure=qty("0.5"), uncovered=qty("0.5"), closing=again.closing,
        why="the venue had more to say",
    )  # fmt: skip
    assert (on.move, on.to_state, on.alarm) == ("leave", "exiting", "")


def test_row_of_a_take_over_says_what_happened() -> None:
    """Taken away twice, or gone: two reasons, one alarm."""
    desk = covered_desk()
    desk.end("x1")
    desk.accept("x2")
    desk.end("x2")
    assert (desk.events[-1].why, desk.events[-1].alarm) == ("protection was taken away twice", "TAKEN_OVER")
    for signal, why in ((BUY, COINS_GONE), (LONG, POSITION_GONE)):
        gone = bare_desk(signal)
        gone.bracket.let_go()
        gone.think()
        assert (gone.events[-1].why, gone.events[-1].alarm, gone.bracket.close_all) == (why, "TAKEN_OVER", False)


def test_coins_without_exits_are_handed_over_without_an_alarm() -> None:
    """It was asked for: neither stop nor target."""
    desk = Desk(msgspec.structs.replace(BUY, stop_loss=None, take_profit=None))
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.tell("entry", ReportType.FILLED, "filled")
    assert (desk.events[-1].to_state, desk.events[-1].why, desk.events[-1].alarm) == ("taken_over", "", "")


def test_flat_bracket_on_margin_alarms_only_for_an_excess() -> None:
    """Ended even: nobody needs to look."""
    desk = covered_desk(LONG)
    desk.fill("x1", "2")
    assert (desk.events[-1].to_state, desk.events[-1].alarm) == ("flat", "")


def test_naked_row_alarms() -> None:
    """Past its bound, and only once."""
    desk = bare_desk()
    desk.after(2)
    naked = row(desk, "bare", "covering", "naked", alarm="NAKED", uncovered=qty(2), uncovered_qty_s=Decimal(4))
    desk.after(60)
    assert [event for event in desk.events if event.alarm] == [naked]


# --- gauge and bounds -------------------------------------------------------------------------------------------------


def test_gauge_runs_between_thoughts() -> None:
    """Asked in between, it counts up to the asking."""
    desk = bare_desk()
    assert [desk.bracket.gauge(desk.now + seconds * NS) for seconds in (0, 1, 2)] == [0, 2, 4]


def test_quantity_below_one_is_bare_too() -> None:
    """Half a coin of an entry that still works: uncovered past its bound is naked."""
    desk = Desk(policy=ALERT)
    desk.accept("entry")
    desk.fill("entry", "0.5")
    desk.after(0.2)
    desk.refuse("x1", "INVALID_PRICE")
    desk.after(2)
    assert desk.bracket.state == "naked"


def test_entry_that_waits_for_its_full_fill_is_not_naked() -> None:
    """Chosen so; once it is over the bound runs."""
    desk = Desk(msgspec.structs.replace(BUY, protect_from="full_fill"), ALERT)
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(60)
    assert desk.bracket.state == "covering"
    desk.end("entry")
    desk.refuse("x1", "INVALID_PRICE")
    desk.after(2)
    assert desk.bracket.state == "naked"


def test_nothing_to_wait_for_is_no_moment() -> None:
    """The runtime may sleep until somebody says something."""
    desk = Desk()
    assert desk.bracket.wake_ns(desk.now) is None


def test_moment_that_has_come_is_no_moment_to_wait_for() -> None:
    """Else the runtime would wake for ever at once."""
    desk = bare_desk()
    at = desk.bracket.wake_ns(desk.now)
    assert at == desk.now + 2 * NS
    assert desk.bracket.wake_ns(at) is None


def test_next_swap_begins_at_the_end_of_its_pause_and_not_before() -> None:
    """To the nanosecond."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.end("x2")  # the target traded nothing
    desk.sees(QUIET)
    desk.accept("x3")
    ready = desk.bracket._swaps.ready_ns
    desk.now = ready - 1
    assert desk.sees(touched("2")) == []
    assert desk.bracket.wake_ns(desk.now) == ready
    desk.now = ready
    assert isinstance(desk.think()[0], CancelExit)


def test_swap_leaves_its_quantity_bare_without_an_alarm() -> None:
    """Its own bound holds: until then its target trades, and past it the stop comes back."""
    desk = covered_desk(policy=ALERT)
    desk.sees(touched("2"))
    desk.end("x1")
    desk.now += 2 * NS - 1
    desk.think()
    assert desk.bracket.state == "exiting"


# --- closing ----------------------------------------------------------------------------------------------------------


def test_first_reason_to_close_stays() -> None:
    """A second command does not change why."""
    desk = covered_desk()
    desk.bracket.close("by command")
    desk.bracket.close("the engine stops")
    assert desk.bracket.closing == "by command"


def test_command_outranks_a_reason_that_may_pass() -> None:
    """Bare now; closed for good by command: the stop that turns out to rest does not end that."""
    desk = bare_desk(policy=Policy(naked_action="close"))
    desk.after(2)
    assert desk.bracket.closing == "uncovered past its bound"
    desk.bracket.close("by command")
    assert desk.bracket.closing == "by command"


def test_time_runs_out_on_a_passing_close_too() -> None:
    """The barrier makes it final; a close for good is left as it is."""
    timed = msgspec.structs.replace(BUY, exit_after_s=Decimal(10))
    desk = bare_desk(timed, Policy(naked_action="close"))
    desk.after(2)
    desk.refuse("x2", "INVALID_ARGUMENTS")
    desk.after(8)
    assert (desk.bracket.closing, desk.bracket.close_all) == (TIME_BARRIER, True)
    ordered = covered_desk(timed)
    ordered.bracket.close("by command")
    ordered.after(60)
    assert ordered.bracket.closing == "by command"


def test_taken_bracket_is_not_closed_by_its_barrier() -> None:
    """What a person holds is not ours to sell."""
    desk = covered_desk(msgspec.structs.replace(BUY, exit_after_s=Decimal(600)))
    desk.bracket.let_go()
    desk.after(600)
    assert (desk.bracket.closing, desk.bracket.close_all) == (COINS_GONE, False)


def test_close_that_is_taken_back_protects_again() -> None:
    """All of the latch goes, its slices too."""
    desk = covered_desk()
    desk.bracket.close("by command")
    desk.bracket.slice_terms = SliceTerms(qty(1))
    desk.bracket.keep()
    assert (desk.bracket.closing, desk.bracket.close_all, desk.bracket.slice_terms) == ("", False, None)
    assert desk.think() == []


# --- coins that are gone ----------------------------------------------------------------------------------------------


def test_refusal_for_want_of_funds_says_since_when() -> None:
    """All exits have ended, the last for want of funds: whoever knows the balance judges."""
    desk = Desk(policy=ALERT)
    desk.accept("entry")
    desk.now += NS
    desk.fill("entry", "2")
    assert desk.bracket.short_of_coins_ns() is None  # its stop is on its way
    desk.refuse("x1", "INSUFFICIENT_FUNDS")
    assert desk.bracket.short_of_coins_ns() == desk.orders["x1"].dispatched_ns == START + NS


@pytest.mark.parametrize(
    ("signal", "code", "short"),
    [(BUY, "INSUFFICIENT_FUNDS", True), (BUY, "INVALID_PRICE", False), (BUY, "REDUCE_ONLY_NO_POSITION", False),
     (LONG, "REDUCE_ONLY_NO_POSITION", True), (LONG, "INSUFFICIENT_FUNDS", False)],
)  # fmt: skip
def test_each_kind_of_account_has_its_own_refusal(signal: Signal, code: str, short: bool) -> None:
    """Coins lack funds, margin lacks a position to reduce."""
    desk = Desk(signal, ALERT)
    desk.accept("entry")
    desk.fill("entry", "0.5")
    desk.end("entry")
    desk.refuse("x1", code)
    assert (desk.bracket.short_of_coins_ns() is not None) == short


def test_nobody_is_short_who_holds_nothing_or_has_let_go() -> None:
    """Before any exit, after all was sold, and once it was let go."""
    assert Desk().bracket.short_of_coins_ns() is None
    gone = bare_desk()
    gone.bracket.orders["x1"] = msgspec.structs.replace(gone.bracket.orders["x1"], code="INSUFFICIENT_FUNDS")
    assert gone.bracket.short_of_coins_ns() is not None
    sold = msgspec.structs.replace(gone.bracket.orders["x1"], done_qty=qty(2))
    part = msgspec.structs.replace(sold, done_qty=qty(1))
    for view in (sold, part):
        gone.bracket.orders["x1"] = view
        assert gone.bracket.short_of_coins_ns() is None
    gone.bracket.orders["x1"] = msgspec.structs.replace(sold, done_qty=qty(0))
    gone.bracket.let_go()
    assert gone.bracket.short_of_coins_ns() is None


# --- edges ------------------------------------------------------------------------------------------------------------


def test_entry_that_works_on_is_no_exit_that_could_hold_coins() -> None:
    """Only exits count; an entry of the other side waits for more."""
    desk = Desk(policy=ALERT)
    desk.accept("entry")
    desk.fill("entry", "0.5")
    desk.after(0.2)
    desk.refuse("x1", "INSUFFICIENT_FUNDS")
    assert desk.bracket.short_of_coins_ns() == desk.orders["x1"].dispatched_ns


def test_nobody_is_short_of_what_was_sold() -> None:
    """Nothing is held any more, though the last exit was refused for want of funds."""
    desk = bare_desk()
    entry, stop = desk.bracket.orders["entry"], desk.bracket.orders["x1"]
    lacking = msgspec.structs.replace(stop, cl_ord_id="x9", code="INSUFFICIENT_FUNDS")
    desk.bracket.orders = {
        "entry": entry,
        "x1": msgspec.structs.replace(stop, done_qty=qty(2), state="filled"),
        "x9": lacking,
    }
    assert desk.bracket.exposure == 0
    assert desk.bracket.short_of_coins_ns() is None


def test_stop_follows_only_what_is_held_in_a_book_that_is_usable() -> None:
    """Not in a broken book, not while all is closed, not when nothing is held."""
    even = msgspec.structs.replace(BUY, break_even=BreakEven(px(105)))
    there = MarketFacts(usable=True, best=px(106))
    broken, closing, flat = covered_desk(even), covered_desk(even), covered_desk(even)
    broken.sees(msgspec.structs.replace(there, usable=False))
    closing.bracket.close("by command")
    closing.sees(there)
    flat.fill("x1", "2")
    flat.sees(there)
    for desk in (broken, closing, flat):
        assert desk.bracket.terms.break_even is not None
    followed = covered_desk(even)
    followed.sees(there)
    assert followed.bracket.terms.break_even is None


def test_time_that_runs_out_changes_no_close_for_good() -> None:
    """A stop that fired has its reason: what still rests is not taken back for the barrier."""
    desk = covered_desk(msgspec.structs.replace(BUY, exit_after_s=Decimal(600)))
    desk.trigger("x1")
    desk.fill("x1", "1")
    desk.end("x1")
    desk.after(600)
    assert (desk.bracket.closing, desk.bracket.close_all) == ("stop ended with quantity left", False)


def test_entry_that_lives_after_all_reopens_nothing_by_itself() -> None:
    """Refused, and yet it rests: until it fills there is nothing to protect."""
    desk = Desk()
    desk.refuse("entry")
    assert desk.bracket.state == "abandoned"
    desk.tell("entry", ReportType.STATUS, "new")
    assert (desk.orders["entry"].state, desk.bracket.state) == ("open", "abandoned")
    desk.fill("entry", "1")
    assert desk.bracket.state == "covering"


def test_naked_bracket_stays_so_until_it_is_covered() -> None:
    """The proof that no child was made lets a stop be placed: the bound begins anew, the word stays."""
    desk = Desk(msgspec.structs.replace(BUY, exits="conditional-close"), ALERT)
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.after(2)
    assert desk.bracket.state == "naked"
    desk.bracket.prove_childless(qty(2))
    assert desk.think() == [PlaceStop(qty(2))]
    assert desk.bracket.state == "naked"
    desk.accept("x1")
    assert desk.bracket.state == "covered"


def test_target_that_was_only_decided_is_not_overdue() -> None:
    """Its bound runs from when it was written."""
    desk = covered_desk()
    spec = target_order(BUY, BTC, "t", qty(1))
    desk.bracket.learn(Order(spec, "target").view(), [], desk.now)
    assert desk.bracket._swaps.overdue(desk.bracket.orders.values(), desk.now) == frozenset()
    sent = Order(spec, "target")
    sent.dispatched(1)
    desk.bracket.learn(sent.view(), [], desk.now)
    assert desk.bracket._swaps.overdue(desk.bracket.orders.values(), desk.now) == {"t"}


@pytest.mark.parametrize(("sold", "why"), [("2", ""), ("1.5", OTHER_EXIT)])
def test_target_of_oco_closes_only_what_it_has_left_over(sold: str, why: str) -> None:
    """Half a coin is left over too; nothing is nothing to close."""
    desk = covered_desk(msgspec.structs.replace(BUY, contingency="oco"))
    desk.sees(touched("5"))
    desk.end("x1")
    desk.fill("x2", sold)
    if not desk.orders["x2"].ended:
        desk.end("x2")
    assert (desk.bracket.closing, desk.bracket.state) == (why, "exiting" if why else "flat")
