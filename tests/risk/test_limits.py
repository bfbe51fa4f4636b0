"""Limits as a whole: whether any stands at all."""

from __future__ import annotations

import pytest

from engine.risk.limits import Limits, StrategyLimits, SymbolLimits
from tests.risk.limits_world import d


@pytest.mark.parametrize(
    "limits",
    [Limits(), Limits(currency="EUR", rates={"USD": d("0.9")}, repeats_window_s=5.0), Limits(link_loss_halt_s=30.0)],
)
def test_words_without_a_limit_limit_nothing(limits):
    """A currency, rates or windows alone keep no order back: a live venue is not traded on so."""
    assert limits.judges_nothing


@pytest.mark.parametrize(
    "limits",
    [
        Limits(collar_bps=d(200)),
        Limits(check_balance=True),
        Limits(symbols=()),
        Limits(each_symbol=SymbolLimits(exposure_most=d(1))),
        Limits(strategy={"a": StrategyLimits(open_orders_most=1)}),
    ],
)
def test_one_limit_is_enough_to_judge(limits):
    """Whichever it is, also of one market or one strategy."""
    assert not limits.judges_nothing
