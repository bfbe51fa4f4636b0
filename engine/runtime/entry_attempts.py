"""Attempts at a bracket's entry: each is an order of its own, and a further one needs proof that the last is dead."""

from __future__ import annotations

import random

from engine.orders.events import OrderEvent
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.risk.denials import Denial
from engine.values.time import NS

MAX_ATTEMPTS = 5
"""An entry that could not be sent five times is given up: the signal's price is history by then."""
FIRST_PAUSE_S = 0.5
LOOK_AGAIN_S = 0.5

NEVER_SENT_CODES = frozenset(
    {"NOT_SENT", "VENUE_UNAVAILABLE", "NO_LEAVE", "DEADLINE_PASSED", "BOOK_NOT_FRESH", "MARGIN_UNKNOWN"}
)
"""Not sent for reasons of the way, not of the order; or its book, or its margin, aged while it waited for a leave."""


class EntryAttempts:
    """Decides when the next attempt is due. ``due_ns`` is None while none is wanted; times in UTC nanoseconds."""

    def __init__(self, signal: Signal, rng: random.Random) -> None:
        self._signal, self._rng = signal, rng
        self._first_ns: int | None = None
        self.made = 0
        self.due_ns: int | None = None
        self.denial: Denial | None = None  # why no further attempt is made

    def want(self, now_ns: int) -> None:
        """Ask for an attempt now."""
        self.due_ns = now_ns

    def later(self, now_ns: int) -> None:
        """Look again in a moment: what keeps the entry back does not tell when it ends."""
        self.due_ns = now_ns + round(LOOK_AGAIN_S * NS)

    def drop(self) -> None:
        """Want none any more."""
        self.due_ns = None

    def refuse(self, denial: Denial) -> None:
        """Want none any more, for this reason."""
        self.due_ns, self.denial = None, denial

    def begun(self, now_ns: int) -> None:
        """Count an attempt."""
        self.made += 1
        self.due_ns = None
        self._first_ns = self._first_ns or now_ns

    def after(self, view: OrderView, events: tuple[OrderEvent, ...], now_ns: int) -> None:
        """Want a further attempt if this one certainly never lived, with a jittered, doubling pause."""
        if view.done_qty or view.cancel_wanted or not any(_never_lived(event) for event in events):
            return
        if self.made >= MAX_ATTEMPTS or self._timed_out(now_ns):
            self.denial = Denial("ATTEMPTS_EXHAUSTED", f"{self.made} attempts, the last: {view.reason}")
            return
        pause_s = FIRST_PAUSE_S * 2 ** max(0, self.made - 1) * (0.5 + self._rng.random())
        self.due_ns = now_ns + round(pause_s * NS)

    def _timed_out(self, now_ns: int) -> bool:
        timeout_s = self._signal.entry_timeout_s
        return timeout_s is not None and self._first_ns is not None and now_ns >= self._first_ns + int(timeout_s * NS)


def _never_lived(event: OrderEvent) -> bool:
    if event.move in ("deny", "not_sent"):
        return event.code in NEVER_SENT_CODES
    return event.move == "prove_dead"
