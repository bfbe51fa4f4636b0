"""The record of one run: everything that happened, with its time, hashed as it comes and kept for telling."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

import trio

TAIL = 50
"""Rows that a failure shows."""
_KEPT = 400

Lane = Literal["journal", "disk", "sent", "answered", "venue", "log", "weather", "operator", "oracle"]


class TraceRow(NamedTuple):
    """One thing that happened at ``at_s`` of virtual time; ``subject`` is the order or signal concerned."""

    at_s: float
    lane: Lane
    subject: str
    text: str | bytes

    def told(self) -> str:
        """Return it as one line."""
        text = self.text.decode("utf-8", "replace") if isinstance(self.text, bytes) else self.text
        return f"{self.at_s:11.6f} {self.lane:8} {self.subject[:8]:8} {text}"


class Trace:
    """A running hash over every byte, row and transition with its time, and the last rows (``whole``: all of them)."""

    def __init__(self, *, whole: bool = False) -> None:
        self._hash = hashlib.sha256()
        self._start_s = trio.current_time()
        self.rows: deque[TraceRow] = deque(maxlen=None if whole else _KEPT)

    @property
    def now_s(self) -> float:
        """Virtual seconds since the beginning."""
        return trio.current_time() - self._start_s

    def wire(self, end: str, data: bytes) -> None:
        """Take what one end of a connection has sent. Hashed, not kept: the requests in it are told as such."""
        self._hash.update(f"{trio.current_time()!r} {end} {len(data)} ".encode())
        self._hash.update(data)

    def note(self, lane: Lane, subject: str, text: str | bytes) -> None:
        """Take one thing that happened."""
        row = TraceRow(self.now_s, lane, subject, text)
        self._hash.update(f"{row.at_s!r} {lane} {subject} ".encode())
        self._hash.update(text if isinstance(text, bytes) else text.encode())
        self.rows.append(row)

    @property
    def digest(self) -> str:
        """Hash of all so far."""
        return self._hash.hexdigest()

    def tail(self, count: int = TAIL) -> list[str]:
        """Return the last rows as lines."""
        return [row.told() for row in list(self.rows)[-count:]]

    def about(self, subjects: Iterable[str]) -> list[TraceRow]:
        """Return the kept rows that concern any of these, and the weather, the operator and the oracle."""
        wanted = set(subjects)
        common = ("weather", "operator", "oracle")
        return [row for row in self.rows if row.subject in wanted or row.lane in common]
