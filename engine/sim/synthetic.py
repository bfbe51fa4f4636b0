"""A seeded market: the middle walks, makers quote around it, takers come at random and fill orders in parts."""

from __future__ import annotations

from random import Random

import trio

from engine.sim.core import Core
from engine.sim.house import House
from engine.sim.orders import Side
from engine.sim.settings import SyntheticMarket

OWNER = "maker"


class SyntheticMaker:
    """Makes one symbol's market by the house's hand; while it is halted nobody quotes or takes.

    Counts in ticks and lots, so that money is never a float.
    """

    def __init__(self, core: Core, spec: SyntheticMarket, makers: Random, takers: Random) -> None:
        self._core, self._spec = core, spec
        self._house = House(core)
        self._makers, self._takers = makers, takers
        self._market = core.market(spec.symbol)
        self._tick = self._market.pair.tick
        self._middle = int((self._market.tape.last_price or spec.start_price) / self._tick)  # after a restart: go on
        self._quotes: dict[tuple[Side, int], tuple[int, str]] = {}  # side, level -> price in ticks, order id

    async def run(self) -> None:
        """Make the market until cancelled."""
        self.refresh()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._make)
            nursery.start_soon(self._take)

    async def _make(self) -> None:
        while True:
            await trio.sleep(self._spec.refresh_s)
            step = round(self._makers.gauss(0, self._spec.walk_ticks))
            self._middle = max(self._middle + step, self._lowest_middle())
            if not self._core.is_halted(self._market):
                self.refresh()

    async def _take(self) -> None:
        while True:
            await trio.sleep(self._takers.expovariate(1 / self._spec.taker_every_s))
            if not self._core.is_halted(self._market):
                self.hit()

    def _lowest_middle(self) -> int:
        return self._spec.half_spread_ticks + self._spec.levels * self._spec.level_step_ticks + 1

    def refresh(self) -> None:
        """Move every quote whose place has changed, the near ones first."""
        for level in range(self._spec.levels):
            self._refresh_level("buy", level)
            self._refresh_level("sell", level)

    def _refresh_level(self, side: Side, level: int) -> None:
        away = self._spec.half_spread_ticks + level * self._spec.level_step_ticks
        ticks = self._middle - away if side == "buy" else self._middle + away
        price_ticks, order_id = self._quotes.get((side, level), (0, ""))
        if price_ticks == ticks and order_id in self._core.house.open:
            return
        self._house.cancel(order_id)
        if self._market.book.crosses(side, ticks * self._tick):
            self._quotes.pop((side, level), None)  # a client's order is in the way: makers wait for takers
            return
        lots = self._makers.randint(*self._spec.level_lots)
        quoted = self._house.quote(self._spec.symbol, side, ticks * self._tick, lots * self._spec.lot, OWNER)
        self._quotes[side, level] = (ticks, quoted)

    def hit(self) -> None:
        """Let one taker come: against an order that is better than the middle, else to either side."""
        middle = self._middle * self._tick
        bid, ask = self._market.book.bids.best_price(), self._market.book.asks.best_price()
        side: Side = "buy" if self._takers.random() < 0.5 else "sell"
        if bid is not None and bid >= middle:
            side = "sell"
        elif ask is not None and ask <= middle:
            side = "buy"
        lots = self._takers.randint(*self._spec.taker_lots)
        self._house.take(self._spec.symbol, side, max(lots * self._spec.lot, self._market.pair.qty_min))
