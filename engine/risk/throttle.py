"""The throttle for repeated executions: a strategy that fills again and again on one side waits for a person.

Pure. It trips when a strategy's entries on one market and side have been executed more often within the window than
is allowed; from then on those are denied until a person re-arms it. Trips and re-arms are events for the journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

import msgspec

from engine.risk.denials import Denial, over
from engine.values.money import Side
from engine.values.time import NS

THROTTLE_ROW: Final = "throttle"
"""The journal's kind for a ThrottleEvent."""


class ThrottleEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """It tripped for a strategy on one market and side, or a person re-armed it for all of the strategy's."""

    move: Literal["trip", "rearm"]
    ts_ns: int
    strategy_id: str
    reason: str
    symbol: str = ""
    side: Side | None = None


Key = tuple[str, str, Side]


class Throttle:
    """Counts executed entries. ``most`` within ``window_s`` are allowed; None counts nothing."""

    def __init__(self, most: int | None, window_s: float) -> None:
        self._most, self._window_ns = most, round(window_s * NS)
        self._executed: dict[Key, deque[int]] = {}
        self._tripped: dict[Key, ThrottleEvent] = {}

    def hold_to(self, most: int | None, window_s: float) -> None:
        """Take other bounds. What has tripped stays so; what was counted counts on."""
        self._most, self._window_ns = most, round(window_s * NS)
        kept = {} if most is None else {key: deque(times, maxlen=most + 1) for key, times in self._executed.items()}
        self._executed = kept

    def replay(self, events: Iterable[ThrottleEvent]) -> None:
        """Fold journalled events in their order."""
        for event in events:
            self._apply(event)

    def executed(self, strategy_id: str, symbol: str, side: Side, now_ns: int) -> ThrottleEvent | None:
        """Count one executed entry; returns the event when that trips it."""
        key: Key = (strategy_id, symbol, side)
        if self._most is None or key in self._tripped:
            return None
        times = self._executed.setdefault(key, deque(maxlen=self._most + 1))
        times.append(now_ns)
        if len(times) <= self._most or now_ns - times[0] > self._window_ns:
            return None
        reason = f"{len(times)} executions within {self._window_ns / NS:g} s, the limit is {self._most}"
        event = ThrottleEvent("trip", now_ns, strategy_id, reason, symbol, side)
        self._apply(event)
        return event

    def rearm(self, strategy_id: str, reason: str, now_ns: int) -> ThrottleEvent | None:
        """Let a strategy go on, wherever it tripped. None when it has not tripped."""
        if not any(key[0] == strategy_id for key in self._tripped):
            return None
        event = ThrottleEvent("rearm", now_ns, strategy_id, reason)
        self._apply(event)
        return event

    def check(self, strategy_id: str, symbol: str, side: Side) -> Denial | None:
        """Deny where it has tripped."""
        event = self._tripped.get((strategy_id, symbol, side))
        if event is None:
            return None
        what = f"{strategy_id} {side}s {symbol} again and again ({event.reason}); rearm lets it go on"
        if self._most is None:
            return Denial("REPEATED_EXECUTIONS", what)
        return over("REPEATED_EXECUTIONS", what, Decimal(self._most), Decimal(self._most + 1))

    def tripped(self) -> tuple[ThrottleEvent, ...]:
        """Return every trip that stands."""
        return tuple(self._tripped.values())

    def _apply(self, event: ThrottleEvent) -> None:
        if event.move == "trip" and event.side is not None:
            self._tripped[event.strategy_id, event.symbol, event.side] = event
            return
        for key in [key for key in self._tripped if key[0] == event.strategy_id]:
            del self._tripped[key]
            self._executed.pop(key, None)
