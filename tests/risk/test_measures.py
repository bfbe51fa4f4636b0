"""Every check's numbers, told before anything is sent, are those that the check itself judges by."""

from __future__ import annotations

from typing import Any

import pytest

from engine.orders.signal import parse_signal
from engine.risk.limit_checks import CHECKS, breaches
from engine.risk.limits import Limits
from engine.risk.measures import BEYOND, measure_limits, measure_shape
from tests.control.conftest import FIRST, SIGNAL
from tests.risk.limits_world import BOOK, BTC, INSTRUMENT, NOW_NS, d, now, order, standing
from tests.risk.test_limit_checks import EDGES


@pytest.mark.parametrize(("code", "limits", "edge", "numbers"), EDGES, ids=[one[0] for one in EDGES])
def test_what_is_measured_is_what_denies(
    code: str, limits: dict[str, Any], edge: tuple[dict[str, Any], ...], numbers: tuple[Any, Any, Any]
) -> None:
    """Up to its edge a check passes and tells how far it is; beyond it, it has the denial's own numbers."""
    fits, beside, breaks, beyond = edge
    held = Limits(**limits)
    passed = list(measure_limits(order(**fits), now(**beside), held))
    assert [one.passed for one in passed] == [True] * len(CHECKS)
    failed = [one for one in measure_limits(order(**breaks), now(**beyond), held) if not one.passed]
    denials = list(breaches(order(**breaks), now(**beyond), held))
    assert [(one.code, one.reason) for one in failed] == [(one.code, one.reason) for one in denials]
    at = next(place for place, one in enumerate(measure_limits(order(**breaks), now(**beyond), held)) if not one.passed)
    if fits.get("limit_price", "") is not None:  # a market order's collar is a depth: no number while it passes
        limit, observed = passed[at].limit, passed[at].observed
        assert limit is not None
        assert observed is not None
        assert observed <= limit
        assert failed[0].observed == numbers[1]


def test_numbers_are_told_where_nothing_is_limited() -> None:
    """A person sees what the order comes to, limit or none; nothing of the impossible limit shows through."""
    found = {one.name: one for one in measure_limits(order(), now(here=standing(1, buying=1)), Limits())}
    assert all(one.passed for one in found.values())
    assert {name: one.observed for name, one in found.items() if one.observed is not None} == {
        "age of the signal": 0,
        "age of the book": 0,
        "quantity": 1,
        "value": 100,
        "price collar": 0,
        "position": 3,
        "exposure of the market": 300,
        "exposure of the strategy": 300,
        "exposure in total": 300,
        "open orders": 1,
        "open orders of the strategy": 1,
        "entries within a second": 1,
        "realised loss today": 0,
        "loss today": 0,
        "realised loss of the strategy": 0,
        "loss of the strategy": 0,
        "drawdown": 0,
        "balance": d("100.4"),
    }
    assert all(one.limit is None or one.limit > -BEYOND for one in found.values())
    assert found["balance"].unit == "USD"
    assert found["quantity"].unit == "BTC"


def test_a_signal_of_bad_shape_is_judged_no_further() -> None:
    """The first fault of prices is named with its code; what would come behind it is left out."""
    signal = parse_signal((SIGNAL % FIRST).replace("49000.0", "50500.0"))
    found = measure_shape(signal, INSTRUMENT, BOOK, NOW_NS)
    assert [one.name for one in found][-2:] == ["leverage offered", "order of prices"]
    assert (found[-1].passed, found[-1].code) == (False, "PRICES_OUT_OF_ORDER")
    assert measure_shape(signal, None, None, NOW_NS)[-1].code == "SYMBOL_UNKNOWN"
    assert measure_shape(signal, INSTRUMENT, None, NOW_NS)[-1].code == "BOOK_NOT_FRESH"
    assert INSTRUMENT.symbol == BTC
