"""Seeds on every commit: mixed weather, and squalls, in blocks that workers share."""

from __future__ import annotations

import pytest

from engine.chaos.run import run_seed

BLOCK = 20
MIXED, SQUALLS = range(1, 301, BLOCK), range(1, 21, BLOCK)


@pytest.mark.parametrize("first", MIXED)
def test_mixed_seeds_break_no_rule(first: int):
    """Three hundred in all."""
    assert broken("mixed", first) == []


@pytest.mark.parametrize("first", SQUALLS)
def test_squalls_break_no_rule(first: int):
    """Twenty, each about one thing."""
    assert broken("squall", first) == []


def broken(weather: str, first: int) -> list[str]:
    """Return what broke, and the command that shows it."""
    results = [run_seed(seed, weather) for seed in range(first, first + BLOCK)]
    return [
        f"python -m engine chaos --replay {one.seed} --weather {weather}: {one.violations[0].invariant}"
        for one in results
        if one.failed
    ]
