"""What keeps an engine running, as a service manager does: whoever dies is started again after a pause."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import trio

from engine.chaos.oracle import Oracle
from engine.chaos.world import World
from engine.errors import EngineError, JournalError
from engine.runtime.bus import Lagged

PAUSE_S = (0.1, 3.0)
AGAIN_S = 2.0


class Supervisor:
    """Starts engines, and for each a listener to its reports, and a reader who resumes where the last one ended.

    ``recovered`` is called when a further engine accepts signals.
    """

    def __init__(self, world: World, oracle: Oracle, rng: Random, recovered: Callable[[], None] = lambda: None) -> None:
        self._world, self._oracle, self._rng, self._recovered = world, oracle, rng, recovered
        self._up = trio.Event()
        self._leave = trio.Event()
        self._offset = 0
        world.forgives = lambda error: only(error, JournalError)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep an engine running until ``leave``."""
        task_status.started()
        while not self._leave.is_set():
            if self._world.running:
                self._oracle.ledger.up = True
                self._up.set()
                self._oracle.moment("booted")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._listen)
                    await self._world.wait_ended()
                    nursery.cancel_scope.cancel()
            self._oracle.ledger.up = False
            if self._leave.is_set():
                return
            if self._up.is_set():  # who waits for one that has died on its way up waits for the next
                self._up = trio.Event()
            await trio.sleep(self._rng.uniform(*PAUSE_S))
            await self._start()

    async def _start(self) -> None:
        while not self._leave.is_set():
            self._oracle.restarting()
            try:
                if await self._world.boot() is not None:
                    break
            except BaseException as error:
                if not only(error, EngineError):
                    raise
                self._oracle.logged("info", "engine.not_started", str(error))
            await trio.sleep(AGAIN_S)
        else:
            return
        self._oracle.started()
        self._recovered()

    async def _read(self) -> None:
        """Read every report, from the last one on; a killed engine's journal ends it."""
        try:
            async for report in self._world.engine.reports(after=self._offset):
                self._offset = report.offset
                self._oracle.heard(report)
        except JournalError:
            await trio.sleep_forever()

    async def _listen(self) -> None:
        """Listen to this engine alone, as a callback does: nobody sorts out what comes twice."""
        with self._world.engine.subscribe() as subscription:
            async for report in subscription:
                if not isinstance(report, Lagged):
                    self._oracle.called(report)

    async def wait_up(self) -> None:
        """Return when an engine accepts signals; once it has left, never: what runs then is no concern of people."""
        if self._leave.is_set():
            await trio.sleep_forever()
        while not (self._up.is_set() and self._world.running):
            await self._up.wait()
            await trio.sleep(0.05)

    def leave(self) -> None:
        """Start none any more."""
        self._leave.set()


def only(error: BaseException, kind: type[BaseException]) -> bool:
    """Tell whether every leaf of an error is of this kind."""
    if isinstance(error, BaseExceptionGroup):
        return all(only(part, kind) for part in error.exceptions)
    return isinstance(error, kind)
