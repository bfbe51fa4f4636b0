"""Shares of the targets: what each is still to take, whatever has left by which way."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders.signal import Signal, TakeProfit
from engine.orders.targets import portions
from engine.values.money import trimmed
from tests.orders.conftest import px
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
