"""Execution reports to subscribers: published once durable, in journal order, never slowing an order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
import trio

from engine.journal.journal import Journal
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.events import ExecutionReport, OrderEvent
from engine.orders.execution import execution_report, refusal_report
from engine.orders.order import Order
from engine.orders.replay import FACT_OF_KIND, Intent, Refused, rebuild_orders
from engine.orders.signal import Signal
from engine.runtime.durable_line import DurableLine
from engine.runtime.history import accepted_signal


class Lagged(msgspec.Struct, frozen=True):
    """The marker a subscriber gets when it fell behind and was cut off: resume after ``offset`` from the journal."""

    offset: int


def _nobody(report: ExecutionReport) -> None:
    """Stand in until somebody listens."""


class Subscription:
    """One subscriber's bounded queue; ends with a Lagged marker when it overflows."""

    def __init__(self, capacity: int) -> None:
        # one place more than promised, so that the marker always fits
        self._send, self._receive = trio.open_memory_channel[ExecutionReport | Lagged](capacity + 1)
        self._capacity = capacity
        self._last = 0
        self.closed = False

    def offer(self, report: ExecutionReport) -> None:
        """Queue a report, or cut the subscriber off."""
        if self.closed:
            return
        if self._send.statistics().current_buffer_used >= self._capacity:
            self._send.send_nowait(Lagged(self._last))
            self.close()
            return
        self._last = report.offset
        self._send.send_nowait(report)

    def take(self) -> list[ExecutionReport | Lagged]:
        """Take everything that is queued, without waiting."""
        taken: list[ExecutionReport | Lagged] = []
        with contextlib.suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                taken.append(self._receive.receive_nowait())
        return taken

    def close(self) -> None:
        """End the subscription; what is queued can still be read."""
        self.closed = True
        self._send.close()

    def __aiter__(self) -> AsyncIterator[ExecutionReport | Lagged]:
        """Iterate over reports as they come; ends after Lagged or when the engine ends. May be left at any time."""
        return self

    async def __anext__(self) -> ExecutionReport | Lagged:
        """Wait for the next one."""
        return await self._receive.__anext__()


class Bus:
    """Collects reports, waits until their rows are durable, and hands them to every subscriber."""

    def __init__(self, journal: Journal, queue: int) -> None:
        self._queue = queue
        self._line: DurableLine[ExecutionReport] = DurableLine(journal, self._publish)
        self._subscribers: list[Subscription] = []
        self.published = 0
        self.on_posted: Callable[[ExecutionReport], object] = _nobody
        self.on_published: Callable[[ExecutionReport], object] = _nobody
        self.closed = False

    @property
    def waiting(self) -> int:
        """How many reports wait for their rows to be durable."""
        return len(self._line)

    @property
    def subscribers(self) -> int:
        """How many read along."""
        return len(self._subscribers)

    def post(self, report: ExecutionReport) -> None:
        """Publish this report once its row is durable."""
        self.on_posted(report)
        self._line.put(report)

    async def run(self) -> None:
        """Publish until cancelled."""
        await self._line.run()

    async def flush(self) -> None:
        """Publish what waits now."""
        await self._line.flush()

    def _publish(self, report: ExecutionReport) -> None:
        self.published += 1
        self.on_published(report)
        for subscriber in self._subscribers:
            subscriber.offer(report)

    @contextmanager
    def subscribe(self, capacity: int | None = None) -> Iterator[Subscription]:
        """Receive every report published while the block stands."""
        subscription = Subscription(capacity or self._queue)
        self._subscribers.append(subscription)
        try:
            yield subscription
        finally:
            self._subscribers.remove(subscription)
            if not subscription.closed:
                subscription.close()

    def close(self) -> None:
        """End every subscription after its last report."""
        self.closed = True
        for subscriber in self._subscribers:
            if not subscriber.closed:
                subscriber.close()


async def call_each(subscription: Subscription, callback: Callable[[ExecutionReport], Awaitable[None] | None]) -> None:
    """Run a callback for every report: a thin helper, the subscription's bounds hold for it too."""
    async for report in subscription:
        if isinstance(report, Lagged):
            return
        result = callback(report)
        if result is not None:
            await result


def reports_from(journal: JournalReader, after: int, upto: int | None = None) -> Iterator[ExecutionReport]:
    """Yield the report of every step behind row ``after``; what came before is folded only for orders that go on.

    ``upto`` is the last row to look at: where somebody writes, no report may be told before its row is durable.
    """
    signals: dict[str, Signal] = {}
    orders: dict[str, Order] = {}
    for row in journal.rows(after=after, upto=upto):
        if row.kind == "intent":
            intent = row.decode(Intent)
            orders[row.cl_ord_id] = Order(intent.spec, intent.role)
        elif row.kind == "order":
            event = row.decode(OrderEvent)
            order = orders.pop(row.cl_ord_id, None) or _order_before(journal, row)
            order.apply(event)
            if row.signal_id not in signals:
                signals[row.signal_id] = accepted_signal(journal, row.signal_id)
            yield execution_report(order, event, signals[row.signal_id], row.seq)
            if order.state != "settled":  # settled ones leave memory; a late report brings one back
                orders[row.cl_ord_id] = order
        elif row.kind == "denied":
            yield refusal_report(row.decode(Refused), row.seq, row.ts_ns)
        elif row.kind == "closed":
            signals.pop(row.signal_id, None)


def _order_before(journal: JournalReader, row: Row) -> Order:
    """Fold one order again, up to the row before ``row``."""
    before = (r for r in journal.rows(cl_ord_id=row.cl_ord_id) if r.seq < row.seq and r.kind in FACT_OF_KIND)
    return rebuild_orders((r.cl_ord_id, r.decode(FACT_OF_KIND[r.kind])) for r in before)[row.cl_ord_id]
