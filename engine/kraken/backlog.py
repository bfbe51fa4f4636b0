"""What the stream tells while older fills are still being fetched: told after them, so that fills keep their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from engine.orders.reports import OrderReport
from engine.venue.protocol import VenueSink

MOST_HELD = 10_000
"""More than a busy account is told while it is held; then order counts for less than news."""


class Backlog:
    """Stands before the sink. Between ``hold`` and ``release`` it keeps what comes."""

    def __init__(self, sink: VenueSink) -> None:
        self._sink = sink
        self._held: deque[Callable[[], None]] = deque()
        self._holding = False

    def hold(self) -> None:
        """Keep what comes from now on."""
        self._holding = True

    def release(self) -> None:
        """Tell what was kept, and what comes at once."""
        self._holding = False
        while self._held:
            self._held.popleft()()

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        """See VenueSink."""
        self._tell(lambda: self._sink.on_snapshot(open_orders, trades))

    def on_report(self, report: OrderReport) -> None:
        """See VenueSink."""
        self._tell(lambda: self._sink.on_report(report))

    def _tell(self, news: Callable[[], None]) -> None:
        if not self._holding:
            news()
            return
        self._held.append(news)
        if len(self._held) >= MOST_HELD:
            self.release()
