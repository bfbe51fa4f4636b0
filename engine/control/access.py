"""Who may ask over TCP: a token, made anew at each start, and the file that hands it to this user's own programs.

The token is held in memory. The file is for programs that look for it: where it cannot be written the door stands all
the same, and the Unix socket asks for no token at all, so that a full disk keeps nobody from halting.
"""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path

import msgspec
import structlog

from engine.errors import ConfigError
from engine.seams.chance import Chance

log = structlog.get_logger()

ACCESS_NAME = "control.access"
"""In the data directory, mode 0600, while the engine runs: ``{"url": …, "token": …}``."""
TOKEN_BITS = 256
TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,128}")
"""What a token may be: it travels in a header, in a link's fragment and as a WebSocket's subprotocol."""


class Access(msgspec.Struct, frozen=True):
    """Where the door on TCP is, and the token that opens it; its repr shows none of it."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Access(url={self.url!r})"

    def admits(self, given: str) -> bool:
        """Tell whether this is the token, in a time that does not depend on where they differ."""
        return hmac.compare_digest(given.encode(), self.token.encode())


def make_token(chance: Chance, given: str | None = None) -> str:
    """Return the token that was set, or a new one. Raises ConfigError (without it) where the set one is no good."""
    if given is None:
        return f"{chance.stream('control/token').getrandbits(TOKEN_BITS):0{TOKEN_BITS // 4}x}"
    if not TOKEN.fullmatch(given):
        raise ConfigError("control.token: 16 to 128 letters, digits and . _ ~ - are permitted")
    return given


def keep_access(data_dir: Path, access: Access) -> None:
    """Leave word of the door for this user's programs; a directory that takes no file is logged, and no fault.

    Whoever looks finds the word whole, or none: not half of it, nor that of an engine that was killed.
    """
    path = data_dir / ACCESS_NAME
    fresh = path.with_name(f"{ACCESS_NAME}.new")
    try:
        for left in (path, fresh):  # never written through what another left there
            left.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, msgspec.json.encode(access))
        finally:
            os.close(handle)
        fresh.replace(path)
    except OSError as error:
        log.warning("control.access_not_kept", path=str(path), error=error.strerror)


def forget_access(data_dir: Path) -> None:
    """Take the word away: the token it holds opens nothing any more."""
    try:
        (data_dir / ACCESS_NAME).unlink(missing_ok=True)
    except OSError as error:
        log.warning("control.access_not_removed", error=error.strerror)
