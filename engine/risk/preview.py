"""What a signal would do, worked out before anything is sent: its orders, and the worst that they may come to. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.market.book import Book
from engine.orders.commands import NewOrder
from engine.orders.signal import Signal
from engine.orders.specs import entry_order, stop_order, target_order
from engine.orders.targets import portions, sell_price
from engine.risk.measures import Measure
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, limit_not_worse, other_side, sign, trigger_not_later, trimmed

BPS = Decimal(10_000)


class Terms(msgspec.Struct, frozen=True):
    """What the worst case is reckoned with: a fee of each trade's cost, and how far past its trigger a stop trades."""

    fee_bps: Decimal
    slippage_bps: Decimal


class Child(msgspec.Struct, frozen=True):
    """One order of the bracket as it would be sent, were all filled at once.

    ``rests`` False: a target that is watched, and sent as this order when the market touches it. ``cost`` in quote by
    the price that its minima are judged by; ``asked`` names what rounding has changed.
    """

    role: Literal["entry", "stop", "target"]
    order: NewOrder
    rests: bool
    cost: Decimal
    orderable: bool
    rounded: tuple[str, ...] = ()


class AtWorst(msgspec.Struct, frozen=True):
    """The loss when the stop fires, in quote, and what lies beyond it.

    ``entry_px`` is what the entry would pay, ``exit_px`` the stop's price with slippage; both None when there is
    nothing to reckon with. ``loss`` includes ``fees``. ``gap`` says what the stop does not bound.
    """

    currency: str
    entry_px: Decimal | None
    exit_px: Decimal | None
    fees: Decimal
    loss: Decimal | None
    gap: str


class Preview(msgspec.Struct, frozen=True):
    """A signal's whole future, as far as it can be known now. ``verdict`` is what submitting it now would bring.

    ``checks`` are all there are, passed or not. ``bid`` and ``ask`` are the book's best. ``notes`` are what a reader
    must know of how this was worked out.
    """

    signal: Signal
    verdict: Literal["accepted", "denied"]
    code: str
    reason: str
    checks: tuple[Measure, ...]
    instrument: Instrument | None
    bid: Price | None
    ask: Price | None
    orders: tuple[Child, ...]
    worst: AtWorst | None
    notes: tuple[str, ...] = ()


def preview(
    signal: Signal,
    instrument: Instrument | None,
    book: Book | None,
    checks: tuple[Measure, ...],
    terms: Terms,
    notes: tuple[str, ...] = (),
) -> Preview:
    """Put it together. ``signal`` has its symbol in our spelling and its quantity in base units."""
    failed = next((one for one in checks if one.passed is False), None)
    orders = () if instrument is None or not signal.order_qty else tuple(_orders(signal, instrument, book))
    worst = _worst(signal, instrument, book, terms) if orders and instrument is not None else None
    return Preview(
        signal=signal,
        verdict="accepted" if failed is None else "denied",
        code="" if failed is None else failed.code,
        reason="" if failed is None else failed.reason,
        checks=checks,
        instrument=instrument,
        bid=None if book is None else book.best("buy"),
        ask=None if book is None else book.best("sell"),
        orders=orders,
        worst=worst,
        notes=notes,
    )


def _orders(signal: Signal, instrument: Instrument, book: Book | None) -> list[Child]:
    lots = instrument.lots(signal.order_qty)
    facing = None if book is None else book.best(other_side(signal.side))
    entry = entry_order(signal, instrument, "entry")
    found = [_child("entry", entry, instrument, entry.limit_price or entry.trigger_price or facing or ZERO, signal)]
    stop = signal.stop_loss
    if stop is not None and signal.exits != "conditional-close" and lots:
        made = stop_order(signal, instrument, "stop", lots)
        found.append(_child("stop", made, instrument, stop.limit_price or stop.trigger_price, signal))
    rest = signal.exits == "both-rest"
    for place, qty in portions(signal, instrument, lots, lots):
        made = target_order(signal, instrument, f"target-{place + 1}", qty, place, rest=rest)
        child = _child("target", made, instrument, sell_price(signal.targets[place]), signal, place)
        found.append(msgspec.structs.replace(child, rests=rest))
    return found


def _child(
    role: Literal["entry", "stop", "target"],
    order: NewOrder,
    instrument: Instrument,
    price: Decimal,
    signal: Signal,
    place: int = 0,
) -> Child:
    return Child(
        role=role,
        order=order,
        rests=order.order_type != "market" and order.time_in_force in ("gtc", "gtd"),
        cost=order.order_qty * price,
        orderable=instrument.orderable(order.order_qty, price),
        rounded=tuple(_rounded(role, order, signal, place)),
    )


def _rounded(role: str, order: NewOrder, signal: Signal, place: int) -> list[str]:
    """Say which asked numbers are sent otherwise."""
    stop = signal.stop_loss
    asked: dict[str, tuple[Decimal | None, Decimal | None]] = {}
    if role == "entry":
        asked = {
            "order_qty": (signal.order_qty, order.order_qty),
            "limit_price": (signal.limit_price, order.limit_price),
            "trigger_price": (signal.trigger_price, order.trigger_price),
        }
    elif role == "stop" and stop is not None:
        asked = {
            "trigger_price": (stop.trigger_price, order.trigger_price),
            "limit_price": (stop.limit_price, order.limit_price),
        }
    elif role == "target":
        target = signal.targets[place]
        asked = {"price": (target.limit_price or target.price, order.limit_price)}
    return [
        f"{name} {trimmed(before)} -> {trimmed(after)}"
        for name, (before, after) in asked.items()
        if before is not None and after is not None and before != after
    ]


def _worst(signal: Signal, instrument: Instrument, book: Book | None, terms: Terms) -> AtWorst:
    return reckon(signal, instrument, _entry_px(signal, instrument, book), terms)


def reckon(signal: Signal, instrument: Instrument, entry_px: Decimal | None, terms: Terms) -> AtWorst:
    """Return the loss when the whole entry fills at ``entry_px`` and the stop fires."""
    qty, quote, way = instrument.lots(signal.order_qty), instrument.quote, sign(signal.side)
    stop = signal.stop_loss
    if entry_px is None:
        return AtWorst(quote, None, None, ZERO, None, "no book and no price: nothing can be reckoned")
    fee = terms.fee_bps / BPS
    if stop is None:
        loss = qty * entry_px * (1 + fee) if signal.side == "buy" else None
        words = "no stop: all of it may be lost" if signal.side == "buy" else "no stop: the loss has no bound"
        return AtWorst(quote, entry_px, None, qty * entry_px * fee, loss, words)
    first = trigger_not_later(other_side(signal.side), stop.trigger_price, instrument.price_increment)
    exit_px = stop.limit_price or first * (1 - way * terms.slippage_bps / BPS)
    fees = qty * (entry_px + exit_px) * fee
    loss = way * (entry_px - exit_px) * qty + fees
    each = first * qty / 100
    return AtWorst(quote, entry_px, exit_px, fees, loss, _gap(stop.limit_price, stop.watchdog_s, each, quote))


def _gap(limit: Price | None, watchdog_s: Decimal, each: Decimal, quote: str) -> str:
    further = f"each percent of a gap beyond it costs {trimmed(each.quantize(Decimal('0.01')))} {quote} more"
    if limit is None:
        return f"the stop becomes a market order: it bounds no gap, {further}"
    return (
        f"the stop's limit is {trimmed(limit)}: through it nothing trades for {trimmed(watchdog_s)} s, then the rest is"
        f" closed at market; {further}"
    )


def _entry_px(signal: Signal, instrument: Instrument, book: Book | None) -> Decimal | None:
    """What the entry pays at worst: its limit, its trigger, or what the book gives as deep as it is needed."""
    if signal.limit_price is not None:
        return limit_not_worse(signal.side, signal.limit_price, instrument.price_increment)
    if signal.trigger_price is not None:
        return signal.trigger_price
    if book is None or not book.usable:
        return None
    qty = instrument.lots(signal.order_qty)
    left, cost, last = Decimal(qty), ZERO, None
    for price, there in book.levels(other_side(signal.side)):
        part = min(left, there)
        left, cost, last = left - part, cost + part * price, price
        if left <= 0:
            break
    if last is None or not qty:
        return None
    return (cost + left * last) / qty
