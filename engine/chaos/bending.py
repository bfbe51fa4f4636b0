"""A run and its weather, bent to what a squall is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from engine.chaos.crowds import crowded
from engine.chaos.dates import later
from engine.chaos.market import MarketPlan
from engine.chaos.scenario import Act, Scenario
from engine.chaos.squalls import LULL_S, Squall, draw_squall
from engine.chaos.weather import Weather
from engine.orders.signal import Signal

LULLS, LULLED = 0.4, (4, 9)
"""In so many squalls it is quiet for a while between strikes, of which there are so many then."""
LONGEST_S = 400.0
"""Between two strikes of a long run, whose pauses are stretched."""
LEAST_LOTS = 12
"""No market here has a larger minimum, and none is quoted below it."""
ACTED_S = 10.0
"""From when a crowd comes people act within this: while most of it still waits or has only just been filled."""
PAIRED: Final[Mapping[Act, Act]] = {"halt": "resume", "halt_reducing": "resume", "halt_ill_timed": "resume"}


def in_squall(weather: Weather, scenario: Scenario, rng: Random) -> tuple[Weather, Scenario]:
    """Return a weather that is about one thing only, and a run bent so that this is what it meets."""
    squall = draw_squall(rng)
    weather = _struck(weather, squall, scenario.slow, rng)
    scenario = _acted(scenario, squall, rng)
    scenario = _moved(scenario, squall)
    return weather, _sent(scenario, squall, rng)


def _struck(weather: Weather, squall: Squall, slow: float, rng: Random) -> Weather:
    """Strike with the squall's kinds alone, as often as it says or with lulls between them."""
    weather = replace(weather, weights=squall.kinds, hold_s=squall.hold_s or weather.hold_s)
    weather = replace(weather, leaps=squall.leaps, drift_s=squall.drift_s, lasting=squall.lasting, woken=squall.woken)
    if squall.strikes is not None:
        weather = replace(weather, strikes=squall.strikes, pause_s=squall.pause_s or weather.pause_s)
    elif rng.random() < LULLS:
        weather = replace(weather, strikes=LULLED, pause_s=LULL_S)
    return replace(weather, pause_s=min(weather.pause_s, LONGEST_S / slow))


def _acted(scenario: Scenario, squall: Squall, rng: Random) -> Scenario:
    """Let the crowd come, and people act upon it or upon whatever goes on."""
    since_s, until_s = 1.0, scenario.middle_s
    if squall.crowd is not None and scenario.drawn:
        scenario, since_s = crowded(scenario, squall.crowd, rng)
        until_s = since_s + ACTED_S
    acts = _acts(squall, rng, since_s, until_s)
    return replace(scenario, acts=tuple(sorted((*scenario.acts, *acts))))


def _moved(scenario: Scenario, squall: Squall) -> Scenario:
    """Let markets be as restless and thin, and signals come as fast, as the squall wants them."""
    haste = max(1.0, squall.haste) if scenario.slow > 1 else squall.haste  # a long run is long enough
    lost_share = scenario.lost_share if squall.lost_share is None or not scenario.drawn else squall.lost_share
    signals = _put_off(scenario.signals, haste, dates=scenario.drawn)
    named = {signal.signal_id: signal for _, signal in signals}
    return replace(
        scenario,
        markets=tuple(_restless(one, squall) for one in scenario.markets),
        signals=signals,
        repeats=tuple((at_s / haste, named[signal.signal_id]) for at_s, signal in scenario.repeats),
        lost_share=lost_share,
    )


def _sent(scenario: Scenario, squall: Squall, rng: Random) -> Scenario:
    """Send orders by REST alone, from an account of the smallest tier: in a share of the runs."""
    by_rest, starter = rng.random() < squall.by_rest, rng.random() < squall.starter
    if by_rest:
        scenario = replace(scenario, venue=scenario.venue | {"orders_via": "rest"})
    if starter and scenario.drawn:
        sim = replace(scenario.sim, tier="starter")
        scenario = replace(scenario, sim=sim, venue=scenario.venue | {"tier": "starter"})
    return scenario


def _put_off(handed: Sequence[tuple[float, Signal]], haste: float, *, dates: bool) -> tuple[tuple[float, Signal], ...]:
    """Let all come slower by this, or faster above one; with ``dates`` their own moments move with them."""
    by_s = 1 / haste - 1
    return tuple((at_s / haste, later(signal, at_s * by_s) if dates else signal) for at_s, signal in handed)


def _restless(market: MarketPlan, squall: Squall) -> MarketPlan:
    least, most = market.lots
    lots = (max(LEAST_LOTS, least // squall.thin), most // squall.thin)
    return replace(market, restless=squall.restless, lots=lots)


def _acts(squall: Squall, rng: Random, since_s: float, until_s: float) -> list[tuple[float, Act]]:
    """Draw acts; who halts lets go again, a while after the moment for which the halt has waited."""
    names, acts = sorted(squall.acts), []
    for _ in range(rng.randint(*squall.busy) if names else 0):
        at_s, act = rng.uniform(since_s, until_s), rng.choices(names, [squall.acts[name] for name in names])[0]
        acts.append((at_s, act))
        if act in PAIRED:
            acts.append((at_s + rng.uniform(12, 25), PAIRED[act]))
    return acts
