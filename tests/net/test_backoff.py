"""Waits between tries."""

import random

from engine.net.backoff import Backoff


def test_waits_double_jittered_up_to_the_bound():
    """Each wait lies in the upper half of 1, 2, 4 … 60 seconds, and it never gives up."""
    backoff = Backoff(random.Random(1))
    bounds = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    waits = [backoff.next_s() for _ in bounds]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len(set(waits)) == len(waits)
    for _ in range(2000):
        assert backoff.next_s() <= 60


def test_only_a_settled_life_starts_anew():
    """A connection that dies young keeps the waits growing, so that no budget is used up."""
    backoff = Backoff(random.Random(1))
    for _ in range(5):
        backoff.next_s(lived_s=1)
    assert backoff.next_s(lived_s=29) > 8
    assert backoff.next_s(lived_s=31) <= 1


def test_a_handful_of_tries_stays_within_the_first_bound():
    """Three quick tries, then doubling as ever."""
    backoff = Backoff(random.Random(1), handful=3)
    waits = [backoff.next_s() for _ in range(6)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, [1, 1, 1, 2, 4, 8], strict=True))


def test_settled_lives_keep_the_waits_short_for_ever():
    """However often it is lost and however long it was away: who lives for the settled time waits a second at most."""
    backoff = Backoff(random.Random(1), settled_s=5, handful=3)
    for _ in range(20):
        backoff.next_s()
    assert all(backoff.next_s(lived_s=5) <= 1 for _ in range(100))
    assert [backoff.next_s(lived_s=1) > 1 for _ in range(2)] == [True, True]
    backoff.next_s(lived_s=15)
    assert [backoff.next_s(lived_s=1) > 1 for _ in range(4)] == [False, False, True, True]
