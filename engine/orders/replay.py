"""From journal rows back to orders and brackets. Pure: rows come in decoded."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.errors import OrderInvariantError
from engine.orders.bracket_events import BracketEvent, Policy
from engine.orders.brackets import Bracket
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.events import Numbers, OrderEvent, Role
from engine.orders.order import Order
from engine.orders.reports import Answer
from engine.orders.signal import Signal
from engine.orders.specs import target_order
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """A signal was accepted: its bracket exists from here on. ``bid`` and ``ask`` were best when it was judged."""

    signal: Signal
    instrument: Instrument
    bid: Price | None = None
    ask: Price | None = None


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A signal was denied by us: when it came, or, once accepted, before an order of its entry was made."""

    signal: Signal
    code: str
    reason: str
    numbers: Numbers | None = None


class Intent(msgspec.Struct, frozen=True, tag="intent"):
    """An order was decided; nothing sent yet."""

    spec: NewOrder
    role: Role
    why: str


class Requested(msgspec.Struct, frozen=True, tag="requested"):
    """A request is about to be written: from here on it may have been sent. ``payload_hash`` is over its content.

    ``stamped_ns`` is the venue's time by our reckoning when it was let go: nothing of it left before. 0: not told.
    """

    request: Request
    transport: str
    payload_hash: str
    stamped_ns: int = 0


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """A bracket ended, with its result (amounts in quote, ``net_qty`` in base)."""

    outcome: str
    net_qty: Qty
    reason: str


Fact = Opened | Refused | Intent | Requested | Answer | OrderEvent | BracketEvent | Closed

FACT_OF_KIND: dict[str, type[Fact]] = {
    "signal": Opened,
    "denied": Refused,
    "intent": Intent,
    "request": Requested,
    "answer": Answer,
    "order": OrderEvent,
    "bracket": BracketEvent,
    "closed": Closed,
}
"""Journal row kind -> what its body holds."""


def rebuild_orders(facts: Iterable[tuple[str, Fact]]) -> dict[str, Order]:
    """Fold (cl_ord_id, fact) pairs in journal order into orders by cl_ord_id.

    Raises OrderInvariantError when a row cannot follow the rows before it.
    """
    orders: dict[str, Order] = {}
    for cl_ord_id, fact in facts:
        _fold(orders, cl_ord_id, fact)
    return orders


def rebuild_bracket(facts: list[tuple[str, Fact]], policy: Policy) -> Bracket | None:
    """Fold all facts of one signal into its bracket; None when the signal was denied or is not known.

    What it remembers of refusals, cancels and lost stops comes back by the same door as in life; a swap under way does
    not: its orders say what is on the venue, and whatever has no stop gets one.
    """
    opened = next((fact for _, fact in facts if isinstance(fact, Opened)), None)
    if opened is None:
        return None
    bracket = Bracket(opened.signal, opened.instrument, policy)
    orders: dict[str, Order] = {}
    for cl_ord_id, fact in facts:
        _fold(orders, cl_ord_id, fact)
        match fact:
            case Intent(spec=spec, role=role, why=why):
                bracket.learn(orders[cl_ord_id].view(), [], 0)
                step = step_of(bracket, spec, role, why)
                if step is not None:
                    bracket.commanded(cl_ord_id, step)
            case Requested(request=AmendOrder(order_qty=qty, trigger_price=trigger, limit_price=limit)):
                bracket.commanded(cl_ord_id, AmendStop(cl_ord_id, qty, trigger, limit))
            case Requested(request=CancelOrder()):
                entry = orders[cl_ord_id].role == "entry"
                bracket.commanded(cl_ord_id, CancelEntry("") if entry else CancelExit(cl_ord_id, ""))
            case Answer():
                bracket.learn(orders[cl_ord_id].view(), [], fact.ts_ns)
            case OrderEvent():
                bracket.learn(orders[cl_ord_id].view(), [fact], fact.ts_ns)
            case BracketEvent():
                bracket.apply(fact)
            case _:
                pass
    return bracket


def step_of(bracket: Bracket, spec: NewOrder, role: Role, why: str) -> Step | None:
    """Return the planner's step that an intent came from; None for an entry."""
    match role:
        case "stop":
            return PlaceStop(spec.order_qty)
        case "target":
            rest = spec.time_in_force == "gtc" and spec.order_type != "market"
            return PlaceTarget(spec.order_qty, _place(bracket, spec), rest)
        case "close":
            return PlaceClose(spec.order_qty, spec.side, why, spec.limit_price)
        case "entry":
            return None


def _place(bracket: Bracket, spec: NewOrder) -> int:
    """Which target an order was for: the one whose prices it carries, the nearest where none does."""
    for place in range(len(bracket.terms.targets)):
        for rest in (False, True):
            made = target_order(bracket.terms, bracket.instrument, spec.cl_ord_id, spec.order_qty, place, rest=rest)
            if (made.order_type, made.limit_price, made.trigger_price) == (
                spec.order_type,
                spec.limit_price,
                spec.trigger_price,
            ):
                return place
    return 0


def _fold(orders: dict[str, Order], cl_ord_id: str, fact: Fact) -> None:
    match fact:
        case Intent():
            orders[cl_ord_id] = Order(fact.spec, fact.role)
        case Requested():
            order = _known(orders, cl_ord_id)
            if not isinstance(fact.request, NewOrder):
                order.outgoing = order.pending = fact.request
        case Answer():
            _known(orders, cl_ord_id).outgoing = None
        case OrderEvent():
            _known(orders, cl_ord_id).apply(fact)
        case _:
            pass


def _known(orders: dict[str, Order], cl_ord_id: str) -> Order:
    order = orders.get(cl_ord_id)
    if order is None:
        raise OrderInvariantError(f"journal: a row of order {cl_ord_id} stands before its intent")
    return order
