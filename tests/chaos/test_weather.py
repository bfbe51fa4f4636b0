"""Weathers: what may strike, and that everything that may does."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import get_args

import pytest
import trio
import trio.testing

from engine.chaos.bending import in_squall
from engine.chaos.crowds import WITHIN_S, crowded
from engine.chaos.kinds import FRAMES, draw_request
from engine.chaos.moments import FILLED, PART, PLACED, Moments
from engine.chaos.run import run_seed
from engine.chaos.scenario import Act, draw_scenario
from engine.chaos.sky import Sky
from engine.chaos.squalls import SQUALLS
from engine.chaos.weather import FRAME_KINDS, REQUEST_KINDS, TIMED_KINDS, WEATHERS
from engine.risk.limits import Limits


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


@pytest.mark.parametrize("name", SQUALLS)
def test_squalls_are_about_kinds_and_acts_that_there_are(name: str):
    """Every fault has its way to strike, and every act is one that an operator knows."""
    squall = SQUALLS[name]
    assert set(squall.kinds) <= {*FRAME_KINDS, *REQUEST_KINDS, *TIMED_KINDS}
    assert set(squall.acts) <= set(get_args(Act))


def test_squall_bends_a_run_and_draws_the_same_from_the_same_seed():
    """Its weather has the squall's kinds alone, strikes abreast, and people do what meets it."""
    calm = draw_scenario(5)
    weather, bent = in_squall(WEATHERS["squall"], calm, Random(3))
    assert (weather, bent) == in_squall(WEATHERS["squall"], calm, Random(3))
    assert weather.weights in [squall.kinds for squall in SQUALLS.values()]
    assert set(calm.acts) < set(bent.acts)
    assert any(not pause_s for pause_s, _ in weather.draw(Random(1)))


def test_squall_leaves_a_given_account_its_terms():
    """Whose signals are given reckons with the usual tier."""
    given = draw_scenario(5, [signal for _, signal in draw_scenario(6).signals])
    for seed in range(40):
        _, bent = in_squall(WEATHERS["squall"], given, Random(seed))
        assert bent.sim.tier == given.sim.tier


@pytest.mark.parametrize("name", [name for name, squall in SQUALLS.items() if squall.crowd is not None])
def test_crowd_comes_at_once_to_one_market_and_is_what_people_act_upon(name: str):
    """It is as large as drawn, whatever limits the account had; a ladder waits on its own side of the price."""
    crowd, calm = SQUALLS[name].crowd, draw_scenario(5)
    assert crowd is not None
    bent, began_s = crowded(calm, crowd, Random(3))
    assert (bent, began_s) == crowded(calm, crowd, Random(3))
    came = [(at_s, one) for at_s, one in bent.signals if (at_s, one) not in calm.signals]
    assert crowd.count[0] <= len(came) <= crowd.count[1]
    assert len({one.signal_id for _, one in bent.signals}) == len(bent.signals)
    assert all(began_s <= at_s <= began_s + WITHIN_S for at_s, _ in came)
    assert len({one.symbol for _, one in came}) == 1
    assert bent.acts == ()
    assert bent.settings.limits == Limits()
    if crowd.ladder:
        assert all(one.limit_price is not None and one.entry_timeout_s is None for _, one in came)


async def test_moment_wakes_who_waits_for_it_and_nobody_who_came_late(autojump_clock):
    """Each hears of the first that comes while he waits, of the roles he asked for."""
    moments, woken = Moments(), []

    async def wait(*roles: str) -> None:
        woken.append(await moments.next(PART, FILLED, roles=roles))

    moments.came(PART, "entry", "before anybody waited")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait, "stop")
        await trio.testing.wait_all_tasks_blocked()
        moments.came(PLACED, "stop", "another moment")
        moments.came(FILLED, "entry", "first")
        moments.came(PART, "stop", "second")
    assert sorted(woken) == ["first", "second"]


def test_calm_weather_strikes_never():
    """The rules are judged at their strictest there."""
    assert run_seed(3, "calm").struck == {}


def test_storms_strike_with_many_kinds():
    """A few storms bring a good part of all kinds about, each counted when it met something."""
    struck: Counter[str] = Counter()
    for seed in range(1, 9):
        struck.update(run_seed(seed, "storm").struck)
    assert len(struck) >= 25
