"""Ages and latencies of one symbol's book."""

from __future__ import annotations

from engine.market.freshness import LATENCIES, FreshnessClock


def test_ages_count_from_the_last_update_and_the_last_verified_one():
    """Nothing was heard: no age. A broken update is heard, and not verified."""
    clock = FreshnessClock()
    assert clock.ages(5) == (None, None)
    clock.heard(10, None, verified=True)
    clock.heard(12, None, verified=False)
    assert clock.ages(15) == (3, 5)
    assert clock.updates == 2


def test_latency_is_the_median_and_the_longest_of_the_last():
    """Old ones are forgotten; messages without a venue time count for nothing."""
    clock = FreshnessClock()
    assert clock.latencies() == (None, None)
    clock.heard(0, 9 * 10**9, verified=True)
    for number in range(LATENCIES):
        clock.heard(number, 30_000_000 if number % 2 else 10_000_000, verified=True)
        clock.heard(number, None, verified=True)
    assert clock.latencies() == (0.03, 0.03)
    clock.heard(0, 50_000_000, verified=True)
    assert clock.latencies()[1] == 0.05
