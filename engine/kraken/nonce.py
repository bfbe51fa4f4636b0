"""Strictly rising nonces that survive a restart: Kraken refuses one not above the highest it has seen for the key."""

from __future__ import annotations

from typing import Protocol

RESERVE_NS = 10_000_000_000
"""How far ahead a mark is stored: one write per ten seconds of calls, instead of one per call."""


class NonceStore(Protocol):
    """Keeps the high-water mark: no nonce at or above it was ever sent."""

    def load(self) -> int:
        """Return the stored mark, 0 when there is none."""
        ...

    def store(self, mark: int) -> None:
        """Keep ``mark`` durably before returning."""
        ...


class MemoryNonceStore:
    """A mark that dies with its holder; hand the same one to a restarted engine of a simulation."""

    def __init__(self, mark: int = 0) -> None:
        self.mark = mark

    def load(self) -> int:
        """Return the mark."""
        return self.mark

    def store(self, mark: int) -> None:
        """Keep the mark."""
        self.mark = mark


class Nonces:
    """Draws nonces: nanoseconds of the wall clock, pushed up where the clock repeats or steps back.

    The unit is nanoseconds for ever: a key that has seen a larger unit accepts no smaller one.
    """

    def __init__(self, store: NonceStore) -> None:
        self._store = store
        self._mark = store.load()
        self._last = self._mark

    def draw(self, now_ns: int) -> int:
        """Return the next nonce, above every one drawn before, by this process or an earlier one."""
        nonce = max(now_ns, self._last + 1)
        if nonce >= self._mark:
            self._store.store(nonce + RESERVE_NS)
            self._mark = nonce + RESERVE_NS
        self._last = nonce
        return nonce
