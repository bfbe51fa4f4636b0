"""Margin in our books: positions apart from coins, profit that the venue pays out at the close, liquidation's price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.accounts.ledger import Ledger
from engine.accounts.margin import TradeBalance, VenuePosition, differences, held_there, leverage_of, liquidation
from engine.accounts.movement import Movement
from tests.accounts.test_ledger import BTC, USD, d, fact
from tests.accounts.test_reconciliation import LATER, T0, begun, moved, told


def test_coins_and_margin_are_two_positions_of_one_strategy():
    """A spot sell leaves the margin position alone; each has an average and a result of its own."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", margin=True))
    ledger.book(fact("buy", "1", "200"))
    assert ledger.book(fact("sell", "1", "210")) == 10
    assert (ledger.qty(BTC), ledger.qty(BTC, margin=True), ledger.on_margin()) == (0, 1, {BTC: 1})
    assert ledger.book(fact("sell", "1", "90", margin=True)) == -10
    assert (ledger.positions, ledger.realized(USD), ledger.on_margin()) == ({}, 0, {})
    assert [(one.margin, one.realized) for one in ledger.results.values()] == [(True, -10), (False, 10)]


def test_books_keep_both_kinds_over_a_restart():
    """A replay begins with the same positions."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", margin=True))
    ledger.book(fact("buy", "2", "100"))
    again = Ledger(ledger.books())
    assert (again.positions, again.qty(BTC), again.qty(BTC, "s", margin=True)) == (ledger.positions, 2, 1)


def entry(kind: str, amount: str, ref: str, ledger_id: str) -> Movement:
    """One entry of the venue's ledger."""
    return Movement(ledger_id, ref, kind, "USD", d(amount), d("0.5"), LATER)


def test_margin_fill_moves_what_the_venue_says():
    """Which position an exit closes is the venue's choice, so its profit is: the entry that names our fill is ours."""
    one = begun(USD="100")
    one.filled_on_margin("T1")
    one.moved(entry("margin", "7", "T1", "L1"), d("106.5"), LATER)
    assert told(one, "USD") == (d("6.5"), 0, 0, 0)
    one.moved(entry("rollover", "0", "T1", "L2"), d("106"), LATER)
    assert told(one, "USD") == (6, 0, 0, 0)
    one.moved(entry("margin", "-3", "T9", "L3"), d("102.5"), LATER)
    assert told(one, "USD")[:2] == (6, 0), "somebody's, perhaps ours: it waits"
    one.look(LATER + 60 * 10**9)
    assert told(one, "USD") == (6, d("-3.5"), 0, 0)
    one.filled_on_margin("T9")
    assert told(one, "USD") == (d("2.5"), 0, 0, 0), "it was ours after all"


def test_margin_fill_told_after_its_ledger_entry_is_booked_once():
    """The balances channel may be first; the venue's ledger asked for later adds nothing."""
    one = begun(USD="100")
    movement = moved("USD", "4", kind="margin")
    one.moved(movement, d("104"), LATER)
    one.filled_on_margin("T1")
    one.explained([movement], one.opened_ns)
    assert told(one, "USD") == (4, 0, 0, 0)
    assert one.steady(T0 + 60 * 10**9)


def position(side: str, qty: str, cost: str = "100", margin: str = "20", symbol: str = BTC) -> VenuePosition:
    """One position at the venue."""
    return VenuePosition("T", "O", symbol, side, d(qty), d(cost), d(margin))  # type: ignore[arg-type]


def test_positions_are_compared_by_market():
    """Which order opened them does not matter, how much there is does."""
    there = held_there([position("buy", "1"), position("buy", "0.5"), position("sell", "2", symbol="ETH/USD")])
    assert there == {BTC: d("1.5"), "ETH/USD": -2}
    assert differences({BTC: d("1.5"), "ETH/USD": d(-2)}, there) == {}
    assert differences({BTC: d(2)}, there) == {BTC: d("-0.5"), "ETH/USD": -2}
    assert leverage_of([position("buy", "1"), position("buy", "1", "300", "60")]) == 5
    assert leverage_of([]) is None


@pytest.mark.parametrize(("qty", "price", "percent"), [("2", "60", "40.00"), ("-2", "140", "40.00")])
def test_liquidation_is_where_the_level_meets_the_stop(qty, price, percent):
    """Equity 100, 50 used: 80 may be lost before 40 percent, that is 40 a coin."""
    balance = TradeBalance("USD", d(100), d(100), d(50), d(50), d(0), d(200))
    found = liquidation(balance, d(qty), d(100), Decimal(1), 40)
    assert (found.price, found.percent) == (d(price), d(percent))


def test_liquidation_that_is_due_lies_behind_the_market():
    """The venue is late: its distance is negative, so that any bound alarms."""
    balance = TradeBalance("USD", d(10), d(10), d(50), d(-40), d(0), d(20))
    assert liquidation(balance, d(1), d(100), Decimal(1), 40).percent < 0
