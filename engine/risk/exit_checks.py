"""The checks an exit meets: it opens nothing, reduces what is held, lies on tick and lot, and meets the minima.

Pure. Nothing else ever denies an exit. What cannot be shown to reduce is no exit, and is held to what entries are.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.orders.brackets import Bracket
from engine.orders.commands import AmendOrder, NewOrder
from engine.orders.events import Role
from engine.orders.targets import rests
from engine.orders.view import OrderView
from engine.risk.denials import Denial, over
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Side, other_side, trimmed
from engine.values.time import NS


def check_exit(bracket: Bracket, request: NewOrder | AmendOrder, side: Side, now_ns: int) -> Denial | None:
    """Judge a new exit, or an amend of one, on ``side`` by what its bracket holds now."""
    return (
        _never_opens(bracket, request, side)
        or _reduces(bracket, request, side, now_ns)
        or _on_steps(request, bracket.instrument)
        or _meets_minima(bracket, request)
    )


def _never_opens(bracket: Bracket, request: NewOrder | AmendOrder, side: Side) -> Denial | None:
    """Exits are of their entry's kind, and those on margin can only reduce: else they would open a position."""
    if isinstance(request, AmendOrder):
        return None  # its flags are those of the order that rests
    wanted, on_margin = bracket.signal.margin, request.leverage is not None
    if wanted == on_margin == request.reduce_only and (not wanted or side != bracket.signal.side):
        return None
    said = "reduce-only margin order against its side" if wanted else "plain order"
    return Denial("EXIT_MAY_OPEN", f"an exit of signal {bracket.signal.signal_id} must be a {said}")


def _reduces(bracket: Bracket, request: NewOrder | AmendOrder, side: Side, now_ns: int) -> Denial | None:
    """Quantity at most the position minus the exits that may live.

    A target that rests beside the stop is held against other targets, a stop against other stops: whichever trades
    first shrinks the other.
    """
    own = bracket.orders.get(request.cl_ord_id) if isinstance(request, AmendOrder) else None
    if own is not None and request.order_qty <= own.order_qty:
        return None  # it shrinks what rests already: to stop that would help nobody
    done = own.done_qty if own is not None else ZERO
    held = bracket.exposure if side == other_side(bracket.signal.side) else -bracket.exposure
    others = [one for one in bracket.orders.values() if one.cl_ord_id != request.cl_ord_id]
    beside = _sibling_of(bracket, request) if bracket.signal.exits == "both-rest" else None
    if beside is not None:
        others = [one for one in others if one.role != beside or not (one.role == "stop" or rests(one))]
    living = may_live(others, side, round(bracket.policy.swap_bound_s * NS), now_ns)
    asked = request.order_qty - done
    if asked <= max(ZERO, held) - living:
        return None
    what = f"{side} of {trimmed(asked)} {bracket.instrument.base} beside exits"
    return over(
        "EXIT_EXCEEDS_POSITION", what, max(ZERO, held), asked + living, in_flight=living, unit=bracket.instrument.base
    )


def _sibling_of(bracket: Bracket, request: NewOrder | AmendOrder) -> Role | None:
    """Return the role that a resting exit shares its quantity with; what trades at once shares with nobody."""
    view = bracket.orders.get(request.cl_ord_id)  # a new order is among them from its intent on
    if view is None or view.role == "stop":
        return "target"
    return "stop" if rests(view) else None


def may_live(orders: Iterable[OrderView], side: Side, bound_ns: int, now_ns: int) -> Decimal:
    """Return the most quantity that exits on ``side`` may still trade.

    An immediate order whose wire deadline and bound have passed cannot rest any more: it does not count.
    """
    living = (one for one in orders if one.role != "entry" and one.spec.side == side)
    return sum((one.most for one in living if not _overdue(one, bound_ns, now_ns)), ZERO)


def _overdue(one: OrderView, bound_ns: int, now_ns: int) -> bool:
    immediate = one.role == "target" and not one.ended and one.dispatched_ns > 0 and not rests(one)
    return immediate and now_ns >= one.dispatched_ns + bound_ns


def _on_steps(request: NewOrder | AmendOrder, instrument: Instrument) -> Denial | None:
    for name, price in (("limit price", request.limit_price), ("trigger price", request.trigger_price)):
        if price is not None and price % instrument.price_increment:
            tick = trimmed(instrument.price_increment)
            return Denial("EXIT_OFF_TICK", f"{name} {trimmed(price)} is no multiple of the tick {tick}")
    if request.order_qty % instrument.qty_increment:
        lot = trimmed(instrument.qty_increment)
        return Denial("EXIT_OFF_LOT", f"quantity {trimmed(request.order_qty)} is no multiple of the lot {lot}")
    return None


def _meets_minima(bracket: Bracket, request: NewOrder | AmendOrder) -> Denial | None:
    """The least quantity; the least cost where the order itself names a price."""
    instrument = bracket.instrument
    if request.order_qty < instrument.qty_min:
        return over(
            "EXIT_BELOW_MINIMUM", "quantity, at least", instrument.qty_min, request.order_qty, unit=instrument.base
        )
    price = request.limit_price or request.trigger_price
    if price is not None and request.order_qty * price < instrument.cost_min:
        cost = request.order_qty * price
        return over("EXIT_BELOW_MINIMUM", "cost, at least", instrument.cost_min, cost, unit=instrument.quote)
    return None
