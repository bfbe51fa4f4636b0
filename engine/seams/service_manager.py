"""Telling the service manager how this process is: systemd's notification socket, or nobody."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Protocol


class ServiceManager(Protocol):
    """Hears of the life of this process."""

    def tell(self, *lines: str) -> None:
        """Say ``NAME=value`` lines. Never blocks and never raises: an engine does not end because nobody listens."""
        ...

    def monotonic_us(self) -> int:
        """Return the manager's own clock, which a reload is stamped with."""
        ...


class NoManager:
    """Nobody listens."""

    def tell(self, *lines: str) -> None:
        """Do nothing."""

    def monotonic_us(self) -> int:
        """Return a moment that nobody asks for."""
        return 0


class Systemd:
    """Datagrams to the socket at ``address``; one that begins with @ lies in Linux's abstract name space."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, *lines: str) -> None:
        """Send one datagram; where nobody takes it, it is lost."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)

    def monotonic_us(self) -> int:
        """Return CLOCK_MONOTONIC in microseconds."""
        return time.monotonic_ns() // 1000
