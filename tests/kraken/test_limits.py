"""Kraken's counters against its own examples."""

from decimal import Decimal

import pytest

from engine.kraken.limits import Counter, EngineCounters, cost


@pytest.mark.parametrize(
    ("transaction", "costs"),
    [
        ("add", [1, 1, 1, 1, 1, 1, 1]),
        ("amend", [4, 3, 2, 1, 1, 1, 1]),
        ("edit", [7, 6, 5, 3, 2, 1, 1]),
        ("cancel", [8, 6, 5, 4, 2, 1, 0]),
    ],
)
def test_costs_by_age_are_the_documented_table(transaction, costs):
    """Every column of the table, at its lower edge."""
    assert [cost(transaction, age) for age in (0, 5, 10, 15, 45, 90, 300)] == costs


def test_krakens_example_adds_up_to_eight():
    """Add, amend after 7 s, cancel 36 s after the amend: 1 + 3 + 4."""
    counters = EngineCounters("pro")
    points = counters.points("add", "", 0)
    counters.touch("O", 0)
    points += counters.points("amend", "O", 7)
    counters.touch("O", 7)
    points += counters.points("cancel", "O", 43)
    assert points == 8


def test_fifty_adds_decay_to_26_6():
    """Fifty adds, then ten seconds on Intermediate."""
    counter = EngineCounters("intermediate").of("BTC/USD")
    for _ in range(50):
        counter.charge(1, 100)
    assert counter.level(110) == pytest.approx(26.6)
    assert counter.level(1000) == 0


def test_wait_is_until_there_is_room():
    """Above the threshold the wait is what decay needs; below it there is none; a reserve counts as used."""
    counter = Counter(60, 1)
    counter.charge(58, 0)
    assert counter.wait_s(2, 0) == 0
    assert counter.wait_s(3, 0) == pytest.approx(1)
    assert counter.wait_s(1, 0, reserve=10) == pytest.approx(9)
    assert counter.wait_s(3, 1) == 0


def test_pairs_are_counted_apart_and_unknown_age_is_dear():
    """One pair's load does not slow another; an order of unknown age costs as a young one."""
    counters = EngineCounters("starter")
    counters.of("BTC/USD").charge(60, 0)
    assert counters.of("ETH/USD").level(0) == 0
    assert counters.points("cancel", "never-seen", 1000) == 8


def test_the_venues_words_outrank_the_model():
    """A reported counter and threshold replace ours."""
    counters = EngineCounters("starter")
    counters.correct("BTC/USD", Decimal("70.5"), 0)
    counters.allow(Decimal(125))
    assert counters.of("BTC/USD").level(0) == 70.5
    assert counters.of("BTC/USD").wait_s(1, 0) == 0
    assert counters.of("ETH/USD").threshold == 125
