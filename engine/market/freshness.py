"""How old and how late the data of one symbol is. Pure: the time comes as an argument."""

from __future__ import annotations

from collections import deque

import msgspec

from engine.market.book import Fault

LATENCIES = 64
"""So many of the last book updates are judged: some seconds of a busy market."""
_NS = 1e9


class Freshness(msgspec.Struct, frozen=True):
    """One symbol's book now. Ages in seconds, None where there was none yet.

    A quiet market has an old last update: whether the stream lives is for its link to say. ``latency_s`` is the median,
    ``latency_worst_s`` the longest way of the last updates from the venue's stamp to us, by the venue's clock as far
    as it is known.
    """

    symbol: str
    status: str
    depth: int
    usable: bool
    fault: Fault
    update_age_s: float | None
    verified_age_s: float | None
    latency_s: float | None
    latency_worst_s: float | None
    updates: int
    resyncs: int
    holders: tuple[str, ...]


class FreshnessClock:
    """Notes when a symbol's book was last heard of, last verified, and how long its updates took."""

    def __init__(self) -> None:
        self._updated_s: float | None = None
        self._verified_s: float | None = None
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self.updates = self.resyncs = 0

    def heard(self, now_s: float, latency_ns: int | None, *, verified: bool) -> None:
        """Take one book message; ``latency_ns`` is None when the venue gave it no time."""
        self.updates += 1
        self._updated_s = now_s
        if verified:
            self._verified_s = now_s
        if latency_ns is not None:
            self._latencies.append(latency_ns / _NS)

    def ages(self, now_s: float) -> tuple[float | None, float | None]:
        """Return seconds since the last update, and since the last verified one."""
        return _since(self._updated_s, now_s), _since(self._verified_s, now_s)

    def latencies(self) -> tuple[float | None, float | None]:
        """Return median and longest of the last latencies in seconds."""
        if not self._latencies:
            return None, None
        ordered = sorted(self._latencies)
        return round(ordered[len(ordered) // 2], 6), round(ordered[-1], 6)


def _since(then_s: float | None, now_s: float) -> float | None:
    return None if then_s is None else round(now_s - then_s, 3)
