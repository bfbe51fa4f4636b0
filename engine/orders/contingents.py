"""The planner of contingent orders: from what stands, the steps that are missing.

It runs after every fill, answer, touch and timer, so partial fills, restarts and interference are one case. Each exit
has a least and a most live quantity: cover counts the least, "exits never exceed the position" counts the most.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.order import OrderView
from engine.orders.signal import Signal
from engine.orders.slices import SliceTerms
from engine.orders.specs import stop_order
from engine.orders.steps import AmendStop as AmendStop
from engine.orders.steps import CancelEntry as CancelEntry
from engine.orders.steps import CancelExit as CancelExit
from engine.orders.steps import ExitStep
from engine.orders.steps import PlaceClose as PlaceClose
from engine.orders.steps import PlaceStop as PlaceStop
from engine.orders.steps import PlaceTarget as PlaceTarget
from engine.orders.steps import Step as Step
from engine.orders.steps import Swap as Swap
from engine.orders.steps import WithdrawChange as WithdrawChange
from engine.orders.targets import Portion, portions, rests, target_prices, targets_rest
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Price, Qty, other_side, sign

Phase = Literal["entering", "covering", "covered", "naked", "exiting", "flat", "abandoned", "taken_over"]

FURTHER_STOP_COST = 3
"""A new order costs 1 point; the slot it takes and the cancel it needs later are reckoned as 2."""
MAX_STOPS = 4
"""Further stops per bracket: each costs an open-order slot and up to 8 points when it must be canceled."""
AMEND_AGE_COST = ((5, 3), (10, 2), (15, 1))
"""Kraken's engine counter: an amend costs 1 plus this many points while the order is younger than so many seconds."""
STEP_NS = 1_000_000_000
THROUGH_STOP = "price is through the stop"
BARE = "uncovered past its bound"
PASSING = frozenset({THROUGH_STOP, BARE})
"""Reasons to close that may pass again: the price comes back, a stop in doubt turns out to rest."""


class Situation(msgspec.Struct, frozen=True):
    """All the planner may know. ``touch_qty`` is what the fresh book offers at the target (zero: not touched).

    ``overdue`` are immediate orders whose wire deadline and bound have passed: they cannot rest any more.
    ``blocked`` are keys of refused steps, ``deferred`` those of them that were refused for now only, ``asked`` are
    orders whose cancel is under way. ``cover_ready`` is False while fills are still being gathered. ``close_all``:
    resting stops give way to the close too, by slices of ``slice_terms`` (None: all at once). ``taken``: a person took
    protection away and meant it. ``stuck`` are stops that triggered and stand unfilled past their watchdog. ``signal``
    has the exits as they stand now; ``past_triggers`` are where its stop stood before: one that rests there moves.
    ``unseen`` is entered quantity whose stop the venue may have made unseen: no cover, and yet no exit goes beside it.
    """

    signal: Signal
    instrument: Instrument
    orders: tuple[OrderView, ...]
    now_ns: int
    touch_qty: Qty = NO_QTY
    trigger_passed: bool = False
    cover_ready: bool = True
    entry_pending: bool = False
    swap: Swap | None = None
    swap_expired: bool = False
    closing: str = ""
    close_all: bool = False
    close_ready: bool = True
    taken: bool = False
    overdue: frozenset[str] = frozenset()
    blocked: frozenset[tuple[str, ...]] = frozenset()
    deferred: frozenset[tuple[str, ...]] = frozenset()
    asked: frozenset[str] = frozenset()
    slice_terms: SliceTerms | None = None
    stuck: frozenset[str] = frozenset()
    past_triggers: frozenset[Price] = frozenset()
    unseen: Qty = NO_QTY


class Plan(msgspec.Struct, frozen=True):
    """What to do now and where the bracket stands; ``swap`` is what stands after it.

    In base units: ``uncovered`` is held without a sure stop, ``missing`` has not even an exit on its way. ``refused``
    are the steps for exits that are missing as well, and were refused for good: nobody will take them but a person.
    """

    phase: Phase
    steps: tuple[Step, ...]
    exposure: Decimal
    uncovered: Qty
    swap: Swap | None = None
    closing: str = ""
    missing: Qty = NO_QTY
    refused: tuple[ExitStep, ...] = ()


def exposure_of(signal: Signal, instrument: Instrument, orders: tuple[OrderView, ...]) -> Decimal:
    """Base units still to be undone: fills of the entry's side minus the other's, net of fees taken in base.

    Negative = the exits traded more than the entry: an excess.
    """
    total = ZERO if signal.entered else signal.order_qty
    for order in orders:
        total += order.done_qty if order.spec.side == signal.side else -order.done_qty
        total -= sign(signal.side) * order.fees.get(instrument.base, ZERO)
    return total


def entered_of(signal: Signal, instrument: Instrument, orders: tuple[OrderView, ...]) -> Decimal:
    """Base units that have come in, whatever has left since."""
    return exposure_of(signal, instrument, tuple(order for order in orders if order.role == "entry"))


def reference_price(signal: Signal, orders: tuple[OrderView, ...]) -> Price:
    """Return the price by which minima are judged: the stop's, where quantity is worth least on a sale."""
    if signal.stop_loss is not None:
        return signal.stop_loss.limit_price or signal.stop_loss.trigger_price
    asked = signal.limit_price or signal.trigger_price
    if asked is not None:
        return asked
    return next((Price(order.avg_px) for order in orders if order.cum_qty), Price(Decimal(1)))


class _Planner:
    """One run of the planner; the attributes are the sums every rule needs."""

    def __init__(self, s: Situation) -> None:
        self.s = s
        self.steps: list[Step] = []
        self.swap = s.swap
        self.exposure = exposure_of(s.signal, s.instrument, s.orders)
        self.price = reference_price(s.signal, s.orders)
        self.want = self.orderable(self.exposure)
        self.entries = [o for o in s.orders if o.role == "entry"]
        self.exits = [o for o in s.orders if o.role != "entry" and o.spec.side != s.signal.side]
        self.returns = [o for o in s.orders if o.role != "entry" and o.spec.side == s.signal.side]  # of an excess
        self.stops = [o for o in self.exits if o.role == "stop" and o.most > 0]
        trading = [o for o in self.exits if o.role != "stop" and o.most > 0]
        self.resting = [o for o in trading if rests(o)]  # targets beside the stop: they protect nothing
        self.immediate = [o for o in trading if not rests(o) and o.cl_ord_id not in s.overdue]
        self.entry_live = s.entry_pending or any(not o.ended for o in self.entries)
        self.filled_any = not s.signal.entered or any(o.done_qty for o in self.entries)
        # traded back on margin it would open a position: what exits have closed too much is other brackets', and told
        self.excess = NO_QTY if s.signal.margin else self.orderable(-self.exposure)
        self.closing = ("" if self._recovered() else s.closing) or self._must_close()

    # --- sums -----------------------------------------------------------------------------------------------------

    def orderable(self, qty: Decimal) -> Qty:
        """Whole lots of ``qty`` if they meet the minima, else zero: dust cannot be ordered."""
        return self.s.instrument.lots(qty) if qty > 0 and self.s.instrument.orderable(qty, self.price) else NO_QTY

    @property
    def stop_most(self) -> Decimal:
        return sum((o.most for o in self.stops), ZERO)

    @property
    def exit_most(self) -> Decimal:
        return self.stop_most + sum((o.most for o in self.immediate), ZERO)

    @property
    def spoken_for(self) -> Decimal:
        """What exits may trade at most, those included that nobody has seen."""
        return self.exit_most + self.s.unseen

    @property
    def uncovered(self) -> Qty:
        if self.s.signal.stop_loss is None:
            return NO_QTY
        least = sum((o.least for o in self.stops), ZERO)
        return Qty(max(ZERO, self.want - least))

    @property
    def missing(self) -> Qty:
        if self.s.signal.stop_loss is None:
            return NO_QTY
        return Qty(max(ZERO, self.want - self.spoken_for))

    @property
    def leaving(self) -> bool:
        """An exit has been touched or has traded, or all is to be closed: no entry is wanted any more."""
        return bool(self.closing) or any(o.triggered or o.done_qty for o in self.exits)

    @property
    def fired(self) -> bool:
        return any(o.triggered for o in self.stops)

    def _must_close(self) -> str:
        """Reasons that forbid a stop for what is left: it has fired and ended, or its trigger is already passed."""
        if not self.want:
            return ""
        stops = [o for o in self.exits if o.role == "stop"]
        if any(o.ended and (o.triggered or would_fire(o)) and o.done_qty < o.order_qty for o in stops):
            return "stop ended with quantity left"
        if any(o.triggered for o in stops) and self.orderable(self.want - self.spoken_for):  # dust: another stop's
            return "quantity beyond the fired stop"
        ready = self.s.cover_ready or self.s.signal.protect_from == "full_fill"
        if self.s.signal.stop_loss and self.s.trigger_passed and self.want > self.spoken_for and ready:
            return THROUGH_STOP
        return ""

    def _recovered(self) -> bool:
        """The reason has passed before all was sold, and what is left rests under a stop that has not fired."""
        s = self.s
        if s.closing not in PASSING or s.close_all or s.trigger_passed or self.fired:
            return False
        return self.want > 0 and not self.uncovered and not self.immediate

    # --- rules ----------------------------------------------------------------------------------------------------

    def run(self) -> Plan:
        if not self.want:
            self._finish()
        elif self.s.taken and not self.s.close_all:
            self._let_go()
        elif self.closing or self.fired:
            self._close()
        elif not self._swapping():
            self._cover()
        if self.s.swap and not self.swap and self.want and not self.s.taken and not self.s.close_all:
            self._keep_stops()
        blocked = self.s.blocked
        steps = tuple(step for step in self.steps if step.key() not in blocked)
        finals = blocked - self.s.deferred
        refused = tuple(step for step in self.steps if isinstance(step, ExitStep) and step.key() in finals)
        return Plan(self._phase(), steps, self.exposure, self.uncovered, self.swap, self.closing, self.missing, refused)

    def _finish(self) -> None:
        """Nothing orderable is held: exits go (OCO); an excess is traded back."""
        self.swap = None
        if self.leaving:
            self._end_entry(self.closing or "exit traded")
        self._cancel(self.exits, "nothing left to protect")
        quiet = not self.entry_live and not self.s.unseen and all(o.ended for o in self.exits + self.returns)
        if self.excess and quiet and self.s.close_ready:
            self.steps.append(PlaceClose(self.excess, self.s.signal.side, "excess of exits"))

    def _let_go(self) -> None:
        """A person holds what is left: nothing of ours may trade on."""
        self.swap = None
        self._end_entry("taken over")
        self._cancel(self.exits, "taken over")

    def _close(self) -> None:
        """What no stop will sell is sold at market; stops that still rest keep their quantity, unless all is to go."""
        self.swap = None
        self._end_entry(self.closing or "stop fired")
        self._cancel(self.resting, self.closing or "stop fired")
        self._cancel([o for o in self.stops if o.cl_ord_id in self.s.stuck], "triggered and left behind")
        if self.s.close_all and not self.fired:
            self._close_slice(self.s.slice_terms or SliceTerms(self.want))
            return
        if self.s.close_all:
            self._cancel(self.stops, self.closing)
        need = self.orderable(self.want - self.spoken_for - sum((o.most for o in self.resting), ZERO))
        if self.closing and need and self.s.close_ready:
            self.steps.append(PlaceClose(need, other_side(self.s.signal.side), self.closing))
        elif self.exit_most > self.want and not self.s.close_all:
            self._reduce(self.want - (self.exit_most - self.stop_most))

    def _close_slice(self, terms: SliceTerms) -> None:
        """Free one slice from the stops, then trade it; the stops keep the rest. One slice at a time."""
        if self.immediate or self.resting:
            return
        size = self.orderable(min(terms.qty, self.want))
        if not size:
            if not self.s.trigger_passed:
                self._cover()  # nothing can trade now: what an earlier slice has freed gets its stop back
            return
        if not self.orderable(self.want - size):
            size = self.want
        free = self.orderable(self.want - self.spoken_for)
        if free and self.s.close_ready:
            qty = min(free, size)
            self.steps.append(PlaceClose(qty, other_side(self.s.signal.side), self.closing, terms.limit_price))
            if self.s.signal.stop_loss is not None and not self.s.trigger_passed and self.orderable(free - qty):
                self._add(free - qty)
        elif not free and size == self.want:
            self._cancel(self.stops, self.closing)
        elif not free and not any(key[:2] == ("amend", o.cl_ord_id) for o in self.stops for key in self.s.deferred):
            self._reduce(self.want - size)

    def _swapping(self) -> bool:
        """Carry the swap on; True while it owns the plan."""
        swap = self.swap = self.swap or self._begin_swap()
        if swap is None:
            return False
        target = next((o for o in self.exits if o.cl_ord_id == swap.target), None)
        over = target is not None and (target.ended or target.cl_ord_id in self.s.overdue)
        gone = target is None and not self.s.touch_qty
        if over or gone or self.s.swap_expired:
            self.swap = None
            return False
        if target is None:
            self._make_room(swap)
        return True

    def _begin_swap(self) -> Swap | None:
        s = self.s
        parts = [] if self.both_rest or not s.touch_qty or s.unseen else self._portions()
        if not parts or any(o.role != "stop" and not o.ended for o in self.exits):
            return None  # an overdue target may have traded: no second one before it has answered
        place, part = parts[0]
        qty = self.orderable(min(self.want, part) if s.signal.contingency == "oco" else min(part, s.touch_qty))
        if qty and not self.orderable(self.want - qty):
            qty = self.want  # no stop could stay for so little
        step = PlaceTarget(qty, place)
        return Swap(qty, s.now_ns, place=place) if qty and step.key() not in s.blocked else None

    def _make_room(self, swap: Swap) -> None:
        """Free the swap's quantity from the stops, then send the target."""
        self._end_entry("target touched")
        keep = max(ZERO, self.want - swap.qty)
        if self.stop_most > keep:
            self._reduce(keep)
            return
        qty = self.orderable(min(swap.qty, self.want - self.stop_most - self.s.unseen))
        if qty:
            self.steps.append(PlaceTarget(qty, swap.place))

    def _keep_stops(self) -> None:
        """Take back what a swap that is given up has asked of its stops and what still waits to be let go.

        A cancel that the swap has not asked for is a person's, and goes.
        """
        for stop in self.stops:
            waiting = stop.busy and stop.state in ("open", "partial") and stop.least < stop.leaves_qty
            if waiting and (stop.least or stop.cl_ord_id in self.s.asked):
                self.steps.append(WithdrawChange(stop.cl_ord_id))

    def _cover(self) -> None:
        """Bring resting stops to the position: what is missing is added, what is too much is taken back."""
        if self.s.signal.stop_loss is None:
            return
        deficit = self.want - self.spoken_for
        if self.exit_most > self.want:
            self._reduce(self.want - (self.exit_most - self.stop_most))
        elif deficit > 0 and (self.s.cover_ready or self.s.swap is not None) and (self.both_rest or not self.resting):
            self._add(deficit)  # what a swap leaves over gets its stop back in the very plan that ends the swap
        self._move_stops()
        self._rest_targets()

    def _move_stops(self) -> None:
        """Take stops that rest where the signal's stop stood before to where it stands now, in place.

        One that rests anywhere else was moved by a person: it stays. So does one below the minimum, which the venue may
        make of a conditional close and nobody may amend.
        """
        touched = {step.cl_ord_id for step in self.steps if isinstance(step, AmendStop | CancelExit)}
        for stop in self.stops:
            idle = not stop.busy and not stop.triggered and stop.cl_ord_id not in touched
            idle = idle and self.orderable(stop.order_qty) > 0
            if idle and stop.trigger_price in self.s.past_triggers:
                self.steps.append(self._amend(stop, ZERO))

    # --- targets that rest beside the stop ------------------------------------------------------------------------

    @property
    def both_rest(self) -> bool:
        return targets_rest(self.s.signal, self.exits, self.s.asked)

    def _portions(self) -> list[Portion]:
        s = self.s
        return portions(s.signal, s.instrument, entered_of(s.signal, s.instrument, s.orders), self.exposure)

    def _rest_targets(self) -> None:
        """Bring resting targets to their portions; none is added while the stops do not surely hold everything."""
        if not self.both_rest:
            self._cancel(self.resting, "targets are watched from here on")
            return
        if any(o.done_qty or o.triggered for o in self.exits):
            self._end_entry("target traded")
        prices = target_prices(self.s.signal, self.s.instrument)
        wanted: dict[int, Qty] = dict(self._portions())
        for order in self.resting:
            price = (order.spec.trigger_price and order.trigger_price) or order.limit_price
            place = prices.index(price) if price in prices else -1
            self._fit_target(order, wanted.pop(place, NO_QTY))
        room = self.want - self._target_most()
        for place, qty in wanted.items():
            step = PlaceTarget(qty, place, rest=True)
            if qty <= room and not self.uncovered and step.key() not in self.s.blocked:
                self.steps.append(step)
                room -= qty

    def _growing(self) -> Decimal:
        """What amends in this very plan add to resting targets."""
        amends = {step.cl_ord_id: step.order_qty for step in self.steps if isinstance(step, AmendStop)}
        grown = (amends[o.cl_ord_id] - o.order_qty for o in self.resting if o.cl_ord_id in amends)
        return sum((more for more in grown if more > 0), ZERO)

    def _fit_target(self, order: OrderView, qty: Qty) -> None:
        if order.busy or order.triggered or order.most == qty:
            return
        amend = AmendStop(order.cl_ord_id, Qty(order.done_qty + qty))
        if not qty or amend.key() in self.s.blocked:
            self._cancel([order], "its quantity goes elsewhere")
        elif qty < order.most or (not self.uncovered and qty - order.most <= self.want - self._target_most()):
            self.steps.append(amend)

    def _target_most(self) -> Decimal:
        return sum((o.most for o in self.resting), ZERO) + self._growing()

    def _add(self, deficit: Decimal) -> None:
        idle = [o for o in self.stops if not o.busy and not o.triggered]
        idle = [o for o in idle if self._amend(o, deficit).key() not in self.s.blocked]
        cheapest = min(idle, key=self._amend_cost, default=None)
        place = PlaceStop(self.orderable(deficit))
        further = place.qty > 0 and len(self.stops) < MAX_STOPS and place.key() not in self.s.blocked
        if cheapest and (not further or self._amend_cost(cheapest) <= FURTHER_STOP_COST):
            self.steps.append(self._amend(cheapest, deficit))
        elif further:
            self.steps.append(place)

    def _reduce(self, keep: Decimal) -> None:
        """Bring the stops' most down to ``keep``: one amend of the smallest that can stay, else cancels."""
        surplus = self.stop_most - keep
        waiting = sorted((o for o in self.stops if not o.triggered), key=lambda o: o.most)  # a fired one is awaited
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
                self.steps.append(amend)
                return
            if bares and any(self._shrinks(o) for o in larger):
                continue
            self.steps.append(CancelExit(stop.cl_ord_id, "quantity goes elsewhere"))
            surplus -= stop.most

    @staticmethod
    def _shrinks(stop: OrderView) -> bool:
        """Whether an amend under way takes something from it: that counts before another gives way for it."""
        return stop.busy and ZERO < stop.least < stop.most and stop.least < stop.leaves_qty

    def _shrunk(self, stop: OrderView, surplus: Decimal) -> AmendStop | None:
        """Return the amend that takes all of ``surplus`` from a stop; None where too little would stay."""
        left = self.s.instrument.lots(stop.most - surplus)
        amend = self._amend(stop, left - stop.leaves_qty)
        return amend if self.orderable(left) and amend.key() not in self.s.blocked else None

    def _amend_waits(self, order: OrderView) -> bool:
        """Whether an amend of its quantity has been asked for and has not gone: a cancel leaves nothing sure."""
        return order.waits and order.cl_ord_id not in self.s.asked and ZERO < order.least < order.most

    def _correct(self, stop: OrderView, surplus: Decimal) -> None:
        """Bring an amend that still waits to be let go up to date: as it was decided it may be for too much by now."""
        if not self._amend_waits(stop):
            return
        asked = stop.least if stop.least < stop.leaves_qty else stop.most
        left = self.orderable(stop.most - surplus)
        amend = self._amend(stop, left - stop.leaves_qty)
        if not left or left == stop.leaves_qty:
            self.steps.append(WithdrawChange(stop.cl_ord_id))
        elif left != asked and amend.key() not in self.s.blocked:
            self.steps.append(amend)

    def _amend(self, stop: OrderView, deficit: Decimal) -> AmendStop:
        """Change a stop's quantity by whole lots; one that rests where the signal's stop stood before moves as well."""
        total = Qty(stop.order_qty + self.s.instrument.lots(deficit))
        if stop.trigger_price is None or stop.trigger_price not in self.s.past_triggers:
            return AmendStop(stop.cl_ord_id, total)
        spec = stop_order(self.s.signal, self.s.instrument, stop.cl_ord_id, total)
        return AmendStop(stop.cl_ord_id, total, spec.trigger_price, spec.limit_price)

    def _amend_cost(self, stop: OrderView) -> int:
        age_s = (self.s.now_ns - stop.changed_ns) / STEP_NS
        return 1 + next((points for below_s, points in AMEND_AGE_COST if age_s < below_s), 0)

    def _end_entry(self, why: str) -> None:
        going = self.s.asked | {o.cl_ord_id for o in self.entries if o.cancel_wanted or o.state == "pending_cancel"}
        if any(not o.ended and o.cl_ord_id not in going for o in self.entries):
            self.steps.append(CancelEntry(why))

    def _cancel(self, orders: list[OrderView], why: str) -> None:
        """Take exits back; an amend that still waits to be let go does not go any more."""
        for order in orders:
            if not order.ended and not order.busy:
                self.steps.append(CancelExit(order.cl_ord_id, why))
            elif self._amend_waits(order):
                self.steps.append(WithdrawChange(order.cl_ord_id))

    def _phase(self) -> Phase:
        live = bool(self.s.unseen) or any(not o.ended for o in self.exits + self.returns)
        if not self.want:
            if self.entry_live and not self.filled_any:
                return "entering"
            if self.entry_live and not self.leaving:
                return "covering"
            if self.entry_live or live or self.excess:
                return "exiting"
            traded = self.filled_any or any(o.done_qty for o in self.exits + self.returns)
            return "flat" if traded else "abandoned"
        if self.s.taken and not self.s.close_all:
            return "exiting" if live or self.entry_live else "taken_over"
        if self.closing or self.fired or self.swap or self.immediate:
            return "exiting"
        if self.s.signal.stop_loss is None and self.s.signal.take_profit is None and not self.entry_live:
            return "taken_over"
        return "covering" if self.uncovered else "covered"


def would_fire(stop: OrderView) -> bool:
    """Tell whether the venue refused a stop because its trigger was already passed."""
    return "trigger immediately" in stop.reason


def plan(situation: Situation) -> Plan:
    """Return the steps that bring what rests on the venue to what the signal asks. Pure; same input, same plan."""
    return _Planner(situation).run()
