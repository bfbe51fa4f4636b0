"""Cover, rule by rule: stops that wait, shrink or are to move, each in a situation made for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.orders.cover import MOST_MOVES, Cover
from engine.orders.draft import Draft
from engine.orders.order import Order
from engine.orders.plans import Situation
from engine.orders.reports import Answer, Outcome
from engine.orders.specs import entry_order, stop_order
from engine.orders.standing import Standing
from engine.orders.steps import AmendStop, CancelExit, Step, WithdrawChange
from engine.orders.view import OrderView
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, START

OLD, NOW = px(90), px(92)
MOVED = msgspec.structs.replace(BUY, stop_loss=msgspec.structs.replace(BUY.stop_loss, trigger_price=NOW))


def entry(filled: str) -> OrderView:
    """An entry of which so much has filled, and which has ended."""
    order = Order(entry_order(BUY, BTC, "entry"), "entry")
    return msgspec.structs.replace(order.view(), state="canceled", done_qty=qty(filled), cum_qty=qty(filled))


def stop(name: str, amount: str, **other: Any) -> OrderView:
    """A stop that rests at the first trigger."""
    order = Order(stop_order(BUY, BTC, name, qty(amount)), "stop")
    order.dispatched(1)
    order.answered(Answer("new", name, Outcome.ACCEPTED, 2, f"O-{name}"))
    terms = {key: qty(value) if isinstance(value, str) and key != "state" else value for key, value in other.items()}
    return msgspec.structs.replace(order.view(), **terms)


def cover(held: str, *stops: OrderView, **facts: Any) -> tuple[Cover, list[Step]]:
    """The cover of so much held under these stops, and what it asks for."""
    stands = Standing(Situation(MOVED, BTC, (entry(held), *stops), START, **facts))
    draft = Draft(stands)
    return Cover(stands, draft), draft.steps


def completed(held: str, *stops: OrderView, **facts: Any) -> list[Step]:
    made, steps = cover(held, *stops, past_triggers=frozenset({OLD}), **facts)
    made.complete()
    return steps


def reduced(keep: str, held: str, *stops: OrderView) -> list[Step]:
    made, steps = cover(held, *stops)
    made.reduce(qty(keep))
    return steps


MOVE_S2 = AmendStop("s2", qty(1), NOW)
GROWING: dict[str, Any] = {"busy": True, "waits": True, "most": "1.5"}


def test_stop_that_grows_now_goes_before_the_moves_of_others() -> None:
    """Each costs points, and what is bare needs them first."""
    grows = AmendStop("s1", qty("1.5"), NOW)
    assert completed("2.5", stop("s1", "1"), stop("s2", "1")) == [grows]


def test_stop_whose_growth_waits_for_room_goes_before_the_moves_of_others() -> None:
    """What it is to cover stands bare until then."""
    assert completed("2.5", stop("s1", "1", **GROWING), stop("s2", "1")) == []


def test_stop_whose_shrink_waits_holds_up_no_move() -> None:
    """Nothing is bare for it."""
    shrinking = stop("s1", "1", busy=True, waits=True, least="0.5")
    assert completed("1.5", shrinking, stop("s2", "1"), trim_ready=False) == [MOVE_S2]


def test_fills_that_are_gathered_hold_up_the_moves_only_where_something_is_missing() -> None:
    """A grown stop for what has filled comes first; with nothing missing there is nothing to wait for."""
    rests = stop("s1", "1", trigger_price=NOW)
    assert completed("2", rests, stop("s2", "1"), cover_ready=False) == [MOVE_S2]
    assert completed("2.5", rests, stop("s2", "1"), cover_ready=False) == []


@pytest.mark.parametrize(("busy", "moved"), [(0, MOST_MOVES), (1, MOST_MOVES - 1), (MOST_MOVES, 0)])
def test_many_stops_are_moved_a_few_at_a_time(busy: int, moved: int) -> None:
    """Squall 2100535: twenty moves by REST, and dust that came to stand bare waited five seconds behind them."""
    stops = [stop(f"s{number}", "1", busy=number < busy) for number in range(9)]
    first = [f"s{number}" for number in range(busy, busy + moved)]
    assert completed("9", *stops) == [AmendStop(name, qty(1), NOW) for name in first]


@pytest.mark.parametrize("state", ["open", "partial"])
def test_shrink_that_waits_is_taken_back_with_its_swap(state: str) -> None:
    """In whichever state it rests."""
    made, steps = cover("1", stop("s1", "1", busy=True, waits=True, least="0.5", state=state))
    made.keep()
    assert steps == [WithdrawChange("s1")]


def test_growth_that_waits_stays_when_a_swap_is_given_up() -> None:
    """The swap has not asked for it."""
    made, steps = cover("2", stop("s1", "1", **GROWING))
    made.keep()
    assert steps == []


UNDER_WAY = [
    ({"least": "0.5"}, "1.05", False),
    ({"most": "1.5"}, "1.55", True),
    ({}, "1.05", True),
    ({"least": "0"}, "1.05", True),
]


@pytest.mark.parametrize(("change", "keep", "canceled"), UNDER_WAY, ids=["shrinks", "grows", "moves", "is canceled"])
def test_lesser_stop_gives_way_unless_a_larger_one_is_shrinking(
    change: dict[str, str], keep: str, canceled: bool
) -> None:
    """What an amend under way takes counts before the lesser one is canceled, and half of it left bare."""
    steps = reduced(keep, "1.1", stop("s1", "0.1"), stop("s2", "1", busy=True, **change))
    assert steps == ([CancelExit("s1", "quantity goes elsewhere")] if canceled else [])


@pytest.mark.parametrize(("keep", "left"), [("1.5", "1.5"), ("1", None), ("0.05", None)])
def test_growth_that_waits_is_brought_down_or_taken_back(keep: str, left: str | None) -> None:
    """To what it was, or to less than the venue takes: then it does not go at all."""
    steps = reduced(keep, "2", stop("s1", "1", busy=True, waits=True, most="2"))
    assert steps == [WithdrawChange("s1") if left is None else AmendStop("s1", qty(left))]


def test_move_that_waits_is_not_brought_down() -> None:
    """It takes nothing from the stop: the shrink comes once it has gone."""
    assert reduced("0.5", "1", stop("s1", "1", busy=True, waits=True)) == []
