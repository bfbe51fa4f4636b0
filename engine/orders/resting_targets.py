"""Targets that rest on the venue beside the stop: brought to their portions, as far as the stops allow it."""

from __future__ import annotations

from decimal import Decimal

from engine.orders.draft import Draft
from engine.orders.standing import Standing
from engine.orders.steps import AmendStop, PlaceTarget
from engine.orders.targets import target_prices
from engine.orders.view import OrderView
from engine.values.money import NO_QTY, ZERO, Qty


class RestingTargets:
    """The part of a plan that concerns them."""

    def __init__(self, stands: Standing, draft: Draft) -> None:
        self._stands, self._draft, self._s = stands, draft, stands.situation

    def fit(self) -> None:
        """Bring resting targets to their portions; none is added while the stops do not surely hold everything."""
        stands, s, draft = self._stands, self._s, self._draft
        if not stands.both_rest:
            draft.cancel(stands.resting, "targets are watched from here on")
            return
        if stands.exits_begun:
            draft.end_entry("target traded")
        prices = target_prices(s.signal, s.instrument)
        wanted: dict[int, Qty] = dict(stands.portions())
        for order in stands.resting:
            price = (order.spec.trigger_price and order.trigger_price) or order.limit_price
            place = prices.index(price) if price in prices else -1
            self._fit(order, wanted.pop(place, NO_QTY))
        room = stands.want - self._most()
        for place, qty in wanted.items():
            step = PlaceTarget(qty, place, rest=True)
            if qty <= room and not stands.uncovered and step.key() not in s.blocked:
                draft.add(step)
                room -= qty

    def _growing(self) -> Decimal:
        """What amends in this very plan add to resting targets."""
        amends = {step.cl_ord_id: step.order_qty for step in self._draft.steps if isinstance(step, AmendStop)}
        grown = (amends[o.cl_ord_id] - o.order_qty for o in self._stands.resting if o.cl_ord_id in amends)
        return sum((more for more in grown if more > 0), ZERO)

    def _fit(self, order: OrderView, qty: Qty) -> None:
        if order.busy or order.triggered or order.most == qty:
            return
        amend = AmendStop(order.cl_ord_id, Qty(order.done_qty + qty))
        if not qty or amend.key() in self._s.blocked:
            self._draft.cancel([order], "its quantity goes elsewhere")
        elif qty < order.most or (not self._stands.uncovered and qty - order.most <= self._stands.want - self._most()):
            self._draft.add(amend)

    def _most(self) -> Decimal:
        return self._stands.resting_most + self._growing()
