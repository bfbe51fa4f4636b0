"""The book and its checksum, against Kraken's vectors."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from engine.market.book import DEPTHS, Book, checksum_of, level_digits

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures/kraken/book_checksum.json").read_text())["vectors"]
BOOKS = [v for v in VECTORS if v["kind"] != "level3_v2"]


def levels(rows):
    """Decimals of a vector's rows."""
    return [(Decimal(price), Decimal(qty)) for price, qty in rows]


def by_name(name):
    """One vector."""
    return next(v for v in VECTORS if v["name"] == name)


def loaded(vector, depth=10):
    """A book with a vector's snapshot, and whether the checksum agreed."""
    book = Book("X/USD", depth, vector["price_precision"], vector["qty_precision"])
    agreed = book.apply(
        levels(vector["bids"]), levels(vector["asks"]), snapshot=True, checksum=vector["expected_crc32"], ts_ns=1
    )
    return book, agreed


@pytest.mark.parametrize("vector", BOOKS, ids=[v["name"] for v in BOOKS])
def test_book_reproduces_published_checksum(vector):
    """Snapshots of all published books verify, trimmed digits and v1 included."""
    book, agreed = loaded(vector)
    assert agreed
    assert book.usable
    assert book.checksum() == vector["expected_crc32"]


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_checksum_text_and_value_of_every_vector(vector):
    """Digits per level (per order at level 3), asks then bids, give the published text and value."""
    rows = levels(vector["asks"]) + levels(vector["bids"])
    parts = [level_digits(p, q, vector["price_precision"], vector["qty_precision"]) for p, q in rows]
    assert "".join(parts) == vector["expected_string"]
    assert checksum_of(parts) == vector["expected_crc32"]


def test_update_reproduces_published_checksum():
    """The MATIC update turns one published checksum into the other."""
    book, _ = loaded(by_name("v2-channel-maticusd-snapshot"))
    after = by_name("v2-channel-maticusd-update")["expected_crc32"]
    change = levels([("0.5657", "1098.3947558")])
    assert book.apply(change, [], snapshot=False, checksum=after, ts_ns=2)
    assert book.ts_ns == 2


def test_mismatch_makes_the_book_unusable_until_a_snapshot():
    """A wrong checksum and a lost stream both end usability; the next verified snapshot brings it back."""
    vector = by_name("v2-guide-btcusd")
    book, _ = loaded(vector)
    assert not book.apply([], levels([("45285.2", "0")]), snapshot=False, checksum=1, ts_ns=2)
    assert not book.usable
    again = levels(vector["bids"]), levels(vector["asks"])
    assert book.apply(*again, snapshot=True, checksum=vector["expected_crc32"], ts_ns=3)
    book.lose()
    assert not book.usable


def test_levels_leave_by_zero_and_by_depth():
    """Quantity 0 removes, entries count in wire order, and what is pushed out of the depth is gone."""
    book = Book("X/USD", 2, 1, 1)
    bids = levels([("10.0", "1"), ("9.0", "1"), ("8.0", "1"), ("9.0", "0"), ("7.0", "5")])
    book.apply(bids, [], snapshot=True, checksum=0, ts_ns=1)
    assert [str(price) for price, _ in book.levels("buy")] == ["10.0", "8.0"]
    book.apply(levels([("10.00", "0"), ("3.0", "0")]), [], snapshot=False, checksum=0, ts_ns=2)
    assert [str(price) for price, _ in book.levels("buy")] == ["8.0"]
    assert book.levels("sell") == []
    assert book.best("sell") is None


def test_executable_counts_what_an_order_could_take():
    """A sell takes bids at or above its limit, a buy asks at or below; nothing on an empty side."""
    book = Book("X/USD", 10, 1, 1)
    book.apply(levels([("10.0", "1"), ("9.0", "2")]), levels([("11.0", "4")]), snapshot=True, checksum=0, ts_ns=1)
    assert book.executable("sell", Decimal("9.0")) == 3
    assert book.executable("sell", Decimal("9.5")) == 1
    assert book.executable("buy", Decimal("10.9")) == 0
    assert book.executable("buy", Decimal("11.0")) == 4


def checksum_of_rows(asks, bids):
    """The checksum that a venue would send of these rows."""
    return checksum_of(level_digits(p, q, 1, 1) for p, q in (*asks[:10], *bids[:10]))


def verified(bids, asks, depth=10):
    """A book with a snapshot whose checksum agrees, and whether it is usable."""
    book = Book("X/USD", depth, 1, 1)
    bids, asks = levels(bids), levels(asks)
    agreed = book.apply(bids, asks, snapshot=True, checksum=checksum_of_rows(asks, bids), ts_ns=1)
    return book, agreed


@pytest.mark.parametrize("bid", ["11.0", "11.5"])
def test_a_crossed_book_is_unusable_whatever_its_checksum(bid):
    """The best bid at or above the best ask: nobody prices on it, though the checksum agrees."""
    book, agreed = verified([(bid, "1")], [("11.0", "1")])
    assert (agreed, book.usable, book.fault) == (False, False, "crossed")


@pytest.mark.parametrize("bids", [[("10.0", "1"), ("10.0", "1")], [("10.0", "1"), ("9.0", "0")]])
def test_an_inconsistent_snapshot_is_unusable(bids):
    """A level twice, or one without quantity: such a snapshot says nothing for certain."""
    book, agreed = verified(bids, [("11.0", "1")])
    assert (agreed, book.fault) == (False, "snapshot")


def test_a_fault_stays_the_reason_until_the_next_snapshot():
    """What went wrong first is what is told; a verified snapshot clears it."""
    book, _ = verified([("10.0", "1")], [("11.0", "1")])
    book.apply([], [], snapshot=False, checksum=1, ts_ns=2)
    book.lose()
    assert book.fault == "checksum"
    asks, bids = levels([("11.0", "1")]), levels([("10.0", "1")])
    assert book.apply(bids, asks, snapshot=True, checksum=checksum_of_rows(asks, bids), ts_ns=3)
    assert book.fault == ""


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_book_of_every_depth_keeps_just_that_many_levels(depth):
    """A full side takes one more at its best: the worst leaves, and the checksum looks at ten all the same."""
    bids = [(str(Decimal(10_000 - n) / 10), "1") for n in range(depth)]
    book, agreed = verified(bids, [("2000.0", "1")], depth)
    assert agreed
    better = levels([("1001.0", "2")])
    crc = checksum_of_rows(levels([("2000.0", "1")]), better + book.levels("buy", 9))
    assert book.apply(better, [], snapshot=False, checksum=crc, ts_ns=2)
    assert (len(book.levels("buy")), str(book.best("buy"))) == (depth, "1001.0")
    assert len(book.levels("buy", 3)) == 3
