"""hypercorn's protocol on connections of ours, without its sockets, its signals and its log files."""

from __future__ import annotations

import logging
from typing import Any

from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from engine.control.connection import Connection

MAX_HEADER_BYTES = 16 * 1024
MAX_MESSAGE_BYTES = 4 * 1024
"""Of what a reader says over a WebSocket, which nobody listens to."""
PING_EVERY_S = 20.0
IDLE_BOUND_S = 15.0
"""A connection that asks nothing, or sends its request's head too slowly, is closed after this long."""


class HttpServer:
    """Serves an ASGI application, a call for each connection."""

    def __init__(self, app: Any) -> None:
        self._app = wrap_app(app, 0, "asgi")
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("hypercorn.error")  # given as it is, it gets no handler of its own
        self._config.include_server_header = False
        self._config.h11_max_incomplete_size = MAX_HEADER_BYTES
        self._config.keep_alive_timeout = IDLE_BOUND_S
        self._config.websocket_max_message_size = MAX_MESSAGE_BYTES
        self._config.websocket_ping_interval = PING_EVERY_S
        self._context = WorkerContext(None)

    async def serve(self, connection: Connection) -> None:
        """Serve one connection until it ends."""
        state = ConnectionState({"connection": connection})
        await TCPServer(self._app, self._config, self._context, state, connection)  # type: ignore[arg-type]  # a stream

    async def close(self) -> None:
        """Let idle connections end; answers under way go on."""
        await self._context.terminated.set()
