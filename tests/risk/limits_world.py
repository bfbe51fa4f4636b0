"""A market, an order and a situation in which every check passes; tests change one thing at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.market.book import Book, checksum_of, level_digits
from engine.risk.in_flight import Flow
from engine.risk.situation import Candidate, Situation, Standing
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty
from engine.values.time import NS

BTC, ETH = "BTC/USD", "ETH/USD"
NOW_NS = 1_000_000 * NS


def d(text: str | int) -> Decimal:
    """Spell a Decimal shortly."""
    return Decimal(text)


INSTRUMENT = Instrument(
    BTC, "BTC", "USD", "online", 1, Price(d("0.1")), 8, Qty(d("1E-8")), Qty(d("0.00005")), 5, d("0.5")
)


def book_of(bids: list[tuple[str, str]], asks: list[tuple[str, str]], ts_ns: int = NOW_NS) -> Book:
    """A verified book."""
    book = Book(BTC, 10, 1, 8)
    sides = [[(Price(d(price)), Qty(d(qty))) for price, qty in side] for side in (bids, asks)]
    digits = [level_digits(price, qty, 1, 8) for side in (sides[1], sides[0]) for price, qty in side]
    assert book.apply(*sides, snapshot=True, checksum=checksum_of(digits), ts_ns=ts_ns)
    return book


BOOK = book_of([("99", "5"), ("98", "5")], [("100", "2"), ("101", "3"), ("110", "50")])


def order(**changes: Any) -> Candidate:
    """Buy one bitcoin at 100."""
    given: dict[str, Any] = {
        "symbol": BTC,
        "strategy_id": "s",
        "side": "buy",
        "qty": d(1),
        "price": d(100),
        "limit_price": d(100),
        "born_ns": NOW_NS,
    }
    return Candidate(**{**given, **changes})


def standing(
    position: str | int = 0, buying: str | int = 0, selling: str | int = 0, value: str | int = 100
) -> Standing:
    """What a market holds and what may come."""
    return Standing(d(position), Flow(d(buying), d(selling)), d(value))


def now(**changes: Any) -> Situation:
    """Nothing stands, nothing is in flight, everything is fresh and paid for."""
    here = changes.pop("here", standing())
    given: dict[str, Any] = {
        "now_ns": NOW_NS,
        "instrument": INSTRUMENT,
        "book": BOOK,
        "rate": d(1),
        "standings": {BTC: here},
        "own": {BTC: here},
        "free": d(1_000_000),
    }
    return Situation(**{**given, **changes})
