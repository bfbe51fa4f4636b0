"""The listening socket on TCP: loopback only, on the wanted port or, where that is taken, on any that is free."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.errors import ConfigError

BACKLOG = 64
PORT = 8790
"""Where the door is looked for; nobody has registered it."""
HTTP_PORT = 80


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """The door on TCP. ``host`` is a loopback address, ``port`` 0 any that is free, ``token`` None a new one."""

    host: str = "127.0.0.1"
    port: int = PORT
    token: str | None = field(default=None, repr=False)


@contextmanager
def listening_tcp(settings: WebSettings) -> Iterator[socket.socket]:
    """Listen while the block stands. Raises ConfigError for an address that is not loopback, or not to be had."""
    try:
        address = ipaddress.ip_address(settings.host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ConfigError(f"control.host: {settings.host!r} is no loopback address: 127.0.0.1 or ::1")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart finds its port again at once
        try:
            _bind(listener, settings)
            listener.listen(BACKLOG)
        except OSError as error:
            said = os.strerror(error.errno) if error.errno else str(error)
            raise ConfigError(f"cannot listen on {settings.host}:{settings.port}: {said}") from error
        listener.setblocking(False)
        yield listener


def _bind(listener: socket.socket, settings: WebSettings) -> None:
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE or settings.port == 0:
            raise
        listener.bind((settings.host, 0))


def names_of(host: str, port: int) -> tuple[str, ...]:
    """Return the names, port included, under which a browser on this machine may ask; it leaves out HTTP's own port."""
    names = (_bracketed(host), "localhost")
    return tuple(f"{name}:{port}" for name in names) + (names if port == HTTP_PORT else ())


def url_of(host: str, port: int) -> str:
    """Return the address as a browser takes it, without a path."""
    return f"http://{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    """Write an address as browsers do, whatever way it was set: they send ``[::1]`` for ``0:0:0:0:0:0:0:1``."""
    address = ipaddress.ip_address(host)
    return f"[{address}]" if address.version == 6 else str(address)
