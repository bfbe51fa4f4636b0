"""What stands of a bracket and what it comes to: the sums that every rule of the planner needs."""

from __future__ import annotations

from decimal import Decimal

from engine.orders.plans import Situation
from engine.orders.signal import Signal
from engine.orders.targets import Portion, portions, rests, targets_rest
from engine.orders.view import OrderView
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Price, Qty, sign


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


class Standing:
    """A situation and its sums, in base units. ``want`` is what is held and can be ordered; nothing here changes.

    ``stops`` are those that may still trade, ``resting`` targets beside them, which protect nothing, ``immediate`` what
    trades at once and is not overdue, ``returns`` what trades an ``excess`` of exits back.
    """

    def __init__(self, situation: Situation) -> None:
        self.situation = s = situation
        self.exposure = exposure_of(s.signal, s.instrument, s.orders)
        self.price = reference_price(s.signal, s.orders)
        self.want = self.orderable(self.exposure)
        self.entries = [o for o in s.orders if o.role == "entry"]
        self.exits = [o for o in s.orders if o.role != "entry" and o.spec.side != s.signal.side]
        self.returns = [o for o in s.orders if o.role != "entry" and o.spec.side == s.signal.side]
        self.stops = [o for o in self.exits if o.role == "stop" and o.most > 0]
        trading = [o for o in self.exits if o.role != "stop" and o.most > 0]
        self.resting = [o for o in trading if rests(o)]
        self.immediate = [o for o in trading if not rests(o) and o.cl_ord_id not in s.overdue]
        self.entry_live = s.entry_pending or any(not o.ended for o in self.entries)
        self.filled_any = not s.signal.entered or any(o.done_qty for o in self.entries)
        # traded back on margin it would open a position: what exits have closed too much is other brackets', and told
        self.excess = NO_QTY if s.signal.margin else self.orderable(-self.exposure)

    def orderable(self, qty: Decimal) -> Qty:
        """Whole lots of ``qty`` if they meet the minima, else zero: dust cannot be ordered."""
        instrument = self.situation.instrument
        return instrument.lots(qty) if qty > 0 and instrument.orderable(qty, self.price) else NO_QTY

    @property
    def stop_most(self) -> Decimal:
        """What the stops may trade at most."""
        return sum((o.most for o in self.stops), ZERO)

    @property
    def exit_most(self) -> Decimal:
        """What stops and immediate exits may trade at most."""
        return self.stop_most + sum((o.most for o in self.immediate), ZERO)

    @property
    def resting_most(self) -> Decimal:
        """What targets at rest may trade at most."""
        return sum((o.most for o in self.resting), ZERO)

    @property
    def spoken_for(self) -> Decimal:
        """What exits may trade at most, those included that nobody has seen."""
        return self.exit_most + self.situation.unseen

    @property
    def uncovered(self) -> Qty:
        """What is held without a sure stop."""
        if self.situation.signal.stop_loss is None:
            return NO_QTY
        least = sum((o.least for o in self.stops), ZERO)
        return Qty(max(ZERO, self.want - least))

    @property
    def missing(self) -> Qty:
        """What is held without even an exit on its way."""
        if self.situation.signal.stop_loss is None:
            return NO_QTY
        return Qty(max(ZERO, self.want - self.spoken_for))

    @property
    def surplus(self) -> Qty:
        """What stops and immediate exits may trade more than is held."""
        return Qty(max(ZERO, self.exit_most - self.want))

    @property
    def fired(self) -> bool:
        """Whether a stop that may still trade has triggered."""
        return any(o.triggered for o in self.stops)

    @property
    def exits_begun(self) -> bool:
        """Whether an exit has been touched or has traded: no entry is wanted any more."""
        return any(o.triggered or o.done_qty for o in self.exits)

    @property
    def exits_live(self) -> bool:
        """Whether an exit may still trade, or what trades an excess back."""
        return bool(self.situation.unseen) or any(not o.ended for o in self.exits + self.returns)

    @property
    def both_rest(self) -> bool:
        """Whether targets rest beside the stop."""
        return targets_rest(self.situation.signal, self.exits, self.situation.asked)

    def portions(self) -> list[Portion]:
        """Return what each target is still to take, the nearest first."""
        s = self.situation
        return portions(s.signal, s.instrument, entered_of(s.signal, s.instrument, s.orders), self.exposure)

    def amend_waits(self, order: OrderView) -> bool:
        """Whether an amend of its quantity has been asked for and has not gone: a cancel leaves nothing sure."""
        return order.waits and order.cl_ord_id not in self.situation.asked and ZERO < order.least < order.most
