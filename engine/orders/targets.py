"""Which target is next and for how much: shares of what was entered, remainders to the last. Pure.

Progress is read from the sums alone (entered, still held), so that partial fills, restarts and exits by other means are
one case: whatever has left counts for the nearest targets first.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from engine.orders.signal import Signal
from engine.orders.steps import NO_FUNDS, SHRUNK, TRANSIENT_CODES
from engine.orders.terms import TakeProfit
from engine.orders.view import OrderView
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, Qty, limit_not_worse, other_side

NO_SLOT: Final = frozenset({"ORDERS_LIMIT", "SCHEDULED_ORDERS_LIMIT"})
"""Refusals for want of a slot: the stop needs it more than the target."""
MOST_TRIES: Final = 3
"""Targets refused "for now" before they are watched instead: each try costs a point that the stop may need."""


class Portion(NamedTuple):
    """What the target at ``place`` (0 is the nearest) is still to take, in whole lots."""

    place: int
    qty: Qty


def portions(signal: Signal, instrument: Instrument, entered: Decimal, held: Decimal) -> list[Portion]:
    """Return what each target is still to take of ``held``, the nearest first.

    A part below the minima is not left out: it goes to the target after it, the last one's to the one before.
    """
    found: list[Portion] = []
    gone, share = max(ZERO, entered - held), ZERO
    last = len(signal.targets) - 1
    for place, target in enumerate(signal.targets):
        share += target.share if target.share is not None else 1
        upto = entered if place == last else instrument.lots(entered * share)
        qty = instrument.lots(max(ZERO, upto - gone))
        if instrument.orderable(qty, sell_price(target)):
            found.append(Portion(place, qty))
            gone += qty
        elif place == last and qty and found:
            found[-1] = Portion(found[-1].place, Qty(found[-1].qty + qty))
    return found


def next_place(signal: Signal, instrument: Instrument, entered: Decimal, held: Decimal) -> int:
    """Return which target comes next; the last one when all are done."""
    if not signal.more_targets or not entered:
        return 0
    parts = portions(signal, instrument, entered, held)
    return parts[0].place if parts else len(signal.targets) - 1


def sell_price(target: TakeProfit) -> Price:
    """Return the price by which a target's minima are judged."""
    return target.limit_price or target.price


def target_prices(signal: Signal, instrument: Instrument) -> list[Price]:
    """Return the targets' prices as orders would carry them."""
    side, tick = other_side(signal.side), instrument.price_increment
    return [limit_not_worse(side, target.price, tick) for target in signal.targets]


def targets_rest(signal: Signal, orders: Iterable[OrderView], asked: frozenset[str]) -> bool:
    """Tell whether targets rest beside the stop: until an exit lacked funds, or a target was taken away or cut unasked.

    From then on they are watched. ``asked`` are orders whose cancel we asked for.
    """
    if signal.exits != "both-rest":
        return False
    exits = [order for order in orders if order.role != "entry"]
    lost = any(o.code == NO_FUNDS or (rests(o) and (o.code == SHRUNK or _lost(o, asked))) for o in exits)
    return not lost and sum(rests(o) and o.code in TRANSIENT_CODES for o in exits) < MOST_TRIES


def _lost(target: OrderView, asked: frozenset[str]) -> bool:
    ours = target.cl_ord_id in asked or (target.code in TRANSIENT_CODES and target.code not in NO_SLOT)
    return target.ended and target.done_qty < target.order_qty and not ours


def rests(order: OrderView) -> bool:
    """Tell whether an order is a target that rests on the venue, rather than one that trades at once or not at all."""
    return order.role == "target" and order.spec.time_in_force == "gtc" and order.spec.order_type != "market"


def has_traded(order: OrderView) -> bool:
    """Tell whether an order is a target that has traded: in part where it rests, else once it has ended."""
    return order.role == "target" and order.done_qty > 0 and (order.ended or rests(order))
