"""Cover: resting stops brought to the position, by the cheapest way that leaves nothing bare."""

from __future__ import annotations

from decimal import Decimal

from engine.orders.draft import Draft
from engine.orders.resting_targets import RestingTargets
from engine.orders.specs import stop_order
from engine.orders.standing import Standing
from engine.orders.steps import AmendStop, CancelExit, PlaceStop, WithdrawChange
from engine.orders.view import OrderView
from engine.values.money import ZERO, Qty
from engine.values.time import NS

FURTHER_STOP_COST = 3
"""A new order costs 1 point; the slot it takes and the cancel it needs later are reckoned as 2."""
MAX_STOPS = 4
"""Further stops per bracket: each costs an open-order slot and up to 8 points when it must be canceled."""
MOST_MOVES = 4
"""Stops moved at once: a conditional close may have left a stop for each of many fills, by REST each is a call, and
what comes to stand bare meanwhile waits behind them."""
AMEND_AGE_COST = ((5, 3), (10, 2), (15, 1))
"""Kraken's engine counter: an amend costs 1 plus this many points while the order is younger than so many seconds."""


class Cover:
    """The part of a plan that concerns stops; where they hold everything, the targets that rest beside them."""

    def __init__(self, stands: Standing, draft: Draft) -> None:
        self._stands, self._draft, self._s = stands, draft, stands.situation
        self._targets = RestingTargets(stands, draft)

    def complete(self) -> None:
        """Bring resting stops to the position: what is missing is added, what is too much is taken back."""
        stands, s = self._stands, self._s
        if s.signal.stop_loss is None:
            return
        deficit = stands.want - stands.spoken_for
        if stands.surplus:
            if s.trim_ready or stands.orderable(stands.surplus):
                self.trim()
        elif deficit > 0 and (s.cover_ready or s.swap is not None) and (stands.both_rest or not stands.resting):
            self.add(deficit)  # what a swap leaves over gets its stop back in the very plan that ends the swap
        if not self._owed(deficit):
            self._move()
        self._targets.fit()

    def _owed(self, deficit: Decimal) -> bool:
        """Whether what is bare, or will be once a cancel has come through, still needs its cover: moves wait for that.

        Each costs up to four points, and many that went first would leave none for the one that covers.
        """
        if any(isinstance(step, AmendStop) for step in self._draft.steps):
            return True
        if any(stop.waits and stop.most > stop.leaves_qty for stop in self._stands.stops):
            return True
        leaving = any(stop.cl_ord_id in self._s.asked and not stop.ended for stop in self._stands.stops)
        return leaving or (deficit > 0 and not self._s.cover_ready and self._s.signal.protect_from == "first_fill")

    def _move(self) -> None:
        """Take stops that rest where the signal's stop stood before to where it stands now, in place.

        One that rests anywhere else was moved by a person: it stays. So does one below the minimum, which the venue may
        make of a conditional close and nobody may amend.
        """
        touched = {step.cl_ord_id for step in self._draft.steps if isinstance(step, AmendStop | CancelExit)}
        moves = MOST_MOVES - sum(stop.busy for stop in self._stands.stops)
        for stop in self._stands.stops:
            idle = not stop.busy and not stop.triggered and stop.cl_ord_id not in touched
            idle = idle and self._stands.orderable(stop.order_qty) > 0
            if moves > 0 and idle and stop.trigger_price in self._s.past_triggers:
                self._draft.add(self._amend(stop, ZERO))
                moves -= 1

    def keep(self) -> None:
        """Take back what a swap that is given up has asked of its stops and what still waits to be let go.

        A cancel that the swap has not asked for is a person's, and goes.
        """
        for stop in self._stands.stops:
            waiting = stop.busy and stop.state in ("open", "partial") and stop.least < stop.leaves_qty
            if waiting and (stop.least or stop.cl_ord_id in self._s.asked):
                self._draft.add(WithdrawChange(stop.cl_ord_id))

    def add(self, deficit: Decimal) -> None:
        """Bring the stops' most up by ``deficit``: amending the one that costs least, or by a further stop."""
        stands = self._stands
        idle = [o for o in stands.stops if not o.busy and not o.triggered]
        idle = [o for o in idle if self._amend(o, deficit).key() not in self._s.blocked]
        cheapest = min(idle, key=self._amend_cost, default=None)
        place = PlaceStop(stands.orderable(deficit))
        further = place.qty > 0 and len(stands.stops) < MAX_STOPS and place.key() not in self._s.blocked
        if cheapest and (not further or self._amend_cost(cheapest) <= FURTHER_STOP_COST):
            self._draft.add(self._amend(cheapest, deficit))
        elif further:
            self._draft.add(place)

    def trim(self) -> None:
        """Bring the stops down to what immediate exits leave them of what is held."""
        stands = self._stands
        self.reduce(stands.want - (stands.exit_most - stands.stop_most))

    def reduce(self, keep: Decimal) -> None:
        """Bring the stops' most down to ``keep``: one amend of the smallest that can stay, else cancels."""
        surplus = self._stands.stop_most - keep
        # a fired one is awaited
        waiting = sorted((o for o in self._stands.stops if not o.triggered), key=lambda o: o.most)
        for place, stop in enumerate(waiting):
            if surplus <= 0:
                return
            if stop.busy:
                self._correct(stop, surplus)
                surplus -= stop.most  # its answer changes the sum: wait before touching the next
                continue
            bares = surplus < stop.most  # canceled, it would leave the rest of it bare: a larger one may give it up
            larger = waiting[place:] if bares else [stop]
            amends = (self._shrunk(o, surplus) for o in larger if not o.busy)
            amend = next((one for one in amends if one is not None), None)
            if amend is not None:
                self._draft.add(amend)
                return
            if bares and any(self._shrinks(o) for o in larger):
                continue
            self._draft.add(CancelExit(stop.cl_ord_id, "quantity goes elsewhere"))
            surplus -= stop.most

    @staticmethod
    def _shrinks(stop: OrderView) -> bool:
        """Whether an amend under way takes something from it: that counts before another gives way for it."""
        return stop.busy and ZERO < stop.least < stop.most and stop.least < stop.leaves_qty

    def _shrunk(self, stop: OrderView, surplus: Decimal) -> AmendStop | None:
        """Return the amend that takes all of ``surplus`` from a stop; None where too little would stay."""
        left = self._s.instrument.lots(stop.most - surplus)
        amend = self._amend(stop, left - stop.leaves_qty)
        return amend if self._stands.orderable(left) and amend.key() not in self._s.blocked else None

    def _correct(self, stop: OrderView, surplus: Decimal) -> None:
        """Bring an amend that still waits to be let go up to date: as it was decided it may be for too much by now."""
        if not self._stands.amend_waits(stop):
            return
        asked = stop.least if stop.least < stop.leaves_qty else stop.most
        left = self._stands.orderable(stop.most - surplus)
        amend = self._amend(stop, left - stop.leaves_qty)
        if not left or left == stop.leaves_qty:
            self._draft.add(WithdrawChange(stop.cl_ord_id))
        elif left != asked and amend.key() not in self._s.blocked:
            self._draft.add(amend)

    def _amend(self, stop: OrderView, deficit: Decimal) -> AmendStop:
        """Change a stop's quantity by whole lots; one that rests where the signal's stop stood before moves as well."""
        s = self._s
        total = Qty(stop.order_qty + s.instrument.lots(deficit))
        if stop.trigger_price is None or stop.trigger_price not in s.past_triggers:
            return AmendStop(stop.cl_ord_id, total)
        spec = stop_order(s.signal, s.instrument, stop.cl_ord_id, total)
        return AmendStop(stop.cl_ord_id, total, spec.trigger_price, spec.limit_price)

    def _amend_cost(self, stop: OrderView) -> int:
        age_s = (self._s.now_ns - stop.changed_ns) / NS
        return 1 + next((points for below_s, points in AMEND_AGE_COST if age_s < below_s), 0)
