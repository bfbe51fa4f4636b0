"""Reading bytes from a descriptor that somebody else owns, without ever holding up the loop or a Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import trio

CHUNK = 65536


async def read_chunks(descriptor: int) -> AsyncIterator[bytes]:
    """Yield bytes as they come, until the end. Works for pipes, terminals and regular files.

    The descriptor stays in blocking mode: that mode belongs to the open file, which a terminal shares between standard
    input, output and the shell. So each read waits until there is something to read, and then takes only that.
    """
    while True:
        await _readable(descriptor)
        chunk = os.read(descriptor, CHUNK)
        if not chunk:
            return
        yield chunk


async def _readable(descriptor: int) -> None:
    """Wait for bytes or the end. The kernel refuses to watch regular files and the like: those never make one wait."""
    try:
        await trio.lowlevel.wait_readable(descriptor)
    except OSError:
        await trio.lowlevel.checkpoint()
