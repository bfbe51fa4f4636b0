"""Strictly rising nonces that survive a restart: Kraken refuses one not above the highest it has seen for the key."""

from __future__ import annotations

from typing import Protocol

RESERVE_NS = 10_000_000_000
"""How far ahead a mark is stored: one write per ten seconds of calls, instead of one per call."""


class NonceStore(Protocol):
    """Keeps what a key's next user must know: its high-water mark, and how far its counter of calls is spent.

    No nonce at or above the mark was ever sent.
    """

    def load(self) -> int:
        """Return the stored mark, 0 when there is none."""
        ...

    def store(self, mark: int) -> None:
        """Keep ``mark`` durably before returning."""
        ...

    def spent_until(self) -> int:
        """Return when (UTC nanoseconds) the counter of calls is empty again as far as was told; 0 when nothing was."""
        ...

    def spend(self, until_ns: int) -> None:
        """Remember that the counter is not empty before this moment. A power loss may forget it, a kill may not."""
        ...


class MemoryNonceStore:
    """A mark that dies with its holder; hand the same one to a restarted engine of a simulation."""

    def __init__(self, mark: int = 0) -> None:
        self.mark = mark
        self._spent_until = 0

    def load(self) -> int:
        """Return the mark."""
        return self.mark

    def store(self, mark: int) -> None:
        """Keep the mark."""
        self.mark = mark

    def spent_until(self) -> int:
        """Return what was last remembered."""
        return self._spent_until

    def spend(self, until_ns: int) -> None:
        """Remember it."""
        self._spent_until = until_ns


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
