"""Selling out in slices: how much of a position may leave its stop at a time, and at what price at worst. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from engine.market.book import Book
from engine.values.instrument import Instrument, PairStatus
from engine.values.money import NO_QTY, Price, Qty, Side, limit_not_worse, other_side, sign

MAX_SLICES: Final = 10
"""Closes of one bracket before the rest goes whole: each costs a stop's amend (up to 4 points) and an order (1)."""
LEAST_SHARE: Final = 8
"""A slice is at least this part of what is held, however thin the book: or the last slice would never come."""
BPS: Final = Decimal(10_000)

NO_TAKING: Final[frozenset[PairStatus]] = frozenset({"cancel_only", "post_only", "maintenance", "delisted"})
"""Market states in which nothing of ours can trade at once: stops stay where they are."""


class CloseWish(msgspec.Struct, frozen=True):
    """At most ``max_slippage_bps`` away from the mid until ``until_ns`` (our clock); after that at market."""

    max_slippage_bps: Decimal
    until_ns: int


class SliceTerms(msgspec.Struct, frozen=True):
    """What the next slice may be: ``qty`` base units (zero: none now), ``limit_price`` None at market."""

    qty: Qty
    limit_price: Price | None = None


def slice_terms(
    book: Book | None,
    instrument: Instrument,
    side: Side,
    held: Qty,
    slices: int,
    wish: CloseWish | None,
    now_ns: int,
) -> SliceTerms:
    """Judge how much of ``held`` may be traded on ``side`` now, by what the book shows; ``slices`` were sent before.

    With a wish that still holds: what stands within its bound around the mid. Without one: what stands in the book, at
    least a share of what is held. Without a usable book a wish waits, a market close sends all.
    """
    if instrument.status in NO_TAKING:
        return SliceTerms(NO_QTY)
    seen = book is not None and book.usable
    if wish is not None and now_ns < wish.until_ns:
        return _wished(book, instrument, side, held, slices, wish) if book is not None and seen else SliceTerms(NO_QTY)
    if book is None or not seen:
        return SliceTerms(held)
    facing = book.levels(other_side(side))
    if not facing:
        return SliceTerms(NO_QTY)  # nobody to trade with: an order would only end unfilled
    shown = Qty(sum((qty for _, qty in facing), Decimal(0)))
    size = held if slices >= MAX_SLICES else min(held, max(shown, Qty(held / LEAST_SHARE)))
    limit = facing[-1][0] if instrument.status == "limit_only" else None
    return SliceTerms(_worth_ordering(instrument, held, size, book.best(other_side(side))), limit)


def _wished(book: Book, instrument: Instrument, side: Side, held: Qty, slices: int, wish: CloseWish) -> SliceTerms:
    bid, ask = book.best("buy"), book.best("sell")
    if bid is None or ask is None:
        return SliceTerms(NO_QTY)
    worst = (bid + ask) / 2 * (1 + sign(side) * wish.max_slippage_bps / BPS)
    limit = limit_not_worse(side, Price(worst), instrument.price_increment)
    within = book.executable(side, limit)
    if not within:
        return SliceTerms(NO_QTY)
    size = held if slices >= MAX_SLICES else min(held, within)
    return SliceTerms(_worth_ordering(instrument, held, size, limit), limit)


def _worth_ordering(instrument: Instrument, held: Qty, size: Qty, price: Price | None) -> Qty:
    """Round a slice to whole lots; one below the minima becomes the least that can be ordered with something left."""
    if price is None:
        return instrument.lots(size)
    least = max(instrument.qty_min, Qty(instrument.cost_min / price))
    sized = instrument.lots(max(size, Qty(least * 2)))
    return Qty(min(sized, held))
