"""Closing: why what is held is to be sold at market, and how the other exits give way to that and end."""

from __future__ import annotations

from engine.orders.cover import Cover
from engine.orders.draft import Draft
from engine.orders.plans import PASSING, THROUGH_STOP
from engine.orders.slices import SliceTerms
from engine.orders.standing import Standing
from engine.orders.steps import PlaceClose
from engine.orders.view import OrderView
from engine.values.money import other_side


class Closing:
    """The part of a plan by which a bracket ends. ``why`` is the reason to close, empty where there is none."""

    def __init__(self, stands: Standing, draft: Draft, cover: Cover) -> None:
        self._stands, self._draft, self._s = stands, draft, stands.situation
        self._cover = cover
        self.why = ("" if self._recovered() else self._s.closing) or self._must_close()

    @property
    def leaving(self) -> bool:
        """An exit has been touched or has traded, or all is to be closed: no entry is wanted any more."""
        return bool(self.why) or self._stands.exits_begun

    def _must_close(self) -> str:
        """Reasons that forbid a stop for what is left: it has fired and ended, or its trigger is already passed."""
        stands, s = self._stands, self._s
        if not stands.want:
            return ""
        stops = [o for o in stands.exits if o.role == "stop"]
        if any(o.ended and (o.triggered or would_fire(o)) and o.done_qty < o.order_qty for o in stops):
            return "stop ended with quantity left"
        if any(o.triggered for o in stops) and stands.orderable(stands.want - stands.spoken_for):
            return "quantity beyond the fired stop"  # dust beside it is another stop's
        ready = s.cover_ready or s.signal.protect_from == "full_fill"
        beyond = stands.orderable(stands.want - stands.spoken_for)  # dust goes to a stop that rests
        if s.signal.stop_loss and s.trigger_passed and beyond and ready:
            return THROUGH_STOP
        return ""

    def _recovered(self) -> bool:
        """The reason has passed before all was sold, and what is left rests under a stop that has not fired."""
        stands, s = self._stands, self._s
        if s.closing not in PASSING or s.close_all or s.trigger_passed or stands.fired:
            return False
        return stands.want > 0 and not stands.uncovered and not stands.immediate

    def finish(self) -> None:
        """Nothing orderable is held: exits go (OCO); an excess is traded back."""
        stands, draft = self._stands, self._draft
        if self.leaving:
            draft.end_entry(self.why or "exit traded")
        draft.cancel(stands.exits, "nothing left to protect")
        quiet = not stands.entry_live and not stands.exits_live
        if stands.excess and quiet and self._s.close_ready:
            draft.add(PlaceClose(stands.excess, self._s.signal.side, "excess of exits"))

    def let_go(self) -> None:
        """A person holds what is left: nothing of ours may trade on."""
        self._draft.end_entry("taken over")
        self._draft.cancel(self._stands.exits, "taken over")

    def close(self) -> None:
        """What no stop will sell is sold at market; stops that still rest keep their quantity, unless all is to go.

        Dust, which cannot be sold by itself, goes to one of them.
        """
        stands, s, draft = self._stands, self._s, self._draft
        draft.end_entry(self.why or "stop fired")
        draft.cancel(stands.resting, self.why or "stop fired")
        draft.cancel([o for o in stands.stops if o.cl_ord_id in s.stuck], "triggered and left behind")
        if s.close_all and not stands.fired:
            self._close_slice(s.slice_terms or SliceTerms(stands.want))
            return
        if s.close_all:
            draft.cancel(stands.stops, self.why)
        left = stands.want - stands.spoken_for - stands.resting_most
        need = stands.orderable(left)
        if self.why and need and s.close_ready:
            draft.add(PlaceClose(need, other_side(s.signal.side), self.why))
        elif stands.surplus and not s.close_all:
            self._cover.trim()
        elif left > 0 and not need and not s.close_all:
            self._cover.add(left)

    def _close_slice(self, terms: SliceTerms) -> None:
        """Free one slice from the stops, then trade it; the stops keep the rest. One slice at a time."""
        stands, s = self._stands, self._s
        if stands.immediate:
            return
        if stands.resting:
            self._wait_for_targets(terms)
            return
        size = stands.orderable(min(terms.qty, stands.want))
        if not size:
            if not s.trigger_passed:
                self._cover.complete()  # nothing can trade now: what an earlier slice has freed gets its stop back
            return
        if not stands.orderable(stands.want - size):
            size = stands.want
        free = stands.orderable(stands.want - stands.spoken_for)
        if free and s.close_ready:
            qty = min(free, size)
            self._draft.add(PlaceClose(qty, other_side(s.signal.side), self.why, terms.limit_price))
            if s.signal.stop_loss is not None and not s.trigger_passed and stands.orderable(free - qty):
                self._cover.add(free - qty)
        elif not free and size == stands.want:
            self._draft.cancel(stands.stops, self.why)
        elif not free and not self._amend_deferred():
            self._cover.reduce(stands.want - size)

    def _wait_for_targets(self, terms: SliceTerms) -> None:
        """Trade what canceled targets have left bare, while the cancels of others wait for room in the counter.

        One in doubt may take a minute: until then the stops still are for no more than what is held.
        """
        stands, s = self._stands, self._s
        freed = stands.orderable(min(terms.qty, stands.want - stands.spoken_for - stands.resting_most))
        if freed and s.bare_long and s.close_ready:
            self._draft.add(PlaceClose(freed, other_side(s.signal.side), self.why, terms.limit_price))
        elif stands.surplus and not self._amend_deferred():
            self._cover.trim()

    def _amend_deferred(self) -> bool:
        """Whether a stop's amend is tried again later: until then it is not canceled in its place."""
        return any(key[:2] == ("amend", o.cl_ord_id) for o in self._stands.stops for key in self._s.deferred)


def would_fire(stop: OrderView) -> bool:
    """Tell whether the venue refused a stop because its trigger was already passed."""
    return "trigger immediately" in stop.reason
