"""What is known of one exchange order: its facts, folded from its events alone, and what follows from them."""

from __future__ import annotations

from engine.errors import OrderInvariantError
from engine.orders.commands import TRIGGERED_TYPES, AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.events import OrderEvent, Role
from engine.orders.fills import Fills
from engine.orders.machine import ENDED, ORDER_ROWS, fire, unshown
from engine.orders.reports import Fill
from engine.orders.steps import NOT_APPLIED, UNKNOWN_ORDER
from engine.orders.view import OrderView
from engine.values.money import NO_QTY, ZERO, Qty

_MAY_HAVE_ENDED = (UNKNOWN_ORDER, NOT_APPLIED)
"""Codes of a cancel that may have ended its order all the same: it was no more, or REST, which lags, showed it."""


class OrderRecord:
    """All that stands of an order. ``apply`` folds a journalled event; whoever concludes new ones is an Order."""

    def __init__(self, spec: NewOrder, role: Role) -> None:
        self.spec, self.role = spec, role
        self.state = "new"
        self.order_id: str | None = None
        self.order_qty = spec.order_qty
        self.most_qty = spec.order_qty  # that it ever had: fills told after an amend may be of the time before it
        self.limit_price, self.trigger_price = spec.limit_price, spec.trigger_price
        self.fills = Fills()
        self.venue_cum: Qty = NO_QTY
        self.triggered = False
        self.outgoing: Request | None = None  # decided, perhaps still waiting for the limiter
        self.pending: Request | None = None  # amend or cancel written, without answer
        self._gone: Request | None = None  # what was outgoing when it went, or was taken back
        self.cancel_wanted = False  # asked for while the order was unproven or busy
        self._cancel_ns = 0  # when the first of its cancels was asked for that may have ended it
        self.changed_ns = 0
        self.dispatched_ns = 0
        self.reason = ""
        self.code = ""  # of the last refusal
        self.walk: list[tuple[str, str, str]] = []  # (from, move, to)
        self._disowned = False  # by the venue, whatever it has told before: not journalled, a restart asks anew

    @property
    def cl_ord_id(self) -> str:
        """Our name for it."""
        return self.spec.cl_ord_id

    @property
    def ended(self) -> bool:
        """Nothing of it rests on the venue."""
        return self.state in ENDED

    @property
    def cum_qty(self) -> Qty:
        """Filled quantity whose details are booked."""
        return self.fills.cum_qty

    @property
    def done_qty(self) -> Qty:
        """Filled quantity as far as anyone has told, with or without details."""
        return Qty(max(self.cum_qty, self.venue_cum))

    @property
    def leaves_qty(self) -> Qty:
        """Quantity not yet filled, zero once ended."""
        return NO_QTY if self.ended else Qty(max(ZERO, self.order_qty - self.done_qty))

    @property
    def agrees(self) -> bool:
        """Ended, and every fill the venue has counted is booked."""
        return self.ended and self.venue_cum <= self.cum_qty and self._filled_as_told

    @property
    def _filled_as_told(self) -> bool:
        return self.state != "filled" or self.cum_qty >= self.order_qty

    def bounds(self) -> tuple[Qty, Qty]:
        """Return the least and the most quantity that may rest on the venue now."""
        leaves = self.leaves_qty
        if self.ended or self._disowned or self.state not in ("open", "partial", "pending_amend"):
            return NO_QTY, leaves
        changing = self.pending or self.outgoing
        if isinstance(changing, NewOrder):
            changing = None  # it rests: the venue has shown it, whether or not its answer ever comes
        if isinstance(changing, AmendOrder):
            after = Qty(max(ZERO, changing.order_qty - self.done_qty))
            return min(leaves, after), max(leaves, after)
        return (NO_QTY if changing else leaves), leaves

    def view(self) -> OrderView:
        """Return a frozen copy."""
        least, most = self.bounds()
        return OrderView(
            cl_ord_id=self.cl_ord_id,
            role=self.role,
            state=self.state,
            spec=self.spec,
            order_id=self.order_id,
            order_qty=self.order_qty,
            cum_qty=self.cum_qty,
            done_qty=self.done_qty,
            cum_cost=self.fills.cum_cost,
            avg_px=self.fills.avg_px,
            fees=dict(self.fills.fees),
            least=least,
            most=most,
            busy=not self.ended and (self.outgoing is not None or self.state not in ("open", "partial")),
            triggered=self.triggered,
            cancel_wanted=self.cancel_wanted,
            changed_ns=self.changed_ns,
            dispatched_ns=self.dispatched_ns,
            reason=self.reason,
            code=self.code,
            states=self.states(),
            trigger_price=self.trigger_price,
            limit_price=self.limit_price,
            waits=self.waits,
        )

    @property
    def waits(self) -> bool:
        """A change of it has been decided and has not been let go, and until then it rests."""
        changing = isinstance(self.outgoing, AmendOrder | CancelOrder) and self.outgoing is not self._gone
        return changing and not self._disowned

    def let_go(self) -> None:
        """What is outgoing is written now, or was taken back: it can be altered no more."""
        self._gone = self.outgoing

    @property
    def in_doubt(self) -> bool:
        """Nothing from the venue shows it: unknown, or live by an operator's word alone."""
        return unshown(self.state, self.order_id)

    @property
    def ord_status(self) -> str:
        """The state in FIX words: a settled order keeps the status it ended with."""
        return self.walk[-1][0] if self.state == "settled" else self.state

    def states(self) -> tuple[str, ...]:
        """States in the order they were entered, without repeats in place."""
        walked = ["new"]
        for _, _, to_state in self.walk:
            if to_state != walked[-1]:
                walked.append(to_state)
        return tuple(walked)

    def reopen(self) -> None:
        """Undo the settlement, because the venue has more to say. The status before it stands again."""
        if self.state != "settled":
            raise OrderInvariantError(f"{self.cl_ord_id}: only a settled order is reopened, this is {self.state}")
        self.state = self.walk[-1][0]
        self.walk.pop()

    def apply(self, event: OrderEvent) -> None:
        """Fold one journalled event. Raises OrderInvariantError when it does not fit what stands."""
        if self.state == "settled" and event.from_state != "settled":
            self.reopen()  # a reopening leaves no row of its own: the next event starts before the settlement
        if event.from_state != self.state:
            raise OrderInvariantError(
                f"{self.cl_ord_id}: {event.move!r} starts in {event.from_state}, the replay stands in {self.state}"
            )
        if event.move:
            after = self._move(event.move, event.fill, event.order_qty)
            if after != event.to_state:
                raise OrderInvariantError(
                    f"{self.cl_ord_id}: replay of {event.move!r} ends in {after}, the journal says {event.to_state}"
                )
        self._fold(event)
        if event.move in ("ask_amend", "ask_cancel"):
            self.pending = self.outgoing or self.pending
            self.let_go()

    def _move(self, move: str, fill: Fill | None, order_qty: Qty | None) -> str:
        cum = self.cum_qty + (fill.last_qty if fill else ZERO)
        total = order_qty if order_qty is not None else self.order_qty
        self.state = fire(ORDER_ROWS, self.state, move, complete=cum >= total, touched=max(cum, self.venue_cum) > 0)
        return self.state

    def _fold(self, event: OrderEvent) -> None:
        if event.move == "ask_cancel":
            self._cancel_ns = self._cancel_ns or event.ts_ns
        if event.move == "refuse_change" and event.from_state == "pending_cancel" and event.code not in _MAY_HAVE_ENDED:
            self._cancel_ns = 0
        if event.fill is not None:
            self.fills.add(event.fill)
        if event.order_id is not None:
            self.order_id = event.order_id
        if event.order_qty is not None:
            self.order_qty = event.order_qty
            self.most_qty = max(self.most_qty, event.order_qty)
        if event.limit_price is not None:
            self.limit_price = event.limit_price
        if event.trigger_price is not None:
            self.trigger_price = event.trigger_price
        if event.venue_cum is not None:
            self.venue_cum = Qty(max(self.venue_cum, event.venue_cum))
        if event.triggered or (self.done_qty and self.spec.order_type in TRIGGERED_TYPES):
            self.triggered = True  # a stop that trades has fired, whether or not its frame has come
        if event.why:
            self.reason = event.why
        if event.code:
            self.code = event.code
        if event.move == "dispatch":
            self.dispatched_ns = event.ts_ns
        if event.move in ("accept", "amended"):
            self.changed_ns = event.ts_ns
        if self.state not in ("pending_amend", "pending_cancel"):
            self.pending = None
        if event.move:
            self.walk.append((event.from_state, event.move, event.to_state))
