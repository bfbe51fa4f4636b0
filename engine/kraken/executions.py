"""The executions channel: its frames as reports, and what is known of our fills (§9)."""

from __future__ import annotations

from collections.abc import Callable

import trio

from engine.accounts.movement import Movement
from engine.kraken import decode
from engine.kraken.backlog import Backlog
from engine.kraken.fill_memory import FillMemory, Hole, shown_since_ns
from engine.kraken.frames import Channel, ExecutionRow
from engine.kraken.gap_fill import GapFill
from engine.kraken.limits import EngineCounters
from engine.kraken.queries import Queries
from engine.kraken.session import Session
from engine.kraken.unnamed import Unnamed
from engine.kraken.untold import Untold
from engine.values.time import NS
from engine.venue.protocol import VenueSink

HOLD_S = 1.5
"""So long the stream's news waits for older fills, which are mostly here in a tenth of that."""


class Executions:
    """One subscription after another; ``begin`` starts a new one.

    ``opened`` from its snapshot on. ``hole`` is what the time away may have hidden: ``fill_hole`` brings it.
    """

    def __init__(
        self,
        queries: Queries,
        sink: VenueSink,
        counters: EngineCounters,
        venue_now_ns: Callable[[], int],
        certain_ns: Callable[[float], int],
    ) -> None:
        self._counters, self._venue_now_ns, self._certain_ns = counters, venue_now_ns, certain_ns
        self._fills = FillMemory()
        self._gap_fill = GapFill(queries, sink, self._fills, lambda order_id: self.session.name_of(order_id))
        self._backlog = Backlog(sink)
        self._unnamed = Unnamed(queries, self._backlog.on_report)
        self._untold = Untold(queries, self._fills, self._gap_fill.tell)
        self._known_since_ns: int | None = None  # of the last complete stream
        self.begin()

    def begin(self) -> None:
        """Start with nothing but the memory of fills."""
        self.session = Session()
        self.opened = False
        self.hole: Hole | None = None
        self.fills_since_ns = 0
        """Every fill from this venue time on is known; 0: every fill there ever was."""
        self._oldest_shown: str | None = None

    def take(self, frame: Channel, now_s: float) -> None:
        """Take one frame. Raises VenueProtocolError when it breaks the contract: then the rest of it is lost."""
        rows = decode.executions(frame)
        if frame.snapshot and not self.opened:
            self._open(rows, now_s)
        else:
            for report in self.session.update(rows, now_s):
                least_ns = self._certain_ns(now_s) - report.ts_ns if report.ts_ns else 0
                self._counters.note(report, now_s, max(0, least_ns) / NS)
                if report.fill is not None:
                    self._fills.hear(report.fill)
                self._backlog.on_report(report)
        self._count(rows)
        self._unnamed.look(self.session)

    def complete(self) -> None:
        """Note that no fill is missing up to now: what the stream before this one knew is known still."""
        self._fills.complete()
        if self._known_since_ns is not None:
            self.fills_since_ns = min(self.fills_since_ns, self._known_since_ns)
        self._known_since_ns = self.fills_since_ns

    async def reach_back(self, since_ns: int) -> None:
        """Return when every fill since a moment (venue time) has reached the sink.

        REST may lag, but a list that holds the oldest fill of the snapshot is whole up to there.
        """
        session = self.session
        if self.fills_since_ns > since_ns:
            await self._gap_fill.close(Hole(since_ns, None, self._oldest_shown))
            if session is self.session:  # else another stream has begun, and nobody knows what lies between
                self.fills_since_ns = self._known_since_ns = min(since_ns, self.fills_since_ns)

    def lose(self, silent_s: float) -> None:
        """Note that the stream, complete until then, went away; it was last heard ``silent_s`` ago."""
        self._fills.lose(self._venue_now_ns() - int(silent_s * NS))

    def end(self) -> None:
        """Tell what is still held: the connection has gone."""
        self._backlog.release()

    async def fill_hole(self, hole: Hole) -> None:
        """Return when every fill of the hole has reached the sink. What is newer is told after them, or soon."""
        async with trio.open_nursery() as holding_nursery:
            holding_nursery.start_soon(self._hold, name="link/private/hold")
            await self._gap_fill.close(hole)
            holding_nursery.cancel_scope.cancel()
        self._backlog.release()
        self.fills_since_ns = min(self.fills_since_ns, hole.since_ns)

    async def name_orders(self) -> None:
        """Ask for orders that the stream named without saying what they are, until cancelled."""
        await self._unnamed.run()

    def expect(self, movement: Movement) -> None:
        """Learn of a ledger entry: the fill that made it is to come, or has."""
        self._untold.hear(movement)

    async def find_untold(self, up: Callable[[], bool], give_up: Callable[[str], None]) -> None:
        """Ask for fills of which the balances alone have told, until cancelled.

        Only while the stream is ``up``; one that has left out a fill is given up, with the reason why.
        """
        await self._untold.run(up, give_up)

    async def _hold(self) -> None:
        await trio.sleep(HOLD_S)
        self._backlog.release()

    def _open(self, rows: tuple[ExecutionRow, ...], now_s: float) -> None:
        open_orders, trades = self.session.snapshot(rows)
        self.hole = self._fills.hole(trades)
        self.fills_since_ns, self._oldest_shown = shown_since_ns(trades)
        for trade in trades:
            if trade.fill is not None:
                self._fills.hear(trade.fill)
        self._counters.snapshot(open_orders, self._venue_now_ns(), now_s)
        if self.hole is not None:
            self._backlog.hold()
        self._backlog.on_snapshot(open_orders, trades)
        self.opened = True

    def _count(self, rows: tuple[ExecutionRow, ...]) -> None:
        for row in rows:
            level = row.ratecount if row.ratecount is not None else row.rate_count
            symbol = row.symbol or self._counters.symbol_of(row.order_id)
            if level is not None and symbol is not None:
                age_s = max(0, self._venue_now_ns() - decode.moment(row.timestamp)) / NS if row.timestamp else 0.0
                self._counters.read(symbol, level, age_s, trio.current_time())
