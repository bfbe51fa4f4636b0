"""The last fills, from the journal."""

from __future__ import annotations

from collections import deque

import trio

from engine.journal.reader import JournalReader
from engine.orders.events import ExecutionReport, OrderEvent
from engine.orders.execution import execution_report
from engine.orders.order import Order
from engine.orders.replay import Intent
from engine.orders.signal import Signal
from engine.runtime.history import accepted_signal

MAX_EXECUTIONS = 1000
_STRIDE_ROWS = 512  # some ten milliseconds between chances for other tasks


async def executions(journal: JournalReader, limit: int) -> list[ExecutionReport]:
    """Return the report of each of the last ``limit`` fills, oldest first; at most MAX_EXECUTIONS.

    Reads the journal from its end, and lets other tasks run in between.
    """
    fills = await _last_fills(journal, min(limit, MAX_EXECUTIONS))
    wanted: dict[str, set[int]] = {}
    for seq, cl_ord_id in fills:
        wanted.setdefault(cl_ord_id, set()).add(seq)
    reports: dict[int, ExecutionReport] = {}
    for cl_ord_id, rows in wanted.items():
        reports.update((report.offset, report) for report in order_reports(journal, cl_ord_id) if report.offset in rows)
        await trio.lowlevel.checkpoint()
    return [reports[seq] for seq, _ in fills]


async def _last_fills(journal: JournalReader, limit: int) -> list[tuple[int, str]]:
    """Walk backwards in strides until enough fills were met; return (row, cl_ord_id), oldest first."""
    found: deque[tuple[int, str]] = deque()
    upto, _ = journal.head
    while upto > 0 and len(found) < limit:
        after = max(0, upto - _STRIDE_ROWS)
        stride: list[tuple[int, str]] = []
        for row in journal.rows(after=after, kind="order"):
            if row.seq > upto:
                break
            if row.decode(OrderEvent).fill is not None:
                stride.append((row.seq, row.cl_ord_id))
        found.extendleft(reversed(stride))
        upto = after
        await trio.lowlevel.checkpoint()
    return list(found)[-limit:]


def order_reports(journal: JournalReader, cl_ord_id: str) -> list[ExecutionReport]:
    """Fold one order again and return the report of every step it took."""
    order: Order | None = None
    signal: Signal | None = None
    reports: list[ExecutionReport] = []
    for row in journal.rows(cl_ord_id=cl_ord_id):
        if row.kind == "intent":
            intent = row.decode(Intent)
            order, signal = Order(intent.spec, intent.role), accepted_signal(journal, row.signal_id)
        elif row.kind == "order" and order is not None and signal is not None:
            event = row.decode(OrderEvent)
            order.apply(event)
            reports.append(execution_report(order, event, signal, row.seq))
    return reports
