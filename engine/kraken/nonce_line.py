"""One private REST call at a time per key, the most urgent first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from engine.venue.protocol import Lane

YIELD_S = 2.0
"""A read in flight is abandoned after this time once an order or cancel waits behind it."""


PASS_S = 1.0
"""An exit waits no longer than this behind a written order: that has reached the venue by then, or never will."""


class _Hold:
    """One call's hold on the line; ``over`` once the line was passed on before the call's end."""

    def __init__(self, lane: Lane, scope: trio.CancelScope) -> None:
        self.lane, self.scope = lane, scope
        self.since_s = trio.current_time()
        self.over = False


class NonceLine:
    """Two calls in flight could reach Kraken swapped, and the later nonce would spoil the earlier: so one at a time.

    The holder's call runs in a cancel scope; a waiting order or cancel draws that scope's deadline closer when the
    holder is only a query. An exit passes an order whose answer does not come: at worst that order is refused for
    its nonce, which is certain.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._count = 0
        self._taken = False
        self._holder: _Hold | None = None

    @contextmanager
    def turn(self, lane: Lane) -> Iterator[trio.CancelScope]:
        """Hold the line that ``take`` has got, and pass it on at the end.

        What runs inside may be cut off: then the yielded scope's ``cancelled_caught`` tells.
        """
        with trio.CancelScope() as scope:
            hold = self._holder = _Hold(lane, scope)
            try:
                self._press()
                yield scope
            finally:
                if not hold.over:
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
            if lane <= Lane.REDUCING:
                await self._wait_or_pass(ticket[2])
            await ticket[2].wait()
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
            else:  # our turn had come while we were being cancelled
                self._pass_on()
            raise

    async def _wait_or_pass(self, turn: trio.Event) -> None:
        """Wait for our turn; take the line from any order that has held it for too long."""
        while not turn.is_set():
            hold = self._holder
            if hold is None or hold.lane == Lane.QUERY:  # somebody is just taking it, or is a read and will be cut off
                with trio.move_on_after(PASS_S):
                    await turn.wait()
                continue
            with trio.move_on_at(hold.since_s + PASS_S):
                await turn.wait()
            if not turn.is_set() and hold is self._holder:
                hold.over, self._holder = True, None
                self._pass_on()

    def _press(self) -> None:
        hold = self._holder
        if hold is not None and self._waiting and hold.lane == Lane.QUERY and self._waiting[0][0] < Lane.QUERY:
            hold.scope.deadline = min(hold.scope.deadline, trio.current_time() + YIELD_S)

    def _pass_on(self) -> None:
        if self._waiting:  # the line stays taken, so that nobody slips in before the next one wakes
            heapq.heappop(self._waiting)[2].set()
        else:
            self._taken = False
