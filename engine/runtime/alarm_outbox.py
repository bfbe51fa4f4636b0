"""One way out for alarms: a bounded queue and a task that tries until it is told, or gives up and counts."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import msgspec
import structlog
import trio

from engine.runtime.alarm import RANK, AlarmChange, Level

log = structlog.get_logger()

QUEUE: Final = 256
"""Alarms that wait for one sink. When it is full the oldest goes: what is wrong now matters most."""
ATTEMPTS: Final = 6
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
GOODBYE_S: Final = 1.0
"""How long all sinks together may take for their last alarms when the engine ends."""


class SinkFailed(Exception):
    """An alarm was not taken. Its text names no address: those hold secrets."""


class AlarmSink(Protocol):
    """A way to people. ``bound_s`` is the longest that one delivery may take."""

    name: str
    bound_s: float

    async def deliver(self, change: AlarmChange, dropped: int) -> None:
        """Tell one change; ``dropped`` were lost before it. Raises SinkFailed. May be cancelled at any time."""
        ...


class OutboxView(msgspec.Struct, frozen=True):
    """The figures of one sink since the engine started."""

    name: str
    waiting: int
    delivered: int
    failed: int
    dropped: int


class Outbox:
    """Keeps what one sink is to be told. ``put`` returns at once, whatever the sink does."""

    def __init__(self, sink: AlarmSink, tell_from: Level, on_lost: Callable[[str, str], object]) -> None:
        self._sink, self._least, self._on_lost = sink, RANK[tell_from], on_lost
        self._waiting: deque[AlarmChange] = deque()
        self._news = trio.Event()
        self._empty = trio.Event()
        self._empty.set()
        self.delivered = self.failed = self.dropped = 0
        self._untold = 0  # dropped since the last delivery

    def put(self, change: AlarmChange) -> None:
        """Queue a change that people outside are to hear of."""
        if change.change not in ("raised", "cleared") or RANK[change.alarm.level] < self._least:
            return
        if len(self._waiting) >= QUEUE:
            self._waiting.popleft()
            self._lose()
        self._waiting.append(change)
        self._empty = trio.Event()
        self._news.set()

    def view(self) -> OutboxView:
        """Return its figures."""
        return OutboxView(self._sink.name, len(self._waiting), self.delivered, self.failed, self.dropped)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            while not self._waiting:
                self._empty.set()
                self._news = trio.Event()
                await self._news.wait()
            await self._deliver(self._waiting[0])

    async def wait_empty(self) -> None:
        """Return once nothing waits."""
        await self._empty.wait()

    async def _deliver(self, change: AlarmChange) -> None:
        """Try one, with pauses that double; told or given up it leaves the queue, unless it was pushed out before."""
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            why = await self._try(change)
            if why is None:
                self.delivered, self._untold = self.delivered + 1, 0
                break
            self.failed += 1
            log.warning("alarm.not_delivered", sink=self._sink.name, attempt=attempt, why=why)
            if attempt == ATTEMPTS:
                self._lose()
                if change.alarm.code != "ALARMS_LOST":  # or a dead sink would go on telling of itself
                    self._on_lost(self._sink.name, why)
                break
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if self._waiting and self._waiting[0] is change:
            self._waiting.popleft()

    async def _try(self, change: AlarmChange) -> str | None:
        """Return why it was not taken, None when it was."""
        with trio.move_on_after(self._sink.bound_s):
            try:
                await self._sink.deliver(change, self._untold)
            except SinkFailed as error:
                return str(error)
            except Exception as error:  # a sink's fault, whatever it is, is no reason to stop an engine
                return type(error).__name__
            return None
        return f"no answer within {self._sink.bound_s:g} s"

    def _lose(self) -> None:
        self.dropped += 1
        self._untold += 1


@asynccontextmanager
async def open_outboxes(
    sinks: Sequence[AlarmSink], tell_from: Level, on_lost: Callable[[str, str], object]
) -> AsyncIterator[tuple[Outbox, ...]]:
    """Run a task for each sink while the block stands; then give them GOODBYE_S for what still waits."""
    outboxes = tuple(Outbox(sink, tell_from, on_lost) for sink in sinks)
    if not outboxes:
        yield ()
        return
    failure: Exception | None = None
    async with trio.open_nursery() as sink_nursery:
        for sink, outbox in zip(sinks, outboxes, strict=True):
            sink_nursery.start_soon(outbox.run, name=f"alarms/{sink.name}")
        try:
            yield outboxes
        except Exception as error:  # raised below as it is: the nursery would wrap it in a group
            failure = error
        finally:
            with trio.move_on_after(GOODBYE_S, shield=True):
                for outbox in outboxes:
                    await outbox.wait_empty()
            sink_nursery.cancel_scope.cancel("the engine has ended")
    if failure is not None:
        raise failure
