"""The nonce mark in a file of its own."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import ConfigError


class FileNonceStore:
    """A mark in a 0600 file, replaced atomically and synced with its directory.

    Written at most once per reserve step, inline: a few milliseconds on a slow disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

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
        fresh = self.path.with_name(self.path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, f"{mark}\n".encode("ascii"))
            os.fsync(handle)
        finally:
            os.close(handle)
        fresh.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
