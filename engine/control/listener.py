"""The listening socket: this user's alone from its first moment, one for each data directory, gone with its engine."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.control.place import LOCK_NAME, POINTER_NAME, choose_socket
from engine.errors import ConfigError
from engine.journal.lease import hold_lease

BACKLOG = 32


@contextmanager
def listening_socket(data_dir: Path, now_ns: int) -> Iterator[tuple[socket.socket, Path]]:
    """Listen for an engine on ``data_dir`` (which exists) while the block stands; give the socket and its path.

    What a dead engine left is replaced. Raises JournalBusy while another process listens for the same directory, and
    ConfigError when no socket can be made.
    """
    path = choose_socket(data_dir)
    # Whoever holds the lease may take a socket away: nobody living listens on it.
    lock = data_dir / LOCK_NAME
    with hold_lease(lock, what=f"the door of {data_dir}", data_dir=data_dir, now_ns=now_ns):
        listener = _bind(path)
        pointer = data_dir / POINTER_NAME
        try:
            if path.parent != data_dir.absolute():
                _write_private(pointer, os.fsencode(path) + b"\n")
            yield listener, path
        finally:
            listener.close()
            path.unlink(missing_ok=True)
            pointer.unlink(missing_ok=True)


def _bind(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode a socket is born with comes from the umask: a chmod after bind would leave it open for a moment.
    usual = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {path}: {error.strerror}") from error
    finally:
        os.umask(usual)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} is in the way: it is no socket; move it or use another --data-dir")
    path.unlink()


def _write_private(path: Path, text: bytes) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, text)
    finally:
        os.close(handle)
