"""How long protection may stay away after a restart, by tier: reckoned by hand from Kraken's published counters."""

from __future__ import annotations

import pytest

from engine.kraken.limits import TIERS
from engine.kraken.restart_bound import restart_bound
from engine.venue.protocol import RestartBound, Unprotected


@pytest.mark.parametrize(
    ("tier", "bare", "seconds"),
    [
        ("starter", 1, 12.1),  # 2 / 0.33 for the calls, 5 for the questions, 1 / 1 for the stop
        ("starter", 12, 23.1),
        ("intermediate", 1, 9.4),  # 2 / 0.5 + 5 + 1 / 2.34
        ("intermediate", 12, 14.1),
        ("pro", 11, 9.9),  # 2 / 1 + 5 + 11 / 3.75
    ],
)
def test_bound_of_each_tier(tier: str, bare: int, seconds: float) -> None:
    """Counters full at the start: they decay while one stop after the other goes."""
    found = restart_bound(TIERS[tier], {"BTC/USD": Unprotected(bare, 0)}, 5.0)
    assert found == RestartBound(tier, bare, seconds)


def test_pairs_have_counters_of_their_own() -> None:
    """The slowest pair counts; a young stop that must be amended costs four points."""
    brackets = {"BTC/USD": Unprotected(bare=3, short=1), "ETH/USD": Unprotected(bare=5, short=0)}
    assert restart_bound(TIERS["starter"], brackets, 0.0) == RestartBound("starter", 9, 13.1)


def test_nothing_to_protect_takes_no_time() -> None:
    """No bracket, no bound."""
    assert restart_bound(TIERS["starter"], {}, 5.0) == RestartBound("starter", 0, 0.0)
