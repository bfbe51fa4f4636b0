"""Plays a script's steps on the market, in order."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from engine.sim.core import Core
from engine.sim.events import Event, OrderReport, StatusChanged
from engine.sim.house import House
from engine.sim.script import Step

_TRADING = ("quote", "take", "print")


class ScriptPlayer:
    """Waits for each step's moment or event, then does it by the house's hand; what may trade waits out a halt."""

    def __init__(self, core: Core, steps: Sequence[Step]) -> None:
        self._core, self._steps = core, steps
        self._house = House(core)
        self._fills: dict[str, int] = {}
        self._changed = trio.Event()

    async def run(self) -> None:
        """Play to the end, or to a step ``end``."""
        start = trio.current_time()
        stop_listening = self._core.listen(self._on_event)
        try:
            for step in self._steps:
                await self._wait(step, start)
                if step.do == "end":
                    return
                self._do(step)
        finally:
            stop_listening()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, OrderReport) and event.order.account != self._core.house.name:
            if event.exec_type == "trade":
                self._fills[event.order.symbol] = self._fills.get(event.order.symbol, 0) + 1
            self._note_change()
        elif isinstance(event, StatusChanged):
            self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait(self, step: Step, start: float) -> None:
        if step.at_s is not None:
            await trio.sleep_until(start + step.at_s)
        while step.when is not None and not self._holds(step):
            await self._changed.wait()
        await trio.sleep(step.after_s)
        while step.do in _TRADING and self._core.is_halted(self._core.market(step.symbol)):
            await self._changed.wait()

    def _holds(self, step: Step) -> bool:
        if step.when == "after_client_fill":
            return self._fills.get(step.symbol, 0) >= step.fills
        return any(order.is_open and order.symbol == step.symbol for order in self._core.orders.values())

    def _do(self, step: Step) -> None:
        if step.do == "quote":
            self._house.quote(step.symbol, step.side, step.price, step.qty, "script")
        elif step.do == "cancel_all":
            self._house.clear(step.symbol)
        elif step.do == "take":
            self._house.take(step.symbol, step.side, step.qty)
        elif step.do == "index":
            self._house.set_index(step.symbol, step.price or None)
        else:
            self._house.print_trade(step.symbol, step.price, step.qty, step.side)
