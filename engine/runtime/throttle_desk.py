"""The throttle's shell: its journal rows, and the executions of the last window, which a kill does not wipe out."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import structlog

from engine.journal.journal import Journal
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent, Opened
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.risk.denials import Denial
from engine.risk.limits import Limits
from engine.risk.throttle import THROTTLE_ROW, Throttle, ThrottleEvent
from engine.seams.clock import Clock
from engine.values.time import NS

log = structlog.get_logger()

_STRIDE_ROWS: Final = 512
_FILL: Final = b'"fill":'
"""Stands in every order row that tells of a fill, and in few others: those are read in full."""


class ThrottleDesk:
    """Counts executed entries, trips and is re-armed. Every move is in the journal."""

    def __init__(self, limits: Limits, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._throttle = Throttle(limits.repeats_most, limits.repeats_window_s)
        trips = [row.decode(ThrottleEvent) for row in journal.rows(kind=THROTTLE_ROW, signal_id="")]
        self._throttle.replay(trips)
        self._executed: set[str] = set()  # entries that have filled at all: of living brackets, and lately of any
        if limits.repeats_most is not None:
            rearmed = {one.strategy_id: one.ts_ns for one in trips if one.move == "rearm"}
            self._recount(clock.now_ns() - round(limits.repeats_window_s * NS), rearmed)

    def _recount(self, since_ns: int, rearmed: dict[str, int]) -> None:
        """Count what an earlier process has executed within the window, from where its strategy was last re-armed."""
        for row in _fills_since(self._journal, since_ns):
            if row.cl_ord_id in self._executed:
                continue
            intent = next(self._journal.rows(cl_ord_id=row.cl_ord_id, kind="intent")).decode(Intent)
            if intent.role != "entry":
                continue
            self._executed.add(row.cl_ord_id)
            opened = next(self._journal.rows(signal_id=row.signal_id, kind="signal")).decode(Opened)
            if row.ts_ns > rearmed.get(opened.signal.strategy_id, 0):
                self._count(opened.signal, row.ts_ns)

    def hold_to(self, limits: Limits) -> None:
        """Take other limits; where nothing was counted before, counting begins now."""
        self._throttle.hold_to(limits.repeats_most, limits.repeats_window_s)

    def learned(self, signal: Signal, view: OrderView) -> None:
        """Count an entry with its first fill, once."""
        if view.role == "entry" and view.done_qty and view.cl_ord_id not in self._executed:
            self._executed.add(view.cl_ord_id)
            self._count(signal, self._clock.now_ns())

    def _count(self, signal: Signal, ts_ns: int) -> None:
        event = self._throttle.executed(signal.strategy_id, signal.symbol, signal.side, ts_ns)
        if event is not None:
            log.error("throttle.tripped", strategy=event.strategy_id, symbol=event.symbol, side=event.side)
            self._journal.append(THROTTLE_ROW, event, ts_ns=event.ts_ns)

    def forget(self, names: set[str]) -> None:
        """Forget orders whose bracket has ended."""
        self._executed -= names

    def rearm(self, strategy_id: str, reason: str) -> bool:
        """Let a strategy that was throttled go on. False when it was not."""
        event = self._throttle.rearm(strategy_id, reason, self._clock.now_ns())
        if event is not None:
            log.warning("throttle.rearmed", strategy=strategy_id, why=reason)
            self._journal.append(THROTTLE_ROW, event, ts_ns=event.ts_ns)
        return event is not None

    def check(self, signal: Signal) -> Denial | None:
        """Deny where its strategy is throttled."""
        return self._throttle.check(signal.strategy_id, signal.symbol, signal.side)

    def tripped(self) -> tuple[ThrottleEvent, ...]:
        """Return every trip that stands."""
        return self._throttle.tripped()


def _fills_since(journal: JournalReader, since_ns: int) -> list[Row]:
    """Return the order rows with a fill from a time on, oldest first; reads backwards in strides, no further."""
    upto, _ = journal.head
    edges = [*range(upto, 0, -_STRIDE_ROWS), 0]
    strides: list[list[Row]] = []
    for last, after in pairwise(edges):
        rows: list[Row] = []
        young = False
        for row in journal.rows(after=after):
            if row.seq > last:
                break
            young |= row.ts_ns >= since_ns
            if row.ts_ns >= since_ns and row.kind == "order" and _FILL in row.body:
                rows.append(row)
        strides.append([row for row in rows if row.decode(OrderEvent).fill is not None])
        if not young:
            break
    return [row for stride in reversed(strides) for row in stride]
