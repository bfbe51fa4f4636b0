"""Crowds: many strategies that see the same thing in the same market, and a person who has eyes for nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

import msgspec

from engine.chaos.scenario import Scenario
from engine.chaos.signals import draw_signal
from engine.orders.signal import Signal
from engine.risk.limits import Limits

WITHIN_S = 1.5
"""All of a crowd come within this."""
BEFORE = 0.6
"""Of a run's middle part a crowd leaves the rest for what comes of it."""
WIDE_BPS = 60.0
"""So far from the price a ladder reaches."""
TRIES = 8
"""For each signal that waits at its price so many are drawn at most: about one in four does."""


@dataclass(frozen=True)
class Crowd:
    """``count``: so many signals, at least and at most. A ``ladder`` is of limits at many prices, without an end of
    their own, that wait for the market to come.
    """

    count: tuple[int, int]
    ladder: bool = False


def crowded(scenario: Scenario, crowd: Crowd, rng: Random) -> tuple[Scenario, float]:
    """Add a crowd to a run, and return when it comes.

    The account has room for it, as far as its own limits go; what else a person would have done falls away.
    """
    began_s, count = rng.uniform(1, scenario.middle_s * BEFORE), rng.randint(*crowd.count)
    signals = _draw(scenario, crowd, rng, count)
    handed = sorted((*scenario.signals, *((began_s + rng.uniform(0, WITHIN_S), one) for one in signals)), key=_at)
    settings = msgspec.structs.replace(scenario.settings, limits=Limits())
    return replace(scenario, signals=tuple(handed), acts=(), settings=settings), began_s


def _at(handed: tuple[float, Signal]) -> float:
    return handed[0]


def _draw(scenario: Scenario, crowd: Crowd, rng: Random, count: int) -> list[Signal]:
    market = rng.choice(scenario.markets)
    tick = next(pair.tick for pair in scenario.sim.pairs if pair.symbol == market.symbol)
    drawn: list[Signal] = []
    for number in range(len(scenario.signals), len(scenario.signals) + count * TRIES):
        away = Decimal(round(rng.uniform(-WIDE_BPS, WIDE_BPS) * 10)) / 100_000 if crowd.ladder else 0
        one = draw_signal(rng, number, replace(market, start=market.start * (1 + away)), tick)
        if not crowd.ladder or _waits(one, market.start):
            drawn.append(one)
        if len(drawn) == count:
            break
    return drawn


def _waits(signal: Signal, price: Decimal) -> bool:
    """Tell whether its entry rests away from the price, for as long as nobody takes it back."""
    if signal.order_type != "limit" or signal.time_in_force != "gtc" or signal.entry_timeout_s is not None:
        return False
    limit = signal.limit_price
    return limit is not None and (limit < price if signal.side == "buy" else limit > price)
