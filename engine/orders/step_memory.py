"""What a bracket has asked of its orders, and what was refused: no command is repeated unchanged after a refusal."""

from __future__ import annotations

from typing import Final

import msgspec

from engine.orders.bracket_events import Policy
from engine.orders.events import OrderEvent
from engine.orders.steps import (
    NO_FUNDS,
    NOT_APPLIED,
    TRANSIENT_CODES,
    UNKNOWN_ORDER,
    AmendStop,
    CancelEntry,
    CancelExit,
    PlaceClose,
    Step,
    WithdrawChange,
)
from engine.orders.view import OrderView
from engine.values.money import NO_QTY, ZERO, Qty
from engine.values.time import NS

FUNDS_PAUSE_NS: Final = 30 * NS
"""A close refused for want of funds is tried again this late: what holds the coins may let go of them."""
UNSENT_PAUSE_NS: Final = NS // 20
"""The first pause after a step that never left: the connection fell under it, and the link has seen so by now."""
UNKNOWN_PAUSE_NS: Final = 16 * NS
"""The longest pause before a stop is changed again of which the venue knows nothing. While the stream is away each try
costs a call, and as many as come back in the same time would keep it away for good."""


class StepMemory:
    """The last step of each order, and the steps that wait. Times in UTC nanoseconds."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.last: dict[str, Step] = {}
        """By cl_ord_id: what a refusal would refuse."""
        self.asked_to_cancel: set[str] = set()
        self._unshown: set[str] = set()
        """Whose cancel found no answer and did not show: it may come through all the same."""
        self._blocked: dict[tuple[str, ...], int | None] = {}  # refused step -> when it may be tried again
        self._short: set[tuple[str, ...]] = set()  # those refused for want of funds
        self._in_a_row: dict[tuple[str, ...], tuple[int, int]] = {}  # step -> how often it was tried again, and when

    def asked(self, cl_ord_id: str, step: Step) -> None:
        """Remember a step: a refusal blocks exactly that, an asked-for end is not a loss."""
        if isinstance(step, WithdrawChange):
            return  # the change stands until its own answer says that it was not sent
        self.last[cl_ord_id] = step
        if isinstance(step, CancelExit | CancelEntry):
            self.asked_to_cancel.add(cl_ord_id)

    def refused(self, cl_ord_id: str, event: OrderEvent, now_ns: int) -> None:
        """Block an order's last step: for good, or until it may be tried again."""
        step = self.last.get(cl_ord_id)
        if step is not None and self._blocked.get(step.key(), 0) is not None:  # a final no outlives a "not now"
            self._blocked[step.key()] = self._again_at(step, event, now_ns)
            if event.code == NO_FUNDS:
                self._short.add(step.key())
        if isinstance(step, CancelExit | CancelEntry):
            self.asked_to_cancel.discard(cl_ord_id)
            if event.code == NOT_APPLIED:
                self._unshown.add(cl_ord_id)

    def widened(self, view: OrderView) -> OrderView:
        """Widen a busy exit's doubt by our last command: its order may not have looked at that yet."""
        step = self.last.get(view.cl_ord_id)
        if not view.busy or view.ended:
            return view
        if isinstance(step, AmendStop):
            after = Qty(max(ZERO, step.order_qty - view.done_qty))
            return msgspec.structs.replace(view, least=min(view.least, after), most=max(view.most, after))
        return msgspec.structs.replace(view, least=NO_QTY) if isinstance(step, CancelExit) else view

    def may_have_ended(self, cl_ord_id: str) -> bool:
        """Tell whether an order's end may be our doing: its cancel is under way, or went out and was never answered."""
        return cl_ord_id in self.asked_to_cancel or cl_ord_id in self._unshown

    def unblock(self, *commands: str) -> None:
        """Let these commands be tried again: what stood against them may have gone."""
        self._blocked = {key: at for key, at in self._blocked.items() if key[0] not in commands}

    def funds_freed(self) -> None:
        """Let what was refused for want of funds be tried again: an order that held some has ended."""
        self._blocked = {key: at for key, at in self._blocked.items() if key not in self._short}
        self._short.clear()

    def expire(self, now_ns: int) -> None:
        """Let go of what has waited long enough."""
        self._blocked = {key: at for key, at in self._blocked.items() if at is None or at > now_ns}

    @property
    def blocked(self) -> frozenset[tuple[str, ...]]:
        """Steps that are not to be tried now."""
        return frozenset(self._blocked)

    @property
    def deferred(self) -> frozenset[tuple[str, ...]]:
        """Those of them that are tried again later."""
        return frozenset(key for key, at in self._blocked.items() if at is not None)

    def moments(self) -> list[int]:
        """Return when steps may be tried again."""
        return [at for at in self._blocked.values() if at is not None]

    def _again_at(self, step: Step, event: OrderEvent, now_ns: int) -> int | None:
        if event.code == NO_FUNDS and isinstance(step, PlaceClose):
            return now_ns + FUNDS_PAUSE_NS
        return now_ns + self._retry_pause(step, event, now_ns) if event.code in TRANSIENT_CODES else None

    def _retry_pause(self, step: Step, event: OrderEvent, now_ns: int) -> int:
        """A step that never left is tried again almost at once, mostly by the other way, then ever later.

        So is the change of a stop that the venue does not know, or not yet.
        """
        pause = round(self._policy.retry_pause_s * NS)
        if event.code == "NOT_SENT":
            return min(pause, UNSENT_PAUSE_NS << self._times(step, now_ns, 2 * pause))
        if event.code == UNKNOWN_ORDER and isinstance(step, AmendStop):
            return min(UNKNOWN_PAUSE_NS, pause << self._times(step, now_ns, 2 * UNKNOWN_PAUSE_NS))
        return pause

    def _times(self, step: Step, now_ns: int, within_ns: int) -> int:
        times, last_ns = self._in_a_row.get(step.key(), (0, 0))
        times = min(times + 1, 10) if now_ns < last_ns + within_ns else 0
        self._in_a_row[step.key()] = times, now_ns
        return times
