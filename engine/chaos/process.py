"""One simulated process: the engine with its own grip on wire and disk, which a crash tears away."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

import trio

from engine.journal.journal import Journal
from engine.net.wire import VirtualStream, VirtualWire, Wire
from engine.runtime.engine import Engine
from engine.runtime.halt_watch import HaltCheck
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.venue.protocol import Venue


class ProcessWire:
    """A process' view of the network: once it is dead nothing leaves any more; what was sent still arrives."""

    def __init__(self, wire: VirtualWire) -> None:
        self._wire = wire
        self._streams: list[_MortalStream] = []
        self.dead = False

    async def connect(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> trio.abc.Stream:
        """Open a virtual connection for this process."""
        if self.dead:
            raise OSError("the process is dead")
        inner = await self._wire.connect(host, port, tls=tls)
        assert isinstance(inner, VirtualStream)  # noqa: S101 - the virtual wire gives nothing else
        stream = _MortalStream(inner, self)
        self._streams.append(stream)
        self._bury()
        return stream

    @property
    def connections(self) -> int:
        """How many it has opened."""
        return len(self._streams)

    def die(self) -> None:
        """Close every socket as a kernel does for a killed process: behind the bytes already handed over."""
        self.dead = True
        self._bury()

    def _bury(self) -> None:
        """Close what a dead process holds; a connection that came about after its death is no other."""
        for stream in self._streams if self.dead else ():
            stream.inner.drop()


class _MortalStream(trio.abc.HalfCloseableStream):
    def __init__(self, inner: VirtualStream, wire: ProcessWire) -> None:
        self.inner, self._wire = inner, wire

    def __repr__(self) -> str:
        return repr(self.inner)

    def is_readable(self) -> bool:
        return self.inner.is_readable()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._alive()
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        self._alive()
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        self._alive()
        return await self.inner.receive_some(max_bytes)

    async def send_eof(self) -> None:
        self._alive()
        await self.inner.send_eof()

    async def aclose(self) -> None:
        if not self._wire.dead:
            await self.inner.aclose()
        else:
            await trio.lowlevel.checkpoint()

    def _alive(self) -> None:
        if self._wire.dead:
            raise trio.BrokenResourceError("the process is dead")


_RUNNING: ContextVar[ProcessWire | None] = ContextVar("running", default=None)


def in_ruins() -> bool:
    """Tell whether the caller belongs to a process that was killed: what it still says reaches nobody."""
    wire = _RUNNING.get()
    return wire is not None and wire.dead


class Process:
    """Runs one engine until it is stopped in order or killed. ``make_venue`` builds the adapter on a given wire.

    ``forgives`` is asked about the error that a running engine ended with: what it takes upon itself does not rise.
    """

    def __init__(
        self,
        wire: VirtualWire,
        make_venue: Callable[[Wire], Venue],
        open_journal: Callable[[Venue], AbstractContextManager[Journal]],
        settings: EngineSettings,
        clock: Clock,
        chance: Chance,
        halt_check: HaltCheck | None = None,
        forgives: Callable[[BaseException], bool] = lambda _: False,
    ) -> None:
        self._wire = ProcessWire(wire)
        self._make_venue, self._open_journal = make_venue, open_journal
        self._settings, self._clock, self._chance = settings, clock, chance
        self._halt_check, self._forgives = halt_check, forgives
        self._stop = trio.Event()
        self._scope = trio.CancelScope()
        self._up = False
        self.ended = trio.Event()
        self.gone = trio.Event()
        """Killed or ended: what a killed one still runs in its ruins reaches nothing, and nobody waits for it."""

    async def run(self, task_status: trio.TaskStatus[tuple[Engine, Journal] | None]) -> None:
        """Live; errors of a killed process go nowhere, those of a living one rise. Killed too soon it tells None."""
        _RUNNING.set(self._wire)
        try:
            with self._scope:
                await self._live(task_status)
        except BaseException as error:
            if not self._wire.dead and not (self._up and self._forgives(error)):
                raise
        finally:
            self.ended.set()
            self.gone.set()
            if self._wire.dead and not self._up:
                task_status.started(None)

    async def _live(self, task_status: trio.TaskStatus[tuple[Engine, Journal] | None]) -> None:
        venue = self._make_venue(self._wire)
        with self._open_journal(venue) as journal:
            async with open_engine(
                self._settings,
                venue,
                journal=journal,
                clock=self._clock,
                chance=self._chance,
                halt_check=self._halt_check,
            ) as engine:
                self._up = True
                task_status.started((engine, journal))
                await self._stop.wait()

    @property
    def connections(self) -> int:
        """How many connections it has opened."""
        return self._wire.connections

    async def stop(self) -> None:
        """End it in order and wait for that."""
        self._stop.set()
        await self.ended.wait()

    def kill(self) -> None:
        """Kill it now: nothing it still runs can reach wire or disk (whose handles the caller kills)."""
        self._wire.die()
        self.gone.set()
        self._scope.cancel("killed")
