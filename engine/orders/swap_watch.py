"""The times of swaps of stop for target: when the next one may begin, and when one or its target is overdue."""

from __future__ import annotations

from collections.abc import Collection

from engine.orders.bracket_events import Policy
from engine.orders.steps import Swap
from engine.orders.targets import rests
from engine.orders.view import OrderView
from engine.values.time import NS

MOST_DOUBLINGS = 3


class SwapWatch:
    """``ready_ns`` is when the next swap may begin, in UTC nanoseconds. ``orders`` are the bracket's."""

    def __init__(self, policy: Policy) -> None:
        self._policy, self._bound_ns = policy, round(policy.swap_bound_s * NS)
        self.ready_ns = 0
        self._fruitless = 0

    def after(self, now_ns: int, *, traded: bool) -> None:
        """After a swap that traded nothing the next one waits, twice as long each time; after another, for its book.

        The book may still show what we have just taken: it is told apart from our fills.
        """
        if traded:
            self._fruitless = 0
            self.ready_ns = now_ns + round(self._policy.cover_window_s * NS)
            return
        self.ready_ns = now_ns + round(self._policy.swap_pause_s * 2**self._fruitless * NS)
        self._fruitless = min(self._fruitless + 1, MOST_DOUBLINGS)

    def expired(self, swap: Swap | None, now_ns: int) -> bool:
        """Tell whether a swap has had its time."""
        return swap is not None and now_ns >= swap.started_ns + self._bound_ns

    def overdue(self, orders: Collection[OrderView], now_ns: int) -> frozenset[str]:
        """Targets whose bound, and long before it their wire deadline, has passed."""
        targets = (o for o in orders if _immediate(o))
        return frozenset(o.cl_ord_id for o in targets if now_ns >= o.dispatched_ns + self._bound_ns)

    def targets_in_time(self, orders: Collection[OrderView], now_ns: int) -> bool:
        """Tell whether a target may still trade within its bound."""
        overdue = self.overdue(orders, now_ns)
        return any(_immediate(o) and o.cl_ord_id not in overdue for o in orders)

    def moments(self, swap: Swap | None, orders: Collection[OrderView]) -> list[int]:
        """Return when the next swap may begin, and when the bounds end."""
        started = [] if swap is None else [swap.started_ns]
        started += [o.dispatched_ns for o in orders if _immediate(o)]
        return [self.ready_ns, *(at + self._bound_ns for at in started)]


def _immediate(order: OrderView) -> bool:
    return order.role == "target" and not order.ended and order.dispatched_ns > 0 and not rests(order)
