"""Where an engine is asked: the address and token that it leaves in its data directory, or its Unix socket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.client.errors import Unreachable

ACCESS_NAME, SOCKET_NAME, POINTER_NAME = "control.access", "control.sock", "control.path"


@dataclass(frozen=True)
class Place:
    """An address with its token, or the path of a socket. Looked up anew for each connection of a stream."""

    url: str
    token: str = field(default="", repr=False)
    socket: str | None = None


Places = Callable[[], Place]
"""Says where the engine stands now. Raises Unreachable when it is nowhere."""


def find_place(data_dir: str | os.PathLike[str]) -> Place:
    """Return where the engine on this data directory is asked; its socket, where it has one, else TCP.

    Raises Unreachable when it has left neither: no engine runs there.
    """
    directory = Path(data_dir)
    for socket in (directory / SOCKET_NAME, _pointed(directory)):
        if socket is not None and socket.exists():
            return Place("http://engine", socket=str(socket))
    try:
        access = json.loads((directory / ACCESS_NAME).read_bytes())
        return Place(str(access["url"]), str(access["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise Unreachable(f"no engine runs on {directory}", sent=False) from None


def _pointed(directory: Path) -> Path | None:
    try:
        return Path(os.fsdecode((directory / POINTER_NAME).read_bytes().strip()))
    except OSError:
        return None
