"""What has happened, counted: a fold over journal rows, so that a dead journal and a live one count alike."""

from __future__ import annotations

import msgspec

from engine.journal.row import Row
from engine.orders.commands import AmendOrder, NewOrder
from engine.orders.events import OrderEvent
from engine.orders.replay import Requested
from engine.orders.reports import Answer, Outcome


class OrderCounts(msgspec.Struct):
    """Counts over the rows taken. An order is counted where it stands: a refusal that proved wrong is taken back.

    ``submitted`` counts new-order requests let go, ``by_websocket`` and ``by_rest`` their ways, ``not_sent`` those of
    them that never left after all. ``denied`` is all that we refused: signals (``signals_denied``) and orders.
    ``unknown`` counts orders that have ever been unknown, ``unknown_now`` those that are. ``executions`` are fills.
    """

    submitted: int = 0
    by_websocket: int = 0
    by_rest: int = 0
    not_sent: int = 0
    filled: int = 0
    canceled: int = 0
    expired: int = 0
    rejected: int = 0
    denied: int = 0
    unknown: int = 0
    unknown_now: int = 0
    settled: int = 0
    amends: int = 0
    cancels: int = 0
    executions: int = 0
    alarms: int = 0
    signals_accepted: int = 0
    signals_denied: int = 0
    brackets_ended: int = 0


_STANDING = ("filled", "canceled", "expired", "rejected", "denied")


class Tally:
    """Takes rows in order. ``seen`` is the last sequence number taken."""

    def __init__(self, seen: int = 0) -> None:
        self.counts = OrderCounts()
        self.seen = seen

    def take(self, row: Row) -> None:
        """Count one row."""
        self.seen = row.seq
        counts = self.counts
        match row.kind:
            case "signal":
                counts.signals_accepted += 1
            case "denied" | "conflict":
                counts.signals_denied += 1
                counts.denied += 1
            case "closed":
                counts.brackets_ended += 1
            case "request":
                self._requested(row.decode(Requested))
            case "answer":
                answer = row.decode(Answer)
                # without a transport it fell before its request row, and was never counted as submitted
                if answer.request == "new" and answer.outcome is Outcome.NOT_SENT and answer.transport != "none":
                    counts.not_sent += 1
            case "order":
                self._happened(row.decode(OrderEvent))

    def _requested(self, requested: Requested) -> None:
        counts = self.counts
        if isinstance(requested.request, AmendOrder):
            counts.amends += 1
        elif not isinstance(requested.request, NewOrder):
            counts.cancels += 1
        else:
            counts.submitted += 1
            counts.by_websocket += requested.transport == "ws"
            counts.by_rest += requested.transport == "rest"

    def _happened(self, event: OrderEvent) -> None:
        counts = self.counts
        counts.alarms += bool(event.alarm)
        counts.executions += event.fill is not None
        if event.from_state == event.to_state:
            return
        counts.settled += event.to_state == "settled"
        counts.unknown += event.to_state == "unknown"
        counts.unknown_now += (event.to_state == "unknown") - (event.from_state == "unknown")
        for name in _STANDING:
            left = event.from_state == name and event.to_state != "settled"
            change = (event.to_state == name) - left
            if change:
                setattr(counts, name, getattr(counts, name) + change)
