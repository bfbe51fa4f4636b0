"""What is heard and what is asked: a gap in a stream is noticed, and a change is held against REST."""

from __future__ import annotations

import math
import re
from typing import Any

from engine.chaos.invariants.base import Court, Invariant
from engine.chaos.ledger import Twin
from engine.journal.row import Row
from engine.orders.events import OrderEvent

RECOVERY_S = 8.0
OPINION_S = 5.0 + 5.0 + 3.0
"""So long after its change an order is asked for, so long at least lie between two questions for that reason, and a
round and its answer."""
ASKED_AGAIN_S = 5.0
"""A question that failed is asked again in the next round, three times with pauses."""
READ_S = 25.0 + 5.0
"""A read that is not answered is given up after so long, and asked again; until then our own counter of calls is fuller
than the venue's, which never counted what was lost on its way."""
GAP_ENDS_S = 3.0
"""A round trip, and the time that a socket is given to close."""
_UNANSWERED = (
    "ws_only",
    "reset_before",
    "reset_after",
    "answer_lost",
    "request_lost",
    "late_answer",
    "late_execution",
    "half_open_to_client",
    "half_open_to_server",
)
_ORDER_ID = re.compile(rb"\bO[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}\b")
_NUMBERED = re.compile(rb'"channel":"(executions|balances)".*?"sequence":(\d+)', re.DOTALL)


class GapEndsStream(Invariant):
    """A private connection on which a number was left out is given up: it calls itself complete, and is not."""

    name = "gap_ends_stream"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._last: dict[tuple[str, bytes], int] = {}
        self._shown_s: dict[str, float] = {}

    def on_answered(self, end: str, data: bytes) -> None:
        """Follow the numbers of each connection's channels."""
        if b'"sequence":' not in data:
            return
        for channel, digits in _NUMBERED.findall(data):
            number, last = int(digits), self._last.get((end, channel))
            if last is not None and number > last + 1:
                self._shown_s.setdefault(end, self.court.now_s)
            self._last[end, channel] = max(number, last or 0)

    def on_tick(self) -> None:
        """Look whether it still stands, after a while in which nothing kept the frames or the end of it away."""
        for end, shown_s in list(self._shown_s.items()):
            if self._ended(end):
                del self._shown_s[end]
            elif self.court.now_s > max(shown_s, self.ledger.quiet_since_s) + GAP_ENDS_S:
                self.broken(f"{end} left out a number {self.court.now_s - shown_s:.1f} s ago and stands", end)

    def _ended(self, end: str) -> bool:
        name = end.rpartition("/")[0]
        return all(one.dead for one in self.court.world.wire.connections if one.name == name)


class SecondOpinion(Invariant):
    """A resting order that has changed is soon held against REST, and if that fails again as soon as REST answers.

    The last frame before a silence may be lost, and no later one shows that gap. A new process asks for whatever rests,
    which it may do on its way up.
    """

    name = "second_opinion_in_time"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._changed_s: dict[str, float] = {}
        self._shown_s: dict[str, float] = {}
        self._short_s = self._unknown_s = -math.inf
        self._lives = 0

    def on_row(self, row: Row, fact: Any) -> None:
        """Note when an order has changed."""
        if isinstance(fact, OrderEvent):
            self._changed_s[row.cl_ord_id] = self.court.now_s

    def on_answered(self, end: str, data: bytes) -> None:
        """Note what orders an answer of REST shows; what an earlier process was shown counts no more."""
        if self._lives != self.court.world.lives:
            self._lives, self._unknown_s = self.court.world.lives, -math.inf
            self._shown_s.clear()
        if b'"vol_exec"' in data:
            self._shown_s |= {name.decode(): self.court.now_s for name in _ORDER_ID.findall(data)}
        elif b"EOrder:Invalid order" in data:
            self._unknown_s = self.court.now_s  # it lags, and names none of those it was asked for

    def on_tick(self) -> None:
        """Look for orders that changed, and of which no answer has told since."""
        now_s = self.court.now_s
        if self.court.calls_short():
            self._short_s = now_s
        waits_s = max(self.ledger.quiet_since_s + ASKED_AGAIN_S, self._short_s + RECOVERY_S)
        if not self.ledger.up or now_s <= waits_s or self.ledger.had_since(now_s - READ_S, *_UNANSWERED):
            return
        for twin in self.ledger.orders.values():
            changed_s = self._changed_s.get(twin.cl_ord_id, 0.0)
            since_s = max(changed_s, self.ledger.up_since_s)
            rests = twin.state in ("open", "partial") and twin.venue is not None and twin.venue.is_open
            if rests and now_s > since_s + OPINION_S and self._shown(twin) < changed_s:
                self.broken(f"changed {now_s - since_s:.1f} s ago, REST has not told of it since", twin.cl_ord_id)

    def _shown(self, twin: Twin) -> float:
        return max(self._unknown_s, *(self._shown_s.get(order_id, -math.inf) for order_id in twin.venue_ids))


RULES = (GapEndsStream, SecondOpinion)
