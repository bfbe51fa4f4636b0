"""From rows back to a bracket: each intent and request is the planner's step again, each answer frees its order."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.orders.bracket_events import BracketEvent, Policy
from engine.orders.brackets import Bracket
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder
from engine.orders.events import Role
from engine.orders.replay import Closed, Requested, rebuild_bracket, step_of
from engine.orders.reports import Answer, Outcome
from engine.orders.signal import TakeProfit
from engine.orders.specs import close_order, entry_order, stop_order, target_order
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.orders.terms import BreakEven
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, NS, Desk, covered_desk, touched

TARGETS = (
    TakeProfit(px(110), share=Decimal("0.5")),
    TakeProfit(px(120), "take-profit", share=Decimal("0.25")),
    TakeProfit(px(130), "take-profit-limit", px(129), Decimal("0.25")),
)
THREE = msgspec.structs.replace(BUY, take_profit=TARGETS[0], more_targets=TARGETS[1:])


def again(desk: Desk) -> Bracket:
    """The bracket as its rows give it."""
    bracket = rebuild_bracket(desk.facts, desk.bracket.policy)
    assert bracket is not None
    return bracket


def asked(bracket: Bracket) -> dict[str, tuple[str, ...]]:
    """What was last asked of each order, by the name of the command."""
    return {cl: step.key() for cl, step in bracket._steps.last.items()}


@pytest.mark.parametrize(
    ("role", "spec", "step"),
    [("stop", stop_order(THREE, BTC, "x", qty(2)), PlaceStop(qty(2))),
     ("close", close_order(BTC, "x", "sell", qty(2)), PlaceClose(qty(2), "sell", "why")),
     ("close", close_order(BTC, "x", "buy", qty(1), px(99)), PlaceClose(qty(1), "buy", "why", px(99))),
     ("entry", entry_order(THREE, BTC, "x"), None)],
    ids=["stop", "close", "close at a limit", "entry"],
)  # fmt: skip
def test_intent_is_the_step_it_came_from(role: Role, spec: NewOrder, step: Step | None) -> None:
    """Quantity, side, reason and limit; the entry is nobody's step."""
    assert step_of(Bracket(THREE, BTC, Policy()), spec, role, "why") == step


@pytest.mark.parametrize("place", [0, 1, 2])
def test_watched_target_is_known_by_its_prices(place: int) -> None:
    """Which of several it was: its type, limit and trigger say."""
    spec = target_order(THREE, BTC, "x", qty(1), place)
    assert step_of(Bracket(THREE, BTC, Policy()), spec, "target", "") == PlaceTarget(qty(1), place)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_resting_target_is_known_by_its_prices_and_that_it_rests(place: int) -> None:
    """The venue's own order types are told apart from those sent at once."""
    spec = target_order(THREE, BTC, "x", qty(1), place, rest=True)
    assert step_of(Bracket(THREE, BTC, Policy()), spec, "target", "") == PlaceTarget(qty(1), place, rest=True)


def test_target_that_was_moved_since_counts_for_the_nearest() -> None:
    """No target has its price any more."""
    spec = target_order(THREE, BTC, "x", qty(1), 2)
    elsewhere = msgspec.structs.replace(spec, limit_price=px(77))
    assert step_of(Bracket(THREE, BTC, Policy()), elsewhere, "target", "") == PlaceTarget(qty(1), 0)


def test_amend_of_a_stop_is_remembered_with_its_prices() -> None:
    """Refused after the restart, exactly that is not repeated."""
    desk = covered_desk()
    desk.bracket.move_exits(px(95), None)
    desk.think()
    bracket = again(desk)
    assert bracket._steps.last["x1"] == desk.bracket._steps.last["x1"] == AmendStop("x1", qty(2), px(95))


def test_amend_with_a_limit_is_remembered_with_both_prices() -> None:
    """Trigger and limit are not mixed up."""
    desk = covered_desk()
    request = AmendOrder("x1", "O-x1", "BTC/USD", qty(1), px(88), px(89))
    desk.facts.append(("x1", Requested(request, "ws", "")))
    assert again(desk)._steps.last["x1"] == AmendStop("x1", qty(1), px(89), px(88))


def test_cancel_of_an_exit_is_remembered_as_ours() -> None:
    """Its end is no loss."""
    desk = covered_desk()
    desk.sees(touched("2"))
    bracket = again(desk)
    assert bracket._steps.last["x1"] == CancelExit("x1", "")
    assert bracket._steps.asked_to_cancel == {"x1"}


def test_cancel_of_the_entry_is_remembered_as_the_entrys() -> None:
    """Refused, it is the entry's cancel that waits."""
    desk = Desk()
    desk.accept("entry")
    desk._ask(CancelOrder("entry", "O-entry", "BTC/USD"), CancelEntry("target touched"))
    bracket = again(desk)
    assert bracket._steps.last["entry"] == CancelEntry("")
    assert bracket._steps.asked_to_cancel == {"entry"}


def test_commands_of_a_whole_life_come_back() -> None:
    """Stop, swap, target, the stop that comes back, and a close: asked again as they were."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.fill("x2", "1")
    desk.end("x2")
    desk.accept("x3")
    desk.bracket.close("by command")
    desk.after(1)
    desk.end("x3")
    assert [order.role for order in desk.orders.values()] == ["entry", "stop", "target", "stop", "close"]
    bracket = again(desk)
    assert asked(bracket) == asked(desk.bracket)
    assert bracket._steps.last["x4"] == PlaceClose(qty(1), "sell", "")
    assert bracket.orders == desk.bracket.orders


def test_answer_alone_frees_its_order() -> None:
    """We stopped between the answer's row and its event: the order is not busy for ever."""
    desk = covered_desk()
    request = CancelOrder("x1", "O-x1", "BTC/USD")
    desk.facts += [("x1", Requested(request, "ws", "")), ("x1", Answer("cancel", "x1", Outcome.NOT_SENT, desk.now))]
    view = again(desk).orders["x1"]
    assert (view.busy, view.state) == (False, "open")


def test_rows_of_an_ended_bracket_fold_to_its_end() -> None:
    """Its result row moves nothing."""
    desk = Desk()
    desk.refuse("entry")
    desk.facts.append(("", Closed("abandoned", qty(0), "")))
    assert (again(desk).state, desk.bracket.state) == ("abandoned", "abandoned")


def test_times_of_fills_come_back() -> None:
    """Bounds go on counting from when the entry filled, not from the restart."""
    timed = msgspec.structs.replace(BUY, exit_after_s=Decimal(60))
    desk = Desk(timed)
    desk.accept("entry")
    desk.now += 5 * NS
    desk.fill("entry", "2")
    bracket = again(desk)
    assert bracket.barrier_ns == desk.bracket.barrier_ns == desk.now + 60 * NS
    assert bracket.fill_known == (2, desk.now)


# --- a bracket's own rows ---------------------------------------------------------------------------------------------


def test_moved_exits_come_back_as_they_were_moved() -> None:
    """Who, to where, which target: and nothing is told a second time."""
    desk = Desk(THREE)
    event = BracketEvent(
        "", "entering", "entering", desk.now, qty(0), qty(0), moved="command", stop=px(95), target=px(125), place=1
    )
    desk.bracket.apply(event)
    stop, targets = desk.bracket.terms.stop_loss, desk.bracket.terms.targets
    assert stop is not None
    assert (stop.trigger_price, [target.price for target in targets]) == (95, [110, 125, 130])
    assert desk.bracket.think(desk.market, desk.now)[1] == []


def test_break_even_that_was_reached_is_not_reached_again() -> None:
    """Who moved the stop is part of the row."""
    even = msgspec.structs.replace(BUY, break_even=BreakEven(px(105)))
    desk = Desk(even)
    desk.bracket.apply(
        BracketEvent("", "entering", "entering", desk.now, qty(0), qty(0), moved="break_even", stop=px(100))
    )
    assert desk.bracket.terms.break_even is None


def test_gauge_goes_on_from_what_was_journalled() -> None:
    """What was bare then stays so while nobody looks."""
    desk = Desk()
    desk.bracket.apply(
        BracketEvent("begin_cover", "entering", "covering", desk.now, qty(2), qty(2), uncovered_qty_s=Decimal(3))
    )
    assert (desk.bracket.uncovered, desk.bracket.gauge(desk.now + 2 * NS)) == (2, 7)


def test_latch_that_was_journalled_is_told() -> None:
    """Only a change after the last row is news."""
    desk = Desk()
    desk.bracket.apply(
        BracketEvent("", "entering", "entering", desk.now, qty(0), qty(0), closing="by command", close_all=True)
    )
    assert (desk.bracket.closing, desk.bracket.close_all, desk.bracket.untold) == ("by command", True, False)
    desk.bracket.keep()
    assert desk.bracket.untold


def test_entry_that_was_taken_back_stays_so() -> None:
    """Once is news: said again, or of an entry that has ended, it is none."""
    desk = Desk()
    desk.bracket.unwant_entry("asked by the user")
    _, (event,) = desk.bracket.think(desk.market, desk.now)
    after = Desk()
    after.bracket.apply(event)
    after.bracket.unwant_entry("said again")
    assert (after.bracket.unwanted, after.bracket.untold) == ("asked by the user", False)


def test_entry_that_has_ended_is_taken_back_by_nobody() -> None:
    """There is nothing left of it."""
    desk = covered_desk()
    desk.bracket.unwant_entry("asked by the user")
    assert desk.bracket.unwanted == ""
