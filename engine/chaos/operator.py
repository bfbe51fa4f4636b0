"""The people around an engine: the strategy that hands signals in, the operator who cancels, halts, decides."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import trio

from engine.chaos.ledger import Ledger, Twin
from engine.chaos.scenario import Act
from engine.chaos.supervisor import Supervisor
from engine.chaos.trace import Trace
from engine.chaos.world import World
from engine.errors import EngineError
from engine.orders.signal import Signal

SUBMIT_S = 20.0
KILL_S = 3.0
WRONG_BEFORE_S = 25.0
"""An operator calls an order dead only after looking for this long: every wire deadline has passed by then."""


class Operator:
    """Hands in and acts. Whatever an engine that dies did not answer is handed in again to the next one."""

    def __init__(self, world: World, supervisor: Supervisor, ledger: Ledger, trace: Trace, rng: Random) -> None:
        self._world, self._supervisor, self._ledger, self._trace, self._rng = world, supervisor, ledger, trace, rng

    async def hand_in(self, at_s: float, signal: Signal) -> None:
        """Hand one signal in, until an engine has given its verdict."""
        await trio.sleep(at_s)
        while True:
            await self._supervisor.wait_up()
            with trio.move_on_after(SUBMIT_S):
                try:
                    submitted = await self._world.engine.submit(signal)
                except EngineError:
                    await trio.sleep(1.0)
                    continue
                said = f"{submitted.status} {submitted.code}".rstrip()
                self._trace.note("operator", signal.signal_id, f"signal handed in: {said}")
                return

    async def act(self, acts: Sequence[tuple[float, Act]]) -> None:
        """Do what is planned."""
        began_s = trio.current_time()
        for at_s, act in acts:
            await trio.sleep_until(began_s + at_s)
            await self._supervisor.wait_up()
            try:
                getattr(self, f"_{act}")()
            except EngineError as error:
                self._trace.note("operator", "", f"{act} failed: {error}")

    async def take_back(self) -> None:
        """Cancel what is left of every entry: it is gone within three seconds in calm weather."""
        await self._supervisor.wait_up()
        engine = self._world.engine
        for view in engine.active():
            engine.cancel(view.signal.signal_id, "the run ends")
        self._trace.note("operator", "", "cancels every entry")
        await trio.sleep(KILL_S)

    def decide(self) -> None:
        """Where a person traded on the account, a fill without a name may keep an order in doubt: a person decides."""
        if self._ledger.had("foreign_order") and self._ledger.up:
            self._resolve()

    def _living(self, *roles: str) -> list[Twin]:
        return [t for t in self._ledger.orders.values() if t.venue is not None and t.venue.is_open and t.role in roles]

    def _cancel(self) -> None:
        living = self._living("entry")
        if living:
            signal_id = self._rng.choice(living).signal_id
            self._trace.note("operator", signal_id, "cancels the entry")
            self._world.engine.cancel(signal_id)

    def _cancel_order(self) -> None:
        living = self._living("entry", "stop")
        if living:
            twin = self._rng.choice(living)
            self._trace.note("operator", twin.cl_ord_id, f"cancels the {twin.role}")
            self._world.engine.cancel_order(twin.cl_ord_id)

    def _halt(self) -> None:
        self._trace.note("operator", "", "halts trading")
        self._world.engine.halt("drill")

    def _resume(self) -> None:
        done = self._world.engine.resume_trading("drill is over")
        self._trace.note("operator", "", f"resumes trading: {done}")

    def _resolve(self) -> None:
        """Decide about an order in doubt, and truly: a person looks at the venue's page."""
        for twin in self._ledger.orders.values():
            if twin.state != "unknown":
                continue
            if twin.venue is not None and twin.venue.is_open:
                self._world.engine.resolve(twin.cl_ord_id, "live", "stands on the page")
                self._trace.note("operator", twin.cl_ord_id, "calls an order in doubt live")
            elif twin.venue is None and self._trace.now_s > twin.state_since_s + WRONG_BEFORE_S:
                self._world.engine.resolve(twin.cl_ord_id, "dead", "does not stand on the page")
                self._trace.note("operator", twin.cl_ord_id, "calls an order in doubt dead")
