"""One private REST call at a time per key, the most urgent first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from engine.venue.protocol import Lane

YIELD_S = 3.0
"""A read in flight is abandoned after this time once an order or cancel waits behind it."""


class NonceLine:
    """Two calls in flight could reach Kraken swapped, and the later nonce would spoil the earlier: so one at a time.

    The holder's call runs in a cancel scope; a waiting order or cancel draws that scope's deadline closer when the
    holder is only a query.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._count = 0
        self._taken = False
        self._holder: tuple[Lane, trio.CancelScope] | None = None

    @contextmanager
    def turn(self, lane: Lane) -> Iterator[trio.CancelScope]:
        """Hold the line that ``take`` has got, and pass it on at the end.

        What runs inside may be cut off: then the yielded scope's ``cancelled_caught`` tells.
        """
        try:
            with trio.CancelScope() as scope:
                self._holder = (lane, scope)
                self._press()
                yield scope
        finally:
            self._holder = None
            self._pass_on()

    async def take(self, lane: Lane) -> None:
        """Wait for our turn; ``turn`` must follow at once."""
        await trio.lowlevel.checkpoint()
        if not self._taken:
            self._taken = True
            return
        ticket = (int(lane), self._count, trio.Event())
        self._count += 1
        heapq.heappush(self._waiting, ticket)
        self._press()
        try:
            await ticket[2].wait()
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
            else:  # our turn had come while we were being cancelled
                self._pass_on()
            raise

    def _press(self) -> None:
        if self._holder is None or not self._waiting:
            return
        lane, scope = self._holder
        if lane == Lane.QUERY and self._waiting[0][0] < Lane.QUERY:
            scope.deadline = min(scope.deadline, trio.current_time() + YIELD_S)

    def _pass_on(self) -> None:
        if self._waiting:  # the line stays taken, so that nobody slips in before the next one wakes
            heapq.heappop(self._waiting)[2].set()
        else:
            self._taken = False
