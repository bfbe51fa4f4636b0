"""Which order of a bracket an orphan is: one of ours on the venue that the journal has lost. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import msgspec

from engine.orders.brackets import Bracket
from engine.orders.commands import NewOrder, OrderType
from engine.orders.events import Role
from engine.orders.signal import Signal
from engine.orders.specs import close_order, entry_order, stop_order, target_order
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, Qty, Side

ORPHAN = "orphan"
"""Strategy of a bracket made for a forgotten entry: it only ends that entry and trades back what has filled."""
STOPS = frozenset({"stop-loss", "stop-loss-limit", "trailing-stop"})

UNTOLD_LEVERAGE = 5
"""Taken for a margin order of which the stream told no number: ``margin: true`` asks for so much at most (§8.1)."""


class Found(msgspec.Struct, frozen=True):
    """An orphan's terms as the venue tells them; quantities in base units. ``resting``: it may still trade.

    ``margin`` None: nobody has said; ``leverage`` is told by REST alone.
    """

    cl_ord_id: str
    order_id: str
    symbol: str
    side: Side
    order_type: str
    order_qty: Qty
    cum_qty: Qty
    limit_price: Price | None
    trigger_price: Price | None
    resting: bool
    margin: bool | None = None
    leverage: int | None = None
    reduce_only: bool = False

    @property
    def weight(self) -> Qty:
        """Quantity it has traded or may still trade."""
        return self.order_qty if self.resting else self.cum_qty


class Claim(msgspec.Struct, frozen=True):
    """What the orphan is to the bracket that claims it."""

    role: Role
    spec: NewOrder


def claim(bracket: Bracket, found: Found) -> Claim | None:
    """Return the part that an orphan fits in a bracket: the order it would place itself, the quantity apart.

    An exit fits only a bracket that holds what it may sell: equal terms alone are no proof.
    """
    signal, instrument = bracket.signal, bracket.instrument
    if found.symbol != instrument.symbol:
        return None
    if signal.strategy_id == ORPHAN:
        return _any_exit(bracket, found)
    if found.side == signal.side:
        return _entry(bracket, found)
    bounded = bracket.closing and found.order_type == "limit" and not found.resting  # immediate or cancel
    limit = found.limit_price if bounded else None
    close = close_order(instrument, found.cl_ord_id, found.side, found.order_qty, limit, leverage=signal.leverage)
    candidates = [*_contingents(bracket.terms, instrument, found), Claim("close", close)]
    return next((one for one in candidates if _same(one.spec, found) and found.weight <= bracket.exposure), None)


def claim_bare(bracket: Bracket, found: Found) -> Claim | None:
    """Return a stop's part in a bracket that lacks all it guards, though its terms differ: they were moved since."""
    fits = found.symbol == bracket.instrument.symbol and found.order_type in STOPS and found.side != bracket.signal.side
    fits = fits and _same_kind(bracket.signal.leverage, found)
    return Claim("stop", as_order(found)) if fits and found.weight <= room(bracket) else None


def room(bracket: Bracket) -> Decimal:
    """Base units held for which no exit is known."""
    return bracket.exposure - sum((o.most for o in bracket.orders.values() if o.role != "entry"), ZERO)


def as_order(found: Found) -> NewOrder:
    """Spec of an order that is what the venue says, whoever decided it."""
    return NewOrder(
        cl_ord_id=found.cl_ord_id,
        symbol=found.symbol,
        side=found.side,
        order_type=cast("OrderType", found.order_type),  # we send no other types
        order_qty=found.order_qty,
        limit_price=found.limit_price,
        trigger_price=found.trigger_price,
        leverage=(found.leverage or UNTOLD_LEVERAGE) if found.margin else None,
        reduce_only=found.reduce_only,
    )


def _contingents(signal: Signal, instrument: Instrument, found: Found) -> list[Claim]:
    claims: list[Claim] = []
    if signal.stop_loss is not None:
        claims.append(Claim("stop", stop_order(signal, instrument, found.cl_ord_id, found.order_qty)))
    for place in range(len(signal.targets)):
        for rest in (False, True):
            spec = target_order(signal, instrument, found.cl_ord_id, found.order_qty, place, rest=rest)
            claims.append(Claim("target", spec))
    return claims


def _entry(bracket: Bracket, found: Found) -> Claim | None:
    """The entry, where none is known that has lived; else at most the trading back of an excess."""
    spec = entry_order(bracket.signal, bracket.instrument, found.cl_ord_id)
    lived = any(o.done_qty or not o.ended for o in bracket.orders.values() if o.role == "entry")
    if not lived:
        return Claim("entry", spec) if spec.order_qty == found.order_qty and _same(spec, found) else None
    if bracket.signal.margin:
        return None  # nothing is traded back on margin: it would open a position
    back = close_order(bracket.instrument, found.cl_ord_id, found.side, found.order_qty)
    return Claim("close", back) if _same(back, found) else None


def _any_exit(bracket: Bracket, found: Found) -> Claim | None:
    """What may have protected a forgotten entry: of its terms nothing is known, so its quantity must fit what is held.

    More than that protects something else that was forgotten, and must go on doing so.
    """
    if found.side == bracket.signal.side or found.weight > room(bracket):
        return None
    if not _same_kind(bracket.signal.leverage, found):
        return None
    role: Role = "stop" if found.order_type in STOPS else "close" if found.order_type == "market" else "target"
    return Claim(role, as_order(found))


def _same(spec: NewOrder, found: Found) -> bool:
    return (
        spec.order_type == found.order_type
        and _same_kind(spec.leverage, found)
        and (spec.limit_price is None or spec.limit_price == found.limit_price)
        and (spec.trigger_price is None or spec.trigger_price == found.trigger_price)
    )


def _same_kind(leverage: int | None, found: Found) -> bool:
    """A spot order protects no margin position, nor the other way round."""
    return found.margin is None or found.margin == (leverage is not None)
