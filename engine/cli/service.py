"""The life of the engine as the service manager hears of it: ready, reloading, stopping, and that it is alive."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

from engine.config.service import ServiceTerms
from engine.errors import ConfigError
from engine.runtime.engine import Engine
from engine.seams.service_manager import NoManager, ServiceManager, Systemd

log = structlog.get_logger()


class Service:
    """Tells each step once. ``reload_on_hangup`` answers SIGHUP."""

    def __init__(self, manager: ServiceManager) -> None:
        self._manager = manager
        self._stopping = False

    def ready(self, said: str) -> None:
        """The engine takes signals."""
        self._manager.tell("READY=1", f"STATUS={said}")

    async def begin(self, nursery: trio.Nursery, engine: Engine) -> None:
        """Answer SIGHUP from now on, and say that the engine is ready.

        On a terminal SIGHUP says that it was closed, and ends the process as it always did: `reload` is the way there.
        """
        if not any(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
            await nursery.start(self.reload_on_hangup, engine)
        self.ready("takes signals")

    def stopping(self) -> None:
        """It ends in order; asked to again, it says nothing new."""
        if not self._stopping:
            self._stopping = True
            self._manager.tell("STOPPING=1", "STATUS=ending in order: entries are cancelled, stops stay")

    async def beat(self, every_s: float) -> None:
        """Give signs of life until cancelled: a loop that stands still gives none, and is restarted."""
        while True:
            self._manager.tell("WATCHDOG=1")
            await trio.sleep(every_s)

    async def reload_on_hangup(self, engine: Engine, task_status: trio.TaskStatus[None]) -> None:
        """Read the settings anew at each SIGHUP until cancelled. Files that are no good change and end nothing."""
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            task_status.started()
            async for _ in hangups:
                self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={self._manager.monotonic_us()}")
                try:
                    said = (await engine.reload("SIGHUP")).words
                except ConfigError as error:
                    log.error("settings.refused", cause="SIGHUP", faults=str(error).splitlines())
                    said = "settings refused: nothing has changed"
                self.ready(said)


@asynccontextmanager
async def open_service(terms: ServiceTerms, manager: ServiceManager | None = None) -> AsyncIterator[Service]:
    """Keep the manager informed while the block stands; open it around everything, for ending takes its time too."""
    service = Service(manager or (Systemd(terms.address) if terms.address else NoManager()))
    failure: Exception | None = None
    async with trio.open_nursery() as service_nursery:
        if terms.address and terms.watchdog_s is not None:
            service_nursery.start_soon(service.beat, terms.watchdog_s / 3, name="service/watchdog")
        try:
            yield service
        except Exception as error:  # raised below as it is: the nursery would wrap it in a group
            failure = error
        finally:
            service.stopping()
            service_nursery.cancel_scope.cancel("it has ended")
    if failure is not None:
        raise failure
