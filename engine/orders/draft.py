"""A plan in the making: the steps decided so far, in the order in which they are to be done."""

from __future__ import annotations

from engine.orders.standing import Standing
from engine.orders.steps import CancelEntry, CancelExit, Step, WithdrawChange
from engine.orders.view import OrderView


class Draft:
    """What the rules of the planner write into; ``steps`` is what they have asked for, the refused included."""

    def __init__(self, stands: Standing) -> None:
        self._stands = stands
        self.steps: list[Step] = []

    def add(self, step: Step) -> None:
        """Ask for one step more."""
        self.steps.append(step)

    def end_entry(self, why: str) -> None:
        """Take the entry's remainder back, unless that is under way."""
        entries = self._stands.entries
        canceling = {o.cl_ord_id for o in entries if o.cancel_wanted or o.state == "pending_cancel"}
        going = self._stands.situation.asked | canceling
        if any(not o.ended and o.cl_ord_id not in going for o in entries):
            self.add(CancelEntry(why))

    def cancel(self, orders: list[OrderView], why: str) -> None:
        """Take exits back; an amend that still waits to be let go does not go any more."""
        for order in orders:
            if not order.ended and not order.busy:
                self.add(CancelExit(order.cl_ord_id, why))
            elif self._stands.amend_waits(order):
                self.add(WithdrawChange(order.cl_ord_id))
