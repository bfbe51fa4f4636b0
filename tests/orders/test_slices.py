"""How much of a position may leave its stop at a time, judged by the book."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.market.book import Book
from engine.orders.slices import MAX_SLICES, CloseWish, SliceTerms, slice_terms
from engine.values.instrument import PairStatus
from engine.values.money import Price, Qty
from tests.risk.limits_world import INSTRUMENT, book_of

BIDS, ASKS = [("99", "2"), ("98", "3")], [("101", "4")]
HELD = Qty(Decimal(10))


def terms(
    book: Book | None, *, bps: str | None = None, now_ns: int = 0, slices: int = 0, status: PairStatus = "online"
) -> SliceTerms:
    """Judge a sale of ten units; a wish of so many bps lasts until 100."""
    wish = None if bps is None else CloseWish(Decimal(bps), 100)
    listed = msgspec.structs.replace(INSTRUMENT, status=status)
    return slice_terms(book, listed, "sell", HELD, slices, wish, now_ns)


def book() -> Book:
    """Five units of bids, the mid at 100."""
    return book_of(BIDS, ASKS, 0)


def test_market_slice_is_what_the_book_shows() -> None:
    """Five stand there: five go, at market."""
    assert terms(book()) == SliceTerms(Qty(Decimal(5)))


def test_market_slice_is_never_less_than_a_share() -> None:
    """However thin the book: or the last slice would never come. After many slices the rest goes whole."""
    thin = book_of([("99", "0.5")], ASKS, 0)
    assert terms(thin).qty == Decimal("1.25")
    assert terms(thin, slices=MAX_SLICES).qty == HELD


def test_nobody_to_trade_with_means_waiting() -> None:
    """No bid at all: nothing leaves its stop."""
    assert terms(book_of([], ASKS, 0)).qty == 0


@pytest.mark.parametrize(("bps", "qty", "limit"), [("50", "0", None), ("100", "2", "99"), ("200", "5", "98")])
def test_wish_takes_what_stands_within_its_bound(bps: str, qty: str, limit: str | None) -> None:
    """Around the mid, at a limit on the tick that is never worse than the bound."""
    found = terms(book(), bps=bps)
    assert found == SliceTerms(Qty(Decimal(qty)), None if limit is None else Price(Decimal(limit)))


def test_wish_ends_with_its_time() -> None:
    """From then on it is a market close."""
    assert terms(book(), bps="50", now_ns=100) == SliceTerms(Qty(Decimal(5)))


def test_without_a_book_a_wish_waits_and_a_market_close_sends_all() -> None:
    """There is nothing to judge a slippage by; a red button does not wait for a book."""
    assert terms(None, bps="50").qty == 0
    assert terms(None) == SliceTerms(HELD)


@pytest.mark.parametrize("status", ["cancel_only", "post_only", "maintenance"])
def test_market_in_which_nothing_trades_lets_no_stop_go(status: PairStatus) -> None:
    """A stop that is canceled there could not come back."""
    assert terms(book(), status=status).qty == 0


def test_limit_only_market_gets_a_limit() -> None:
    """At the last level that is shown."""
    assert terms(book(), status="limit_only") == SliceTerms(Qty(Decimal(5)), Price(Decimal(98)))
