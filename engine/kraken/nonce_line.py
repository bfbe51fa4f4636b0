"""One private REST call at a time per key, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import trio

from engine.venue.protocol import Lane

YIELD_S = 2.0
"""A read in flight is abandoned after this time once an order or cancel waits behind it."""

PASS_S = 1.0
"""An exit waits no longer than this behind a written order: that has reached the venue by then, or never will."""

AGED_S = 2.0
"""A read that has waited for so long goes by arrival with the entries: they may keep coming for ever, and what they
became of may be what it asks."""


class _Ticket(NamedTuple):
    """One call's place in the line."""

    lane: Lane
    number: int
    since_s: float
    turn: trio.Event

    @property
    def rank(self) -> tuple[Lane, int]:
        """Who goes first: the smallest."""
        aged = self.lane == Lane.QUERY and trio.current_time() >= self.since_s + AGED_S
        return (Lane.ENTRY if aged else self.lane), self.number


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
        self._waiting: list[_Ticket] = []
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
        ticket = _Ticket(lane, self._count, trio.current_time(), trio.Event())
        self._count += 1
        self._waiting.append(ticket)
        self._press()
        try:
            if lane <= Lane.REDUCING:
                await self._wait_or_pass(ticket.turn)
            await ticket.turn.wait()
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
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
        if hold is not None and hold.lane == Lane.QUERY and any(one.lane < Lane.QUERY for one in self._waiting):
            hold.scope.deadline = min(hold.scope.deadline, trio.current_time() + YIELD_S)

    def _pass_on(self) -> None:
        if self._waiting:  # the line stays taken, so that nobody slips in before the next one wakes
            first = min(self._waiting, key=lambda ticket: ticket.rank)
            self._waiting.remove(first)
            first.turn.set()
        else:
            self._taken = False
