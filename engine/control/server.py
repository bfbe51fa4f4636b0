"""The open door: the command table served by hypercorn beside the engine, over a Unix socket and loopback TCP.

Both serve one application. On the socket its file's mode is the key; on TCP the gate asks for the token. Each has its
own bound of connections, so that whatever is done to the one, the other still takes a halt.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
import trio

from engine.control.access import Access, forget_access, keep_access, make_token
from engine.control.app import ended_desk, make_app, waiting_desk
from engine.control.connection import Connection
from engine.control.desk import Desk
from engine.control.gate import Gate
from engine.control.http_server import HttpServer
from engine.control.listener import listening_socket
from engine.control.table import TABLE
from engine.control.throttle import Throttle
from engine.control.web_listener import WebSettings, listening_tcp, names_of, url_of
from engine.runtime.engine import Engine
from engine.seams.chance import Chance, SystemChance
from engine.seams.clock import Clock, SystemClock

log = structlog.get_logger()

MAX_CONNECTIONS = 64
KILLS = frozenset(command.path for command in TABLE if command.reserve)
GRACE_S = 2.0
"""How long answers under way may take once the engine has ended."""


class Door:
    """One way in: a listener, what serves it, and the connections that came through it.

    ``trusted``: whoever can connect may ask. Elsewhere connections that have shown no token give way to new ones.
    """

    def __init__(self, listener: socket.socket, http: HttpServer, *, trusted: bool = False) -> None:
        self.listener = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
        self.http, self._trusted = http, trusted
        self.connections: dict[Connection, None] = {}  # the oldest first

    async def take(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        if len(self.connections) >= MAX_CONNECTIONS and not self._made_room():
            await trio.aclose_forcefully(stream)
            return
        connection = Connection(stream)
        connection.admitted = self._trusted
        self.connections[connection] = None
        try:
            await self.http.serve(connection)
        except Exception as error:  # one connection's end, whatever it was, ends no other and not the engine
            # names alone: the text may hold a header; and a stranger may do this as often as he likes
            tell = log.warning if connection.admitted else log.debug
            tell("control.connection_failed", errors=_names(error))
        finally:
            self.connections.pop(connection, None)

    def _made_room(self) -> bool:
        """End the oldest connection that has shown no token yet; those that have are safe from the others."""
        for connection in self.connections:
            if not connection.admitted:
                del self.connections[connection]
                connection.close()
                return True
        return False


def _names(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [name for one in error.exceptions for name in _names(one)]
    return [type(error).__name__]


class Control:
    """A door that stands open. Until ``attach`` every verb is refused: there is no engine yet.

    ``path`` is that of its Unix socket. ``access`` is where it stands on TCP and the token for it, None without TCP;
    ``port_taken``: not at the port that was wanted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.access: Access | None = None
        self.port_taken = False
        self.doors: list[Door] = []
        self.stop = trio.Event()
        self.app = make_app(self.desk)
        self._desk: Desk | None = None

    @property
    def link(self) -> str:
        """The dashboard's address with the token in its fragment, which no browser sends anywhere. "" without TCP."""
        return "" if self.access is None else f"{self.access.url}/#token={self.access.token}"

    def attach(self, engine: Engine) -> None:
        """Let the verbs through to an engine that runs."""
        self._desk = Desk.of_engine(engine)

    def desk(self) -> Desk:
        """Return what the verbs work on. Raises Refusal while no engine runs."""
        if self.stop.is_set():
            return ended_desk()
        return self._desk or waiting_desk()

    async def run(self) -> None:
        """Serve until ``stop``; then let answers under way end, for GRACE_S at most."""
        with trio.CancelScope(shield=True):  # bounded by stop, which whoever opened the door always sets
            async with trio.open_nursery() as grace_nursery:
                async with trio.open_nursery() as connection_nursery:
                    async with trio.open_nursery() as accepting_nursery:
                        for door in self.doors:
                            accept = partial(
                                trio.serve_listeners, door.take, [door.listener], handler_nursery=connection_nursery
                            )
                            accepting_nursery.start_soon(accept, name="control/listen")
                        await self.stop.wait()
                        accepting_nursery.cancel_scope.cancel("the door closes")
                    for door in self.doors:
                        await door.http.close()
                    grace_nursery.start_soon(_cut_off, self.doors, connection_nursery.cancel_scope)
                grace_nursery.cancel_scope.cancel("every connection has ended")


async def _cut_off(doors: list[Door], connections: trio.CancelScope) -> None:
    await trio.sleep(GRACE_S)
    for connection in [connection for door in doors for connection in door.connections]:
        connection.close()  # before they are cancelled: hypercorn shields its writes
    connections.cancel("the grace is over")


@asynccontextmanager
async def open_control(
    data_dir: Path, clock: Clock | None = None, *, web: WebSettings | None = None, chance: Chance | None = None
) -> AsyncIterator[Control]:
    """Keep a door open for the engine on ``data_dir`` (which exists) while the block stands; with ``web`` on TCP too.

    Open it around the engine and ``attach`` the engine once it runs: so its last reports still go out. Raises
    JournalBusy while another process holds this door, ConfigError when no socket can be made.
    """
    failure: Exception | None = None
    with ExitStack() as stack:
        listener, path = stack.enter_context(listening_socket(data_dir, (clock or SystemClock()).now_ns()))
        control = Control(path)
        control.doors.append(Door(listener, HttpServer(Throttle(control.app, KILLS)), trusted=True))
        if web is not None:
            control.doors.append(_web_door(stack, control, data_dir, web, chance or SystemChance()))
        async with trio.open_nursery() as control_nursery:
            control_nursery.start_soon(control.run, name="control")
            try:
                yield control
            except Exception as error:  # raised below as it is: the nursery would wrap it in a group
                failure = error
            finally:
                control.stop.set()
    if failure is not None:
        raise failure


def _web_door(stack: ExitStack, control: Control, data_dir: Path, web: WebSettings, chance: Chance) -> Door:
    token = make_token(chance, web.token)
    listener = stack.enter_context(listening_tcp(web))
    port = int(listener.getsockname()[1])
    control.port_taken = web.port not in (0, port)
    control.access = Access(url_of(web.host, port), token)
    stack.callback(forget_access, data_dir)
    keep_access(data_dir, control.access)
    throttled = Throttle(control.app, KILLS)
    return Door(listener, HttpServer(Gate(throttled, control.access, names_of(web.host, port))))
