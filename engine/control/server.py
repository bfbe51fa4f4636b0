"""The open door: the command table served over a Unix socket by hypercorn, beside the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
import trio

from engine.control.app import ended_desk, make_app, waiting_desk
from engine.control.connection import Connection
from engine.control.desk import Desk
from engine.control.http_server import HttpServer
from engine.control.listener import listening_socket
from engine.runtime.engine import Engine
from engine.seams.clock import Clock, SystemClock

log = structlog.get_logger()

MAX_CONNECTIONS = 64
GRACE_S = 2.0
"""How long answers under way may take once the engine has ended."""


class Control:
    """A door that stands open. Until ``attach`` every verb is refused: there is no engine yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stop = trio.Event()
        self._desk: Desk | None = None
        self._http = HttpServer(make_app(self.desk))
        self._connections: set[Connection] = set()

    def attach(self, engine: Engine) -> None:
        """Let the verbs through to an engine that runs."""
        self._desk = Desk.of_engine(engine)

    def desk(self) -> Desk:
        """Return what the verbs work on. Raises Refusal while no engine runs."""
        if self.stop.is_set():
            return ended_desk()
        return self._desk or waiting_desk()

    async def run(self, listener: trio.SocketListener) -> None:
        """Serve until ``stop``; then let answers under way end, for GRACE_S at most."""
        with trio.CancelScope(shield=True):  # bounded by stop, which whoever opened the door always sets
            async with trio.open_nursery() as grace_nursery:
                async with trio.open_nursery() as connection_nursery:
                    async with trio.open_nursery() as accepting_nursery:
                        accept = partial(
                            trio.serve_listeners, self._take, [listener], handler_nursery=connection_nursery
                        )
                        accepting_nursery.start_soon(accept, name="control/listen")
                        await self.stop.wait()
                        accepting_nursery.cancel_scope.cancel("the door closes")
                    await self._http.close()
                    grace_nursery.start_soon(self._cut_off, connection_nursery.cancel_scope)
                grace_nursery.cancel_scope.cancel("every connection has ended")

    async def _take(self, stream: trio.SocketStream) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            await trio.aclose_forcefully(stream)
            return
        connection = Connection(stream)
        self._connections.add(connection)
        try:
            await self._http.serve(connection)
        except Exception as error:  # one connection's end, whatever it was, ends no other and not the engine
            log.warning("control.connection_failed", error=repr(error))
        finally:
            self._connections.discard(connection)

    async def _cut_off(self, connections: trio.CancelScope) -> None:
        await trio.sleep(GRACE_S)
        for connection in list(self._connections):
            connection.close()  # before they are cancelled: hypercorn shields its writes
        connections.cancel("the grace is over")


@asynccontextmanager
async def open_control(data_dir: Path, clock: Clock | None = None) -> AsyncIterator[Control]:
    """Keep a door open for the engine on ``data_dir`` (which exists) while the block stands.

    Open it around the engine and ``attach`` the engine once it runs: so its last reports still go out. Raises
    JournalBusy while another process holds this door, ConfigError when no socket can be made.
    """
    failure: Exception | None = None
    with listening_socket(data_dir, (clock or SystemClock()).now_ns()) as (listener, path):
        control = Control(path)
        async with trio.open_nursery() as control_nursery:
            sock = trio.socket.from_stdlib_socket(listener)
            control_nursery.start_soon(control.run, trio.SocketListener(sock), name="control")
            try:
                yield control
            except Exception as error:  # raised below as it is: the nursery would wrap it in a group
                failure = error
            finally:
                control.stop.set()
    if failure is not None:
        raise failure
