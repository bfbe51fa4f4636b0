"""Where the socket lies, and who may reach it."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from engine.control.listener import listening_socket
from engine.control.place import PATH_BYTES_MOST, find_socket, fits
from engine.errors import ConfigError, JournalBusy


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _long(data_dir: Path, extra: int = 0) -> Path:
    """Make a data directory in which the socket's path is ``extra`` bytes longer than fits."""
    path = data_dir
    want = PATH_BYTES_MOST + extra - len("/control.sock")
    while len(os.fsencode(path)) < want:
        room = want - len(os.fsencode(path)) - 1
        path /= "d" * (room if room <= 60 else 40)
    assert len(os.fsencode(path)) == want
    path.mkdir(parents=True, mode=0o700)
    return path


def test_the_socket_is_this_users_alone_from_the_start(data_dir, monkeypatch):
    """It is born with mode 0600 even under an open umask, and the umask is put back."""
    born: list[int] = []
    listen = socket.socket.listen
    monkeypatch.setattr(
        "socket.socket.listen",
        lambda self, backlog: (born.append(_mode(Path(self.getsockname()))), listen(self, backlog)),
    )
    usual = os.umask(0)
    try:
        with listening_socket(data_dir, 0) as (_, path):
            assert born == [0o600]
            assert _mode(path) == 0o600
            assert path == data_dir / "control.sock"
    finally:
        assert os.umask(usual) == 0


def test_the_longest_path_that_fits_is_used(data_dir):
    """A path of exactly as many bytes as the kernel takes stays in the data directory."""
    directory = _long(data_dir)
    with listening_socket(directory, 0) as (_, path):
        assert (path, fits(path)) == (directory / "control.sock", True)
        assert find_socket(directory) == path


def test_a_path_one_byte_too_long_goes_to_the_runtime_directory(data_dir):
    """Then it has a short name in a directory of mode 0700, and a private file in the data directory names it."""
    directory = _long(data_dir, extra=1)
    with listening_socket(directory, 0) as (_, path):
        assert path.parent == Path(os.environ["XDG_RUNTIME_DIR"]) / "kraken-order-engine"
        assert fits(path)
        assert (_mode(path.parent), _mode(path), _mode(directory / "control.path")) == (0o700, 0o600, 0o600)
        assert find_socket(directory) == path
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()
    assert find_socket(directory) is None


def test_a_runtime_directory_that_others_can_enter_is_refused(data_dir):
    """Nobody else may put a socket in our place."""
    directory = _long(data_dir, extra=1)
    shared = Path(os.environ["XDG_RUNTIME_DIR"]) / "kraken-order-engine"
    shared.mkdir()
    shared.chmod(0o755)
    with pytest.raises(ConfigError, match="not this user's alone"), listening_socket(directory, 0):
        pass


def test_what_a_dead_engine_left_is_replaced(data_dir):
    """A socket file without a listener is taken away; the new one answers and is gone at the end."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(data_dir / "control.sock"))
    with listening_socket(data_dir, 0) as (_, path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert not path.exists()


def test_a_living_one_is_not_replaced(data_dir):
    """The second is refused, names the first, and leaves its socket alone."""
    with listening_socket(data_dir, 0) as (_, path):
        with (
            pytest.raises(JournalBusy, match=f"door of {data_dir} is held by process {os.getpid()}"),
            listening_socket(data_dir, 0),
        ):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_file_in_the_way_is_left_alone(data_dir):
    """What is no socket is nobody's to remove."""
    (data_dir / "control.sock").write_text("precious")
    with pytest.raises(ConfigError, match="is in the way"), listening_socket(data_dir, 0):
        pass
    assert (data_dir / "control.sock").read_text() == "precious"


def test_without_a_door_none_is_found(data_dir):
    """Neither a missing socket nor a pointer to nowhere is a door."""
    assert find_socket(data_dir) is None
    directory = _long(data_dir, extra=1)
    assert find_socket(directory) is None
    (directory / "control.path").write_text("/nowhere/at/all\n")
    assert find_socket(directory) is None
