"""What of a bracket's entry has come in, and whether the venue may have made stops of it that nobody has seen."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from engine.orders.signal import Signal
from engine.orders.specs import made_by_venue
from engine.orders.view import OrderView
from engine.values.money import NO_QTY, ZERO, Qty
from engine.values.time import NS

CHILD_NS: Final = NS
"""The stop of a conditional close is told with the fill that makes it; missing for so long, the venue is asked."""


class EntryFills:
    """``qty`` base units have filled as of the last view, between ``first_ns`` and ``last_ns`` (UTC, 0: nothing yet).

    Of ``childless`` of them the venue certainly made no stop. ``orders`` are all the bracket ever had.
    """

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self.qty = self.childless = NO_QTY
        self.first_ns = self.last_ns = 0

    def note(self, orders: Collection[OrderView], now_ns: int) -> None:
        """Take the entries' new sum."""
        filled = Qty(sum((o.done_qty for o in orders if o.role == "entry"), ZERO))
        if filled != self.qty:
            self.first_ns = self.first_ns or now_ns
            self.last_ns, self.qty = now_ns, filled

    def average_px(self, orders: Collection[OrderView]) -> Decimal:
        """Average price of what was entered, zero before any fill; of coins that were there, what they were worth."""
        if not self._signal.entered:
            return self._signal.limit_price or ZERO
        entries = [o for o in orders if o.role == "entry" and o.cum_qty]
        qty = sum((o.cum_qty for o in entries), ZERO)
        return sum((o.cum_cost for o in entries), ZERO) / qty if qty else ZERO

    def over(self, orders: Collection[OrderView]) -> bool:
        """Nothing more can fill: one that has filled up is over, whatever its own cancel still waits for."""
        return not any(o.most for o in orders if o.role == "entry")

    @property
    def barrier_ns(self) -> int | None:
        """When what is held is closed at market; None without a bound, or while nothing has filled to count from."""
        if self._signal.exit_at_ns is not None:
            return self._signal.exit_at_ns
        if self._signal.exit_after_s is None or not self.first_ns:
            return None
        return self.first_ns + int(self._signal.exit_after_s * NS)

    @property
    def conditional(self) -> bool:
        """Whether the venue makes a stop of each fill."""
        return self._signal.exits == "conditional-close"

    def unseen(self, orders: Collection[OrderView]) -> Qty:
        """Entered quantity whose stop the venue may have made of a conditional close, and nobody has seen."""
        if not self.conditional:
            return NO_QTY
        return Qty(max(ZERO, self.qty - _children(orders) - self.childless))

    def prove_childless(self, orders: Collection[OrderView], filled: Qty) -> None:
        """Take as proved: of ``filled`` entered quantity the venue has made no stops but those known now."""
        self.childless = max(self.childless, Qty(filled - _children(orders)))


def _children(orders: Collection[OrderView]) -> Decimal:
    """What the stops were made for that the venue is known to have made."""
    stops = (o for o in orders if o.role == "stop" and o.order_id and made_by_venue(o.spec))
    return sum((o.spec.order_qty for o in stops), ZERO)
