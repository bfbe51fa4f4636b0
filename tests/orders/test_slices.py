"""How much of a position may leave its stop at a time, judged by the book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.market.book import Book
from engine.orders.slices import MAX_SLICES, CloseWish, SliceTerms, slice_terms
from engine.values.instrument import PairStatus
from engine.values.money import NO_QTY, Price, Qty
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


# --- edges ------------------------------------------------------------------------------------------------------------


def bought(book: Book, *, bps: str | None = None, slices: int = 0, held: str = "10", **market: Any) -> SliceTerms:
    """Judge buying back of ten units."""
    wish = None if bps is None else CloseWish(Decimal(bps), 100)
    listed = msgspec.structs.replace(INSTRUMENT, **market)
    return slice_terms(book, listed, "buy", Qty(Decimal(held)), slices, wish, 0)


def test_buying_back_looks_at_the_other_side() -> None:
    """Asks are taken, and the bound lies above the mid."""
    asks = [("101", "4"), ("102", "3"), ("104", "9")]
    there = book_of(BIDS, asks, 0)
    assert bought(there, bps="200") == SliceTerms(Qty(Decimal(7)), Price(Decimal(102)))
    assert bought(there, bps="50").qty == 0
    assert bought(there, status="limit_only", held="30") == SliceTerms(Qty(Decimal(16)), Price(Decimal(104)))


@pytest.mark.parametrize(("bids", "asks"), [([], ASKS), (BIDS, [])])
def test_wish_needs_both_sides_for_its_mid(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
    """Half a book says nothing of slippage."""
    assert terms(book_of(bids, asks, 0), bps="200") == SliceTerms(NO_QTY)


def test_after_many_slices_a_wish_takes_all_at_its_limit() -> None:
    """From the tenth on; the bound on the price holds on."""
    assert terms(book(), bps="200", slices=MAX_SLICES - 1).qty == 5
    assert terms(book(), bps="200", slices=MAX_SLICES) == SliceTerms(HELD, Price(Decimal(98)))


def test_wish_lasts_to_the_nanosecond() -> None:
    """Its last one still counts."""
    assert terms(book(), bps="50", now_ns=99).qty == 0


def test_unusable_book_is_no_book() -> None:
    """What it shows may be long gone."""
    stale = book()
    stale.lose()
    assert terms(stale, bps="200") == SliceTerms(NO_QTY)
    assert terms(stale) == SliceTerms(HELD)


@pytest.mark.parametrize(
    ("shown", "market", "qty"),
    [("0.2", {"qty_min": Qty(Decimal(1)), "qty_increment": Qty(Decimal("0.1"))}, "2.0"),
     ("0.2", {"cost_min": Decimal(198)}, "4"), ("9.99", {"qty_increment": Qty(Decimal("0.5"))}, "9.5"),
     ("0.2", {"qty_min": Qty(Decimal(6))}, "10")],
)  # fmt: skip
def test_slice_is_worth_an_order_and_leaves_one(shown: str, market: dict[str, Any], qty: str) -> None:
    """Whole lots, twice the least that can be ordered at this price, and never more than is held."""
    found = slice_terms(
        book_of([("99", shown)], ASKS, 0), msgspec.structs.replace(INSTRUMENT, **market), "sell", HELD, 0, None, 0
    )
    assert found.qty == Decimal(qty)


def test_bound_of_a_buying_back_is_rounded_down() -> None:
    """On the tick, and never worse than asked."""
    assert bought(book_of(BIDS, ASKS, 0), bps="155") == SliceTerms(Qty(Decimal(4)), Price(Decimal("101.5")))


def test_minima_are_judged_by_the_price_that_is_taken() -> None:
    """A purchase by the asks; a wish by its limit."""
    thin = book_of([("50", "2")], [("101", "0.2")], 0)
    assert bought(thin, cost_min=Decimal(202)).qty == 4
    listed = msgspec.structs.replace(INSTRUMENT, qty_min=Qty(Decimal(1)))
    wish = CloseWish(Decimal(200), 100)
    assert slice_terms(book_of([("99", "0.2")], ASKS, 0), listed, "sell", HELD, 0, wish, 0).qty == 2
