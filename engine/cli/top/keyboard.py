"""One key at a time from a terminal that is put back as it was, however this ends."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import trio

QUIT = frozenset(b"qQ\x04")
"""q, and the end of input."""


@contextmanager
def single_keys(descriptor: int) -> Iterator[None]:
    """Let keys come without Enter and without echo; signals stay as they are."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def wait_quit(descriptor: int) -> None:
    """Return when a person wants no more."""
    while True:
        await trio.lowlevel.wait_readable(descriptor)
        pressed = os.read(descriptor, 64)
        if not pressed or QUIT.intersection(pressed):
            return
