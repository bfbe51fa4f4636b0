"""Execution reports to subscribers: published once durable, in journal order, never slowing an order."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
import trio

from engine.journal.journal import Journal
from engine.orders.events import ExecutionReport, OrderEvent
from engine.orders.execution import execution_report
from engine.orders.order import Order
from engine.orders.replay import FACT_OF_KIND, Fact, Intent, Opened
from engine.orders.signal import Signal


class Lagged(msgspec.Struct, frozen=True):
    """The marker a subscriber gets when it fell behind and was cut off: resume after ``offset`` from the journal."""

    offset: int


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

    def close(self) -> None:
        """End the subscription; what is queued can still be read."""
        self.closed = True
        self._send.close()

    async def __aiter__(self) -> AsyncIterator[ExecutionReport | Lagged]:
        """Yield reports as they come; stops after Lagged or when the engine ends."""
        async with self._receive:
            async for report in self._receive:
                yield report


class Bus:
    """Collects reports, waits until their rows are durable, and hands them to every subscriber."""

    def __init__(self, journal: Journal, queue: int) -> None:
        self._journal, self._queue = journal, queue
        self._waiting: deque[ExecutionReport] = deque()  # bounded by the inboxes that feed it: emptied every sync
        self._wake = trio.Event()
        self._subscribers: list[Subscription] = []
        self.published = 0

    def post(self, report: ExecutionReport) -> None:
        """Publish this report once its row is durable."""
        self._waiting.append(report)
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Publish what waits now."""
        batch = len(self._waiting)
        if not batch:
            return
        await self._journal.sync()
        for _ in range(min(batch, len(self._waiting))):
            report = self._waiting.popleft()
            self.published += 1
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


def reports_from(journal: Journal, after: int) -> Iterator[ExecutionReport]:
    """Fold the journal again and yield every report with an offset beyond ``after``."""
    signals: dict[str, Signal] = {}
    orders: dict[str, Order] = {}
    for row in journal.rows():
        kind = FACT_OF_KIND.get(row.kind)
        if kind not in (Opened, Intent, OrderEvent):
            continue
        fact: Fact = row.decode(kind)
        if isinstance(fact, Opened):
            signals[row.signal_id] = fact.signal
        elif isinstance(fact, Intent):
            orders[row.cl_ord_id] = Order(fact.spec, fact.role)
        elif isinstance(fact, OrderEvent):
            order = orders[row.cl_ord_id]
            order.apply(fact)
            if row.seq > after:
                yield execution_report(order, fact, signals[row.signal_id], row.seq)
            if order.state == "settled":
                orders.pop(row.cl_ord_id)
