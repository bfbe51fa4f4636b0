"""Shares of the targets: what each is still to take, whatever has left by which way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders.events import Role
from engine.orders.order import Order
from engine.orders.signal import Signal, TakeProfit
from engine.orders.specs import stop_order, target_order
from engine.orders.targets import portions, rests, sell_price, targets_rest
from engine.orders.view import OrderView
from engine.values.money import trimmed
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY

NONE = Decimal(0)


def shared(*shares: str) -> Signal:
    targets = [TakeProfit(px(110 + 10 * n), share=Decimal(share)) for n, share in enumerate(shares)]
    return msgspec.structs.replace(BUY, take_profit=targets[0], more_targets=tuple(targets[1:]))


def parts(signal: Signal, entered: str, held: str) -> list[tuple[int, str]]:
    return [(place, trimmed(qty)) for place, qty in portions(signal, BTC, Decimal(entered), Decimal(held))]


@pytest.mark.parametrize(
    ("entered", "held", "expected"),
    [("2", "2", [(0, "1"), (1, "0.6"), (2, "0.4")]),
     ("2", "1.5", [(0, "0.5"), (1, "0.6"), (2, "0.4")]),
     ("2", "1", [(1, "0.6"), (2, "0.4")]),
     ("2", "0.8", [(1, "0.4"), (2, "0.4")]),
     ("2", "0.4", [(2, "0.4")]),
     ("2", "0", [])],
)  # fmt: skip
def test_what_has_left_counts_for_the_nearest_targets(entered: str, held: str, expected: list[tuple[int, str]]) -> None:
    """By a target, by the stop or by a person: the sums alone tell the progress."""
    assert parts(shared("0.5", "0.3", "0.2"), entered, held) == expected


def test_remainder_of_lots_goes_to_the_last() -> None:
    """Thirds in hundredths of a coin: the last takes what rounding left."""
    assert parts(shared("0.33", "0.33", "0.34"), "0.5", "0.5") == [(0, "0.16"), (1, "0.17"), (2, "0.17")]
    assert parts(shared("0.33", "0.33", "0.34"), "0.505", "0.505")[-1] == (2, "0.17")


def test_part_below_the_minimum_goes_to_the_next_target() -> None:
    """Of a small fill a share would be dust: the target after it takes both, at its own price."""
    assert parts(shared("0.5", "0.5"), "0.18", "0.18") == [(1, "0.18")]


def test_last_part_below_the_minimum_goes_to_the_one_before() -> None:
    """Nothing comes after the last."""
    assert parts(shared("0.9", "0.1"), "0.5", "0.5") == [(0, "0.5")]


def test_one_target_takes_all() -> None:
    """Without shares there is nothing to divide."""
    assert parts(BUY, "2", "2") == [(0, "2")]


_SHARES = st.sampled_from([("1",), ("0.5", "0.5"), ("0.2", "0.3", "0.5"), ("0.25", "0.25", "0.25", "0.25")])


@given(_SHARES, st.integers(0, 300), st.integers(0, 300))
def test_parts_never_exceed_what_is_held(shares: tuple[str, ...], entered: int, held: int) -> None:
    """Each in whole lots above the minimum, together at most the position, and all of it where it can be ordered."""
    have = min(entered, held)
    found = portions(shared(*shares), BTC, Decimal(entered) / 100, Decimal(have) / 100)
    total = sum((qty for _, qty in found), NONE)
    assert total <= Decimal(have) / 100
    assert all(qty >= BTC.qty_min for _, qty in found)
    assert [place for place, _ in found] == sorted({place for place, _ in found})
    assert (total == 0) == (have < 10)


# --- whether targets rest ---------------------------------------------------------------------------------------------

BOTH = msgspec.structs.replace(BUY, exits="both-rest")


def told(role: Role = "target", **changes: Any) -> OrderView:
    """A target that rests, as others see it."""
    spec = stop_order(BOTH, BTC, "t", qty(2)) if role == "stop" else target_order(BOTH, BTC, "t", qty(2), rest=True)
    order = Order(spec, role)
    order.dispatched(1)
    return msgspec.structs.replace(order.view(), **changes)


def test_targets_rest_only_where_it_was_asked() -> None:
    """And from the start, before anything has been placed."""
    assert not targets_rest(BUY, [], frozenset())
    assert targets_rest(BOTH, [], frozenset())
    assert targets_rest(BOTH, [told()], frozenset())


@pytest.mark.parametrize("role", ["stop", "target"])
def test_exit_without_funds_ends_the_resting(role: Role) -> None:
    """The account's holds do not allow it; an entry's refusal says nothing of that."""
    assert not targets_rest(BOTH, [told(role, state="rejected", code="INSUFFICIENT_FUNDS")], frozenset())
    entry = msgspec.structs.replace(told(state="rejected", code="INSUFFICIENT_FUNDS"), role="entry")
    assert targets_rest(BOTH, [entry], frozenset())


@pytest.mark.parametrize(
    ("changes", "asked", "rest"),
    [({"state": "canceled"}, False, False), ({"state": "canceled"}, True, True),
     ({"state": "filled", "done_qty": qty(2)}, False, True), ({"state": "canceled", "done_qty": qty(1)}, False, False),
     ({"state": "rejected", "code": "RATE_LIMIT"}, False, True),
     ({"state": "rejected", "code": "ORDERS_LIMIT"}, False, False),
     ({"state": "open", "code": "SHRUNK_BY_VENUE"}, False, False), ({"state": "open"}, False, True)],
)  # fmt: skip
def test_target_lost_or_cut_unasked_is_watched_from_then_on(changes: dict[str, Any], asked: bool, rest: bool) -> None:
    """Ours to cancel, done, or refused for now: no loss. For want of a slot: the stop needs it more."""
    assert targets_rest(BOTH, [told(**changes)], frozenset({"t"} if asked else ())) == rest


def test_stop_that_was_cut_or_lost_says_nothing_of_targets() -> None:
    """It has rules of its own."""
    for changes in ({"state": "canceled"}, {"state": "open", "code": "SHRUNK_BY_VENUE"}):
        assert targets_rest(BOTH, [told("stop", **changes)], frozenset())


def test_targets_refused_for_now_three_times_are_watched_instead() -> None:
    """Each try costs a point that the stop may need."""
    refused = told(state="rejected", code="RATE_LIMIT")
    assert targets_rest(BOTH, [refused, refused], frozenset())
    assert not targets_rest(BOTH, [refused] * 3, frozenset())
    stop = told("stop", state="rejected", code="RATE_LIMIT")
    assert targets_rest(BOTH, [stop] * 3, frozenset())


def test_target_sent_at_once_or_at_market_does_not_rest() -> None:
    """Nor does any stop."""
    at_market = msgspec.structs.replace(BUY, take_profit=TakeProfit(px(110), "take-profit"))
    assert rests(told())
    for spec in (target_order(BUY, BTC, "t", qty(2)), target_order(at_market, BTC, "t", qty(2))):
        assert not rests(msgspec.structs.replace(told(), spec=spec))
    assert not rests(told("stop"))


def test_minima_of_a_target_are_judged_by_its_limit() -> None:
    """Where it has one."""
    assert sell_price(TakeProfit(px(110))) == 110
    assert sell_price(TakeProfit(px(110), "take-profit-limit", px(108))) == 108


def test_part_is_judged_by_its_own_targets_price() -> None:
    """Ten of cost at least: a tenth of a coin at 110 is enough, at 90 it is not."""
    dear = msgspec.structs.replace(BTC, cost_min=Decimal(10))
    assert portions(shared("1"), dear, Decimal("0.1"), Decimal("0.1")) == [(0, qty("0.10"))]
    cheap = msgspec.structs.replace(BUY, take_profit=TakeProfit(px(90), share=Decimal(1)))
    assert portions(cheap, dear, Decimal("0.1"), Decimal("0.1")) == []


def test_dust_that_has_left_does_not_cost_the_last_target_a_lot() -> None:
    """It takes all that is held, counted before it is rounded."""
    assert parts(BUY, "2.005", "2") == [(0, "2")]
