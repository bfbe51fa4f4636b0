"""Rounding by name."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.values.money import (
    average,
    ceil_to,
    floor_to,
    limit_more_willing,
    limit_not_worse,
    plain,
    trigger_not_later,
    trimmed,
    whole_lots,
)

AMOUNTS = st.decimals(0, 10**18, allow_nan=False, allow_infinity=False)
STEPS = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.1"), Decimal("0.00000001"), Decimal(25)])
TICK = Decimal("0.1")


@given(AMOUNTS, STEPS)
def test_floor_and_ceil_bracket_the_value(value: Decimal, step: Decimal) -> None:
    """Never past the value, never a step away, however many digits it has."""
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low <= value <= high
    assert high - low in (0, step)


def test_digits_beyond_the_usual_precision_do_not_round_up() -> None:
    """Thirty-two nines are still less than one."""
    assert floor_to(Decimal("0." + "9" * 32), Decimal(1)) == 0
    assert ceil_to(Decimal("1." + "0" * 31 + "1"), Decimal(1)) == 2


def test_lots_are_written_with_the_digits_of_the_step() -> None:
    """Never more than asked or held."""
    assert str(whole_lots(Decimal("1.23999"), Decimal("0.010"))) == "1.230"


def test_prices_round_for_their_purpose() -> None:
    """An entry never pays more, a stop never fires later, a stop's limit leans towards filling."""
    price = Decimal("100.05")
    assert [limit_not_worse(side, price, TICK) for side in ("buy", "sell")] == [Decimal("100.0"), Decimal("100.1")]
    assert [trigger_not_later(side, price, TICK) for side in ("sell", "buy")] == [Decimal("100.1"), Decimal("100.0")]
    assert [limit_more_willing(side, price, TICK) for side in ("sell", "buy")] == [Decimal("100.0"), Decimal("100.1")]


def test_average_of_nothing_is_zero() -> None:
    """And a real one is rounded half-even."""
    assert average(Decimal(5), Decimal(0), 2) == 0
    assert average(Decimal("0.25"), Decimal(2), 2) == Decimal("0.12")


def test_texts_have_no_exponent() -> None:
    """For the wire with all digits, for people without trailing zeros."""
    assert plain(Decimal("1E-8")) == "0.00000001"
    assert [trimmed(Decimal(text)) for text in ("1.500", "100", "0.0", "1E+2")] == ["1.5", "100", "0", "100"]
