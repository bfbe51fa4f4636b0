"""Fills: counted once, to the digit, on every side and over every restart."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.chaos.invariants.base import Court, Invariant, Moment
from engine.chaos.ledger import ZERO, Case, Twin
from engine.journal.row import Row
from engine.orders.events import ExecutionReport, OrderEvent
from engine.orders.machine import ENDED
from engine.orders.replay import Closed
from engine.sim.events import OrderReport

GAP_S = 10.0
TOLD_S = 2.0
"""A fill is told of by the stream, or asked for at the next round: what is younger may still be on its way."""


class FillsOnceInJournal(Invariant):
    """A fill in the journal is one of the exchange's, to the digit, and stands there once."""

    name = "fills_once_in_journal"

    def on_row(self, row: Row, fact: Any) -> None:
        """Hold it against the exchange's own record."""
        if not isinstance(fact, OrderEvent) or fact.fill is None:
            return
        fill, twin = fact.fill, self.ledger.orders.get(row.cl_ord_id)
        if twin is None:
            self.broken("a fill of an order without an intent", row.cl_ord_id)
            return
        if fill.exec_id in twin.exec_ids:
            self.broken(f"{fill.exec_id} is counted twice", row.cl_ord_id)
        trades = self.court.world.exchange.truth.trades
        trade = next((one for one in reversed(trades) if one.exec_id == fill.exec_id), None)
        ours = trade is not None and (  # a conditional close's order bears no name of ours
            trade.cl_ord_id == row.cl_ord_id or (trade.cl_ord_id is None and trade.order_id in twin.venue_ids)
        )
        if trade is None or not ours:
            self.broken(f"{fill.exec_id} is not a fill of this order on the exchange: {trade}", row.cl_ord_id)
        elif (trade.qty, trade.price, trade.cost) != (fill.last_qty, fill.last_px, fill.cost):
            self.broken(f"told {fill}, the exchange has {trade}", row.cl_ord_id)
        elif trade.fee != sum((fee.qty for fee in fill.fees), ZERO):
            self.broken(f"told fees {fill.fees}, the exchange took {trade.fee} {trade.fee_asset}", row.cl_ord_id)


class CumNeverFalls(Invariant):
    """cum_qty never falls, here or on the exchange, and is the sum of the order's fills there."""

    name = "cum_never_falls"

    def on_row(self, row: Row, fact: Any) -> None:
        """Compare what the journal is told to have been counted with what it has: an older word takes nothing back."""
        twin = self.ledger.orders.get(row.cl_ord_id)
        if not isinstance(fact, OrderEvent) or fact.venue_cum is None or twin is None:
            return
        before = max(twin.cum_qty, twin.counted)
        if fact.venue_cum < before:
            self.broken(f"counted as {fact.venue_cum} after {before}", row.cl_ord_id)

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Compare with what it was."""
        if twin is None:
            return
        order = report.order
        if order.cum_qty < twin.venue_cum or order.cum_qty > order.order_qty:
            self.broken(f"cum_qty {order.cum_qty} of {order.order_qty} after {twin.venue_cum}", twin.cl_ord_id)


class ReportsOnce(Invariant):
    """A subscriber, one that resumes by offset, too, hears all once, in rising offsets, after its row was synced."""

    name = "reports_once"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._offset = 0
        self._cum: dict[str, Decimal] = {}
        self._heard: set[str] = set()
        self._called = (0, 0)

    def on_called(self, report: ExecutionReport, life: int) -> None:
        """Compare with what the same engine has told before."""
        before = self._called
        if (life, report.offset) <= before:
            self.broken(f"a listener is told offset {report.offset} after {before[1]}", report.cl_ord_id)
        self._called = max(before, (life, report.offset))

    def on_report(self, report: ExecutionReport) -> None:
        """Compare with what came before."""
        if report.offset <= self._offset:
            self.broken(f"offset {report.offset} after {self._offset}", report.cl_ord_id)
        if report.offset > self.ledger.durable:
            self.broken(f"offset {report.offset}, durable up to {self.ledger.durable}", report.cl_ord_id)
        if report.cum_qty < self._cum.get(report.cl_ord_id, ZERO):
            self.broken(f"cum_qty {report.cum_qty} after {self._cum[report.cl_ord_id]}", report.cl_ord_id)
        if report.exec_id is not None and report.exec_id in self._heard:
            self.broken(f"fill {report.exec_id} was told twice", report.cl_ord_id)
        if report.exec_id is not None:
            self._heard.add(report.exec_id)
        self._offset, self._cum[report.cl_ord_id] = report.offset, report.cum_qty

    def on_moment(self, moment: Moment) -> None:
        """In the end everything in the journal was told."""
        if moment == "stopped" and not self.ledger.had("disk_full", "sync_fails"):
            told = {exec_id for twin in self.ledger.orders.values() for exec_id in twin.exec_ids}
            if told - self._heard:
                self.broken(f"fills in the journal and never told: {sorted(told - self._heard)}")


class QuantitiesAddUp(Invariant):
    """In every report what is filled and what is left comes to what was ordered; what has ended leaves nothing."""

    name = "quantities_add_up"

    def on_report(self, report: ExecutionReport) -> None:
        """Add. Where the venue counts more than it has told the fills of, that is neither filled nor left yet."""
        total = report.cum_qty + report.leaves_qty
        ended = report.ord_status in ENDED
        if report.order_qty and (total > report.order_qty or (ended and report.leaves_qty)):
            told = f"{report.ord_status}: {report.cum_qty} filled, {report.leaves_qty} left of {report.order_qty}"
            self.broken(told, report.cl_ord_id)


class PositionEqualsFills(Invariant):
    """A bracket's net quantity when it ends is that of its fills on the exchange."""

    name = "position_equals_fills"

    def on_row(self, row: Row, fact: Any) -> None:
        """Compare at its end."""
        case = self.ledger.cases.get(row.signal_id)
        if not isinstance(fact, Closed) or case is None:
            return
        held = case.held if case.signal.side == "buy" else -case.held
        if fact.net_qty != held and case.signal.entered and not self._just_told(case):
            self.broken(f"told {fact.net_qty}, by the exchange {held}", row.signal_id, *case.orders)

    def _just_told(self, case: Case) -> bool:
        """Whether a fill that the venue has told after its order's end may be on its way: it opens the bracket anew."""
        since_s = self.court.now_s - TOLD_S
        return self.ledger.had_since(since_s, "late_fill") and any(t.filled_s >= since_s for t in case.of("entry"))


class FillsFound(Invariant):
    """A fill that the stream has not told stands in the journal within ten seconds of quiet, and so does every one.

    What is known to have filled covers nobody any more; its single fills come with a list, which waits for room. While
    no private stream is there so does the question that tells what has filled: one call.
    """

    name = "gaps_filled"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._short_s = self._deaf_s = -math.inf

    def on_tick(self) -> None:
        """Compare each order's sums once they have had their time."""
        if self.court.calls_short():
            self._short_s = self.court.now_s
        if self.court.deaf():
            self._deaf_s = self.court.now_s
        if self.court.now_s > max(self.ledger.quiet_since_s, self._deaf_s) + GAP_S:
            self._judge(GAP_S, listed=self.court.now_s > self._short_s + GAP_S)

    def on_moment(self, moment: Moment) -> None:
        """Compare at the end."""
        if moment in ("calm", "settled"):
            self._judge(TOLD_S)

    def _judge(self, since_s: float, *, listed: bool = True) -> None:
        for twin in self.ledger.orders.values():
            venue = twin.venue
            if venue is None or twin.filled_s > self.court.now_s - since_s:
                continue
            told = twin.cum_qty if listed else max(twin.cum_qty, twin.counted)
            if told != venue.cum_qty:
                self.broken(f"journal {twin.cum_qty}, exchange {venue.cum_qty}", twin.cl_ord_id)


RULES = (FillsOnceInJournal, CumNeverFalls, ReportsOnce, QuantitiesAddUp, PositionEqualsFills, FillsFound)
