"""HTTP over the wire: httpx and httpcore as they are, with the network underneath replaced."""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpcore
import httpx
import trio

from engine.net.wire import Wire


def verified_tls(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that checks certificate and host, TLS 1.2 or later; ``ca_file`` replaces the system's roots."""
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Stream(httpcore.AsyncNetworkStream):
    """A wire's stream in httpcore's words."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            with trio.fail_after(math.inf if timeout is None else timeout):
                return bytes(await self._stream.receive_some(max_bytes))
        except trio.TooSlowError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            with trio.fail_after(math.inf if timeout is None else timeout):
                await self._stream.send_all(buffer)
        except trio.TooSlowError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - the wire has made TLS before it handed the stream over
        server_hostname: str | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return is_readable(self._stream) if info == "is_readable" else None


def is_readable(stream: trio.abc.Stream) -> bool:
    """Tell whether a read would return at once: on an idle connection that means its end has come.

    A wrong no would let a POST go into a dead connection, and its outcome be unknown for nothing.
    """
    if isinstance(stream, trio.SSLStream):
        return is_readable(stream.transport_stream)
    if isinstance(stream, trio.SocketStream):
        return stream.socket.is_readable()
    return bool(stream.is_readable())  # type: ignore[attr-defined]  # the virtual wire's streams have it


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects through the wire, inside TLS at once when a context is given."""

    def __init__(self, wire: Wire, tls: ssl.SSLContext | None) -> None:
        self._wire, self._tls = wire, tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the wire chooses
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        try:
            with trio.fail_after(math.inf if timeout is None else timeout):
                return _Stream(await self._wire.connect(host, port, tls=self._tls))
        except trio.TooSlowError as error:
            raise httpcore.ConnectTimeout(f"no connection to {host}:{port} in {timeout} s") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class WireTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport, its pool standing on a wire.

    Never let more than ``max_connections`` requests in at once: under cancellation httpcore leaks the slots of those
    that queue inside its pool. ``keepalive_expiry`` is off because httpcore would measure it with the real clock.
    """

    def __init__(self, wire: Wire, tls: ssl.SSLContext | None, max_connections: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            network_backend=_Backend(wire, tls),
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=None,
        )
