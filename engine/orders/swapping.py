"""A swap: a stop gives way to the target that the market has touched, and comes back for what is left."""

from __future__ import annotations

from engine.orders.cover import Cover
from engine.orders.draft import Draft
from engine.orders.standing import Standing
from engine.orders.steps import PlaceTarget, Swap
from engine.values.money import ZERO


class Swapping:
    """The part of a plan that concerns one."""

    def __init__(self, stands: Standing, draft: Draft, cover: Cover) -> None:
        self._stands, self._draft, self._s = stands, draft, stands.situation
        self._cover = cover

    def carry_on(self) -> Swap | None:
        """Do what the swap needs next, or begin one; None when there is none, or it is over."""
        s = self._s
        swap = s.swap or self._begin()
        if swap is None:
            return None
        target = next((o for o in self._stands.exits if o.cl_ord_id == swap.target), None)
        over = target is not None and (target.ended or target.cl_ord_id in s.overdue)
        gone = target is None and not s.touch_qty
        if over or gone or s.swap_expired:
            return None
        if target is None:
            self._make_room(swap)
        return swap

    def _begin(self) -> Swap | None:
        stands, s = self._stands, self._s
        parts = [] if stands.both_rest or not s.touch_qty or s.unseen else stands.portions()
        if not parts or any(o.role != "stop" and not o.ended for o in stands.exits):
            return None  # an overdue target may have traded: no second one before it has answered
        place, part = parts[0]
        qty = stands.orderable(min(stands.want, part) if s.signal.contingency == "oco" else min(part, s.touch_qty))
        if qty and not stands.orderable(stands.want - qty):
            qty = stands.want  # no stop could stay for so little
        step = PlaceTarget(qty, place)
        return Swap(qty, s.now_ns, place=place) if qty and step.key() not in s.blocked else None

    def _make_room(self, swap: Swap) -> None:
        """Free the swap's quantity from the stops, then send the target.

        Where those that are still to give way wait for room in the venue's counter it goes for what has none already.
        """
        stands = self._stands
        self._draft.end_entry("target touched")
        keep = max(ZERO, stands.want - swap.qty)
        if stands.stop_most > keep:
            self._cover.reduce(keep)
            if not all(stop.waits for stop in stands.stops):
                return
        qty = stands.orderable(min(swap.qty, stands.want - stands.stop_most - self._s.unseen))
        if qty:
            self._draft.add(PlaceTarget(qty, swap.place))
