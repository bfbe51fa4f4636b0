"""A thousand malformed requests and frames at the exchange, and what a hundred thousand have found."""

from __future__ import annotations

from tests.fuzz.exchange import run


def test_exchange_takes_a_thousand_malformed_requests_and_frames() -> None:
    """Each is answered or its connection closed; sane clients go on, money is conserved, nothing piles up."""
    ended = run(1_000, seed=4)
    assert sum(ended.values()) == 1_000
    assert min(ended[how] for how in ("frame EGeneral", "frame taken", "rest EGeneral", "rest taken", "http 400")) > 10


def test_the_same_seed_ends_the_same() -> None:
    """A failure's seed is its report."""
    assert run(150, seed=5) == run(150, seed=5)
