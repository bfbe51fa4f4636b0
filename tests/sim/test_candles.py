"""Candles and 24-hour figures against a plain recount of all trades."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.sim.candles import INTERVALS, Candle, Candles, without_gaps
from engine.sim.numbers import NS

MINUTE, DAY = 60 * NS, 86_400 * NS
START = 1_767_225_600 * NS
trades = st.lists(
    st.tuples(
        st.integers(1, 90 * 60),  # seconds since the one before
        st.integers(1, 9).map(Decimal),
        st.integers(1, 5).map(Decimal),
    ),
    min_size=1,
    max_size=60,
)


def timed(rows: list[tuple[int, Decimal, Decimal]]) -> list[tuple[int, Decimal, Decimal]]:
    """Turn pauses into moments."""
    at, told = START, []
    for pause, price, qty in rows:
        at += pause * NS
        told.append((at, price, qty))
    return told


def recount(rows: list[tuple[int, Decimal, Decimal]], start_ns: int) -> Candle:
    """Count trades one by one."""
    prices = [price for _, price, _ in rows]
    volume = sum((qty for _, _, qty in rows), Decimal(0))
    cost = sum((price * qty for _, price, qty in rows), Decimal(0))
    return Candle(start_ns, prices[0], max(prices), min(prices), prices[-1], volume, cost, len(rows))


@given(trades)
def test_candles_of_every_interval_equal_a_recount(rows: list[tuple[int, Decimal, Decimal]]) -> None:
    """However trades fall into minutes, each interval's candles are those of its own trades; the newest is alike."""
    candles, told = Candles(), timed(rows)
    for at, price, qty in told:
        candles.add(price, qty, at)
    for minutes in INTERVALS:
        length = minutes * MINUTE
        groups: dict[int, list[tuple[int, Decimal, Decimal]]] = {}
        for row in told:
            groups.setdefault(row[0] - row[0] % length, []).append(row)
        expected = [recount(group, start) for start, group in groups.items()]
        assert candles.rows(minutes) == expected
        assert candles.last(minutes) == expected[-1]


@given(trades, st.integers(0, 30 * 3600))
def test_day_figures_equal_a_recount_of_whole_minutes(rows: list[tuple[int, Decimal, Decimal]], later_s: int) -> None:
    """At any later moment the figures are those of the minutes begun within the last 24 hours."""
    candles, told = Candles(), timed(rows)
    for at, price, qty in told:
        candles.add(price, qty, at)
        candles.day(at)  # a look in between changes nothing
    now = told[-1][0] + later_s * NS
    inside = [row for row in told if row[0] - row[0] % MINUTE > now - DAY]
    found = candles.day(now)
    if not inside:
        assert (found.count, found.volume, found.high) == (0, 0, 0)
        return
    expected = recount(inside, found.start_ns)
    assert found == expected


@given(trades, st.integers(0, 50 * 60))
def test_gaps_are_filled_at_the_last_price(rows: list[tuple[int, Decimal, Decimal]], later_s: int) -> None:
    """Without gaps starts are one interval apart, up to the present one, at most 720; empty ones are flat."""
    candles, told = Candles(), timed(rows)
    for at, price, qty in told:
        candles.add(price, qty, at)
    now = told[-1][0] + later_s * NS
    filled = without_gaps(candles.rows(1), 1, now)
    starts = [row.start_ns for row in filled]
    assert starts == list(range(starts[0], now - now % MINUTE + 1, MINUTE))
    assert len(filled) <= 720
    for before, row in pairwise(filled):
        if not row.count:
            assert (row.open, row.high, row.low, row.close) == (before.close,) * 4
