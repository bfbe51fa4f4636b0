"""Seeds on every commit: mixed weather, and squalls, in blocks that workers share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from engine.chaos.run import run_seed

BLOCK = 20
MIXED, SQUALLS = range(1, 301, BLOCK), range(1, 21, BLOCK)


@pytest.fixture(autouse=True)
def few_collections() -> Iterator[None]:
    """A run is short, and most of what it makes dies with it: looking for garbage more seldom saves a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    yield
    gc.set_threshold(*before)


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
