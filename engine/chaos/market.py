"""The rest of the market in a run: a few levels on each side that walk, jump, and trade with whoever is in the way."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

import trio

from engine.chaos.ledger import ZERO
from engine.chaos.world import World
from engine.sim import PairSpec, Quote, Refused

LEVELS = 3
DEEP = 60
"""How much deeper the last level is: nobody here takes it all."""

BURSTS, FLICKERS = 0.01, 0.015
"""Of the market's steps are followed by one."""


@dataclass(frozen=True)
class MarketPlan:
    """How one symbol moves. ``step_bps`` is the standard deviation of a step, ``lots`` how much a level shows.

    With a ``path`` (seconds, distance from the start in bps) it moves along that alone, and nobody else takes.
    """

    symbol: str
    start: Decimal
    every_s: float
    step_bps: float
    lot: Decimal
    lots: tuple[int, int]
    path: tuple[tuple[float, float], ...] = ()
    restless: float = 1.0
    """So many times as often there are bursts, and prices come and go."""
    index_bps: int | None = None
    """How far from the market's middle its index is told; None: it has none, and triggers that look at it look at the
    last price."""


def indexed(rng: Random, plan: MarketPlan) -> MarketPlan:
    """Give some markets an index, which is never quite where they trade."""
    return replace(plan, index_bps=rng.randint(-3, 3)) if rng.random() < 0.3 else plan


class Market:
    """One symbol's mover. ``hold`` keeps it still, for the end of a run is told by hand."""

    def __init__(self, world: World, plan: MarketPlan, rng: Random) -> None:
        self._world, self.plan, self._rng = world, plan, rng
        self._habits = world.chance.stream(f"habits/{plan.symbol}")
        self._pair = _pair_of(world, plan.symbol)
        self._middle = plan.start
        self._hold = False

    async def run(self) -> None:
        """Move until cancelled."""
        self.quote(self._middle)
        if self.plan.path:
            await self._follow()
            return
        while True:
            await trio.sleep(self.plan.every_s * self._rng.uniform(0.5, 1.5))
            if not self._hold:
                with contextlib.suppress(Refused):  # in maintenance and its like nobody quotes or takes
                    self._move()
            if self._habits.random() < BURSTS * self.plan.restless:
                await self.burst()
            if self._habits.random() < FLICKERS * self.plan.restless:
                await self._flicker()

    async def burst(self) -> None:
        """Everybody else steps back, and many small takers of one side meet whoever still rests there."""
        side = self._habits.choice(("buy", "sell"))
        if not self._hold:
            with contextlib.suppress(Refused):
                self.quote(self._middle, self._middle * self._habits.randint(5, 40) / 10_000)
        for _ in range(self._habits.randint(10, 40)):
            await trio.sleep(self._habits.uniform(0.04, 0.18))
            if not self._hold:
                with contextlib.suppress(Refused):
                    self._world.exchange.house.take(self.plan.symbol, side, self._pair.qty_min)  # type: ignore[arg-type]

    async def _flicker(self) -> None:
        """Go away and come back before anybody who saw it could act on it."""
        before, away = self._middle, Decimal(self._habits.choice((-1, 1)) * self._habits.randint(10, 80)) / 10_000
        for price, pause_s in ((before * (1 + away), self._habits.uniform(0.02, 0.25)), (before, 0.0)):
            if not self._hold:
                with contextlib.suppress(Refused):
                    self.quote(price)
            await trio.sleep(pause_s)

    async def _follow(self) -> None:
        began_s = trio.current_time()
        for at_s, bps in self.plan.path:
            await trio.sleep_until(began_s + at_s)
            if not self._hold:
                price = self.plan.start * (1 + Decimal(str(bps)) / 10_000)
                self.quote(price)  # what looks at the last price is triggered by trades, not by quotes
                middle = (price / self._pair.tick).to_integral_value() * self._pair.tick
                self._world.exchange.house.print_trade(self.plan.symbol, middle, self._pair.qty_min)

    def _move(self) -> None:
        wide = 4.0 if self._rng.random() < 0.08 else 1.0
        bps = self._rng.gauss(0, self.plan.step_bps * wide)
        bps += 0.03 * float((self.plan.start - self._middle) / self.plan.start) * 10_000  # it comes back in the end
        self.quote(self._middle * (1 + Decimal(round(bps * 1000)) / 10_000_000))
        if self._rng.random() < 0.6:
            self._take()

    def quote(self, middle: Decimal, away: Decimal = ZERO) -> None:
        """Show the market around a price, and so far ``away`` from it; orders of clients that it meets trade."""
        house, tick, rng = self._world.exchange.house, self._pair.tick, self._rng
        self._middle = max(middle, tick * 1000)
        centre = (self._middle / tick).to_integral_value() * tick
        spread = max(tick, (centre / 10_000 / tick).to_integral_value() * tick)
        gap = (away / tick).to_integral_value() * tick
        quotes: list[Quote] = []
        for level in range(1, LEVELS + 1):
            deep = DEEP if level == LEVELS else 1  # an empty book would be a fault, and no weather's
            quotes += [
                Quote("buy", centre - gap - spread * level, rng.randint(*self.plan.lots) * self.plan.lot * deep),
                Quote("sell", centre + gap + spread * level, rng.randint(*self.plan.lots) * self.plan.lot * deep),
            ]
        house.requote(self.plan.symbol, quotes)
        self._tell_index(centre)

    def _tell_index(self, price: Decimal) -> None:
        if self.plan.index_bps is not None:
            told = (price * (1 + Decimal(self.plan.index_bps) / 10_000) / self._pair.tick).to_integral_value()
            self._world.exchange.house.set_index(self.plan.symbol, told * self._pair.tick)

    def _take(self) -> None:
        side = self._rng.choice(("buy", "sell"))
        qty = self._rng.randint(1, self.plan.lots[0]) * self.plan.lot
        self._world.exchange.house.take(self.plan.symbol, side, max(qty, self._pair.qty_min))  # type: ignore[arg-type]

    async def sweep(self, away: Decimal, hold_s: float) -> None:
        """Go far down, then far up, deep enough for everybody: every stop fires, every target is reached."""
        self._hold = True
        house, tick = self._world.exchange.house, self._pair.tick
        for factor in (1 - away, 1 + away):
            price = (self.plan.start * factor / tick).to_integral_value() * tick
            deep = self.plan.lot * self.plan.lots[1] * 200
            house.requote(self.plan.symbol, [Quote("buy", price - tick, deep), Quote("sell", price + tick, deep)])
            house.print_trade(self.plan.symbol, price, self._pair.qty_min)
            self._tell_index(price)
            await trio.sleep(hold_s)


def _pair_of(world: World, symbol: str) -> PairSpec:
    return next(pair for pair in world.exchange.settings.pairs if pair.symbol == symbol)
