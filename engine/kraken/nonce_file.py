"""The nonce mark in a file of its own, and beside it how far the key's counter of calls is spent."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from engine.errors import ConfigError


class FileNonceStore:
    """A mark in a 0600 file, replaced atomically and synced with its directory.

    Written at most once per reserve step, inline: a few milliseconds on a slow disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._calls = path.with_name(path.name + ".calls")

    def load(self) -> int:
        """Return the mark, 0 for a missing file.

        Raises ConfigError for a file that holds anything else: starting below the true mark would spoil the key.
        """
        try:
            text = self.path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the nonce mark {self.path}: {error}") from error
        if not text.isdecimal():
            raise ConfigError(
                f"the nonce mark {self.path} holds no number; write the highest nonce the key has used (nanoseconds)"
                " into it, or remove it if this machine's clock was never set back"
            )
        return int(text)

    def store(self, mark: int) -> None:
        """Write the mark and sync it."""
        _replace(self.path, mark, synced=True)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def spent_until(self) -> int:
        """Return the moment that the last call of any process left; 0 when there is none that can be read."""
        try:
            text = self._calls.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return 0  # the venue itself says so when its counter is over: this only spares us to be told
        return int(text) if text.isdecimal() else 0

    def spend(self, until_ns: int) -> None:
        """Write it down, unsynced: one small file a call of REST."""
        with contextlib.suppress(OSError):  # a full disk must not keep a query from being asked
            _replace(self._calls, until_ns, synced=False)


def _replace(path: Path, number: int, *, synced: bool) -> None:
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, f"{number}\n".encode("ascii"))
        if synced:
            os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
