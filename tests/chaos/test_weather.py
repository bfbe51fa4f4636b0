"""Weathers: what may strike, and that everything that may does."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from engine.chaos.kinds import FRAMES, draw_request
from engine.chaos.run import run_seed
from engine.chaos.sky import Sky
from engine.chaos.weather import FRAME_KINDS, REQUEST_KINDS, TIMED_KINDS, WEATHERS


def test_every_kind_has_its_way_to_strike():
    """No name is without an act."""
    assert set(FRAMES) == set(FRAME_KINDS)
    for kind in REQUEST_KINDS:
        names, action, times = draw_request(kind, Random(1))
        assert names
        assert action is not None
        assert times >= 1
    for kind in TIMED_KINDS:
        assert callable(getattr(Sky, f"_{kind}"))


@pytest.mark.parametrize("weather", WEATHERS.values(), ids=WEATHERS)
def test_weathers_draw_what_they_may(weather):
    """Counts lie within bounds, kinds have a weight, and equal streams draw equally."""
    for seed in range(20):
        drawn = weather.draw(Random(seed))
        least, most = weather.strikes
        assert least <= len(drawn) <= most
        assert all(weather.weights[kind] > 0 and pause_s >= 0 for pause_s, kind in drawn)
        assert drawn == weather.draw(Random(seed))


def test_calm_weather_strikes_never():
    """The rules are judged at their strictest there."""
    assert run_seed(3, "calm").struck == {}


def test_storms_strike_with_many_kinds():
    """A few storms bring a good part of all kinds about, each counted when it met something."""
    struck: Counter[str] = Counter()
    for seed in range(1, 9):
        struck.update(run_seed(seed, "storm").struck)
    assert len(struck) >= 25
