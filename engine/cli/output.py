"""The two ways out: stdout is data, stderr is talk. A reader that has gone away is no error."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.text import Text

PLAIN_WIDTH = 160
"""Columns where no terminal says otherwise: wide enough that nothing in a log is cut."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the error through: the library would end the process here and now, engine and all."""
        raise BrokenPipeError


class Output:
    """Standard output. ``closed`` is set once its reader has gone; everything said after that is dropped."""

    def __init__(self) -> None:
        self._stream: TextIO = sys.stdout
        self.closed = False
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="replace")  # an old terminal may lack a character; that is no fault
        terminal = self._stream.isatty()
        self.console = _Console(
            file=self._stream, width=None if terminal else PLAIN_WIDTH, highlight=False, soft_wrap=False, emoji=False
        )

    @property
    def is_terminal(self) -> bool:
        """Whether a person is likely to look at it."""
        return self.console.is_terminal

    @property
    def width(self) -> int:
        """Columns to lay out for."""
        return self.console.width

    def show(self, *parts: RenderableType, sep: str = "\n") -> None:
        """Print for people, part below part."""
        self._guarded(lambda: self.console.print(*parts, sep=sep))

    def line(self, text: Text) -> None:
        """Print one line that may be longer than the terminal is wide; nothing is cut."""
        self._guarded(lambda: self.console.print(text, soft_wrap=True))

    def json(self, value: Any) -> None:
        """Print one JSON value on one line."""
        self.text(msgspec.json.encode(value).decode() + "\n")

    def text(self, text: str) -> None:
        """Write text as it is."""
        self._guarded(lambda: self._stream.write(text))

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._guarded(lambda: sys.stdout.buffer.write(data))

    def _guarded(self, write: Any) -> None:
        if self.closed:
            return
        try:
            write()
            self._stream.flush()
        except BrokenPipeError:
            self.closed = True
            leave_quietly()


def help_console() -> Console:
    """Return the console for what the library prints by itself; a reader that has gone raises BrokenPipeError."""
    return _Console()


def leave_quietly() -> None:
    """Let standard output lead nowhere: its reader has gone, and the interpreter flushes once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def talk(text: str) -> None:
    """Say something on stderr."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        return
