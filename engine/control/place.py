"""Where an engine's socket lies, for the engine that makes it and for whoever looks for it."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import platformdirs

from engine.errors import ConfigError

SOCKET_NAME = "control.sock"
POINTER_NAME = "control.path"
LOCK_NAME = "control.lock"
PATH_BYTES_MOST = 107 if sys.platform == "linux" else 103
"""sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing NUL among them."""


def fits(path: Path) -> bool:
    """Tell whether a socket can be bound to this path."""
    return len(os.fsencode(path)) <= PATH_BYTES_MOST


def choose_socket(data_dir: Path) -> Path:
    """Return where the socket of this data directory goes: into it, or, when that is too long, into the runtime one.

    Raises ConfigError when even that is too long or is not the user's alone.
    """
    inside = data_dir.absolute() / SOCKET_NAME
    if fits(inside):
        return inside
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    outside = _runtime_directory() / f"{name}.sock"
    if not fits(outside):
        raise ConfigError(f"no socket fits: {outside} is longer than {PATH_BYTES_MOST} bytes; use a shorter --data-dir")
    return outside


def find_socket(data_dir: Path) -> Path | None:
    """Return the socket that an engine on this data directory has made; whether one listens, a connection tells."""
    inside = data_dir.absolute() / SOCKET_NAME
    if fits(inside):
        return inside if inside.exists() else None
    try:
        outside = Path(os.fsdecode((data_dir / POINTER_NAME).read_bytes().strip()))
    except OSError:
        return None
    return outside if fits(outside) and outside.exists() else None


def _runtime_directory() -> Path:
    """Make or check a directory for sockets that only this user can enter."""
    try:
        path = platformdirs.user_runtime_path("kraken-order-engine", appauthor=False)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigError(f"no directory for the control socket: {error}; use a shorter --data-dir") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o077 or path.is_symlink():
        raise ConfigError(f"{path} is not this user's alone (0700): remove it, or use a shorter --data-dir")
    return path
