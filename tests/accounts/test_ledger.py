"""The ledger: positions at average cost, profit by day, the drawdown from the peak."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts.exact import exactly
from engine.accounts.ledger import DAY_NS, Books, Fact, Ledger
from engine.orders.reports import Fee

BTC = "BTC/USD"
USD = {"USD": Decimal(1)}


def d(text: str) -> Decimal:
    """Spell a Decimal shortly."""
    return Decimal(text)


def fact(side: str, qty: str, price: str, *, base_fee: str = "0", quote_fee: str = "0", **other: object) -> Fact:
    """One fill of strategy s on BTC/USD."""
    given: dict[str, object] = {"strategy_id": "s", "symbol": BTC, "base": "BTC", "quote": "USD", "ts_ns": DAY_NS}
    fees = tuple(Fee(asset, d(fee)) for asset, fee in (("BTC", base_fee), ("USD", quote_fee)) if d(fee))
    with exactly():
        given |= {"side": side, "qty": d(qty), "cost": d(qty) * d(price), "fees": fees}
    return Fact(**(given | other))  # type: ignore[arg-type]


def test_profit_is_made_against_the_average_cost():
    """Two buys at two prices, half sold: half the cost leaves with it; fees are losses at once."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", quote_fee="1"))
    ledger.book(fact("buy", "1", "200", quote_fee="2"))
    assert ledger.book(fact("sell", "1", "180", quote_fee="3")) == 180 - 150 - 3
    assert (ledger.qty(BTC), ledger.realized(USD), ledger.unrealized({BTC: d("160")}, USD)) == (1, 24, 10)


def test_sale_beyond_the_position_turns_it_round():
    """What is beyond flat is a short at the price of that fill."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100"))
    assert ledger.book(fact("sell", "3", "110")) == 10
    assert ledger.qty(BTC) == -2
    assert ledger.unrealized({BTC: d("100")}, USD) == 20
    assert ledger.book(fact("buy", "2", "120")) == -20
    assert (ledger.qty(BTC), ledger.positions) == (0, {})


def test_fee_in_base_leaves_the_position_and_what_it_had_cost_is_lost():
    """One coin less a hundredth is held."""
    ledger = Ledger()
    assert ledger.book(fact("buy", "1", "100", base_fee="0.01")) == -1
    assert (ledger.qty(BTC), ledger.positions["s", BTC, False].cost) == (d("0.99"), 99)


def test_fee_in_a_third_asset_is_kept_apart_until_it_has_a_price():
    """It touches neither position nor profit in quote; in the accounting currency it is a loss at its present rate."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", fees=(Fee("KFEE", d("5")), Fee("USD", d("1")))))
    (result,) = ledger.results.values()
    assert (result.realized, result.apart, result.fees) == (-1, {"KFEE": 5}, {"KFEE": 5, "USD": 1})
    assert (ledger.realized(USD), ledger.realized({**USD, "KFEE": d("0.01")})) == (-1, d("-1.05"))
    assert ledger.fee_assets() == {"KFEE"}


def test_strategies_and_currencies_are_kept_apart_and_added_up():
    """A position of each, one sum a market; a rate turns quote into the accounting currency, without one it is left."""
    ledger, eur = Ledger(), {"EUR": d("1.1")}
    ledger.book(fact("buy", "1", "100", strategy_id="a"))
    ledger.book(fact("sell", "3", "100", strategy_id="b", quote="EUR"))
    assert (ledger.qty(BTC), ledger.qty(BTC, "a"), ledger.qty(BTC, "b"), ledger.qty(BTC, "c")) == (-2, 1, -3, 0)
    assert ledger.strategies() == ["a", "b"]
    ledger.book(fact("buy", "3", "90", strategy_id="b", quote="EUR"))
    rates = USD | eur
    assert [ledger.realized_today(rates, name) for name in ("a", "b", None)] == [0, 33, 33]
    assert ledger.realized(USD) == 0


def test_day_begins_at_midnight_utc():
    """The last nanosecond belongs to the old day; a clock that steps back brings nothing back."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", quote_fee="5", ts_ns=2 * DAY_NS - 1))
    assert ledger.realized_today(USD) == -5
    assert not ledger.turn(2 * DAY_NS - 1)
    assert ledger.turn(2 * DAY_NS)
    assert (ledger.realized_today(USD), ledger.realized(USD), ledger.turn(DAY_NS)) == (0, -5, False)


def test_day_that_has_ended_is_kept_until_it_is_journalled():
    """Its result waits in the books; journalled and forgotten it is not told twice."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", quote_fee="5"))
    ledger.turn(2 * DAY_NS)
    (day,) = ledger.books().ended
    assert (day.day, day.realized, day.fees, day.fills) == (1, -5, {"USD": 5}, 1)
    ledger.forget_days()
    assert ledger.books().ended == ()
    assert Ledger(ledger.books()).books() == ledger.books()


def test_drawdown_is_measured_from_the_highest_equity():
    """What is not realised counts; a person's word measures it anew."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100"))
    assert ledger.mark({BTC: d("130")}, USD) == 0
    assert ledger.mark({BTC: d("90")}, USD) == 40
    ledger.reset_peak({BTC: d("90")}, USD)
    assert ledger.mark({BTC: d("85")}, USD) == 5


def test_long_amounts_lose_no_digit():
    """Thirty digits are kept: what was paid and what came back differ by the fee alone."""
    ledger = Ledger()
    qty, price = "123456789.123456789", "98765.4321987654"
    ledger.book(fact("buy", qty, price))
    ledger.book(fact("sell", "23456789.123456788", price))
    ledger.book(fact("sell", "100000000.000000001", price, quote_fee="0.0000000001"))
    assert ledger.realized(USD) == d("-0.0000000001")


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.01", "5", places=2),
        st.decimals("10", "1000", places=1),
        st.decimals("0", "2", places=2),
    ),
    max_size=25,
)


@given(FILLS, st.integers(0, 25))
def test_books_resume_anywhere_and_money_is_conserved(fills, cut):
    """Profit less the cost of what is held is the money that moved, to the last digit, also from journalled books."""
    facts = [fact(side, str(qty), str(price), quote_fee=str(fee)) for side, qty, price, fee in fills]
    ledger, cash, held = Ledger(), Decimal(0), Decimal(0)
    for one in facts[:cut]:
        ledger.book(one)
    books = msgspec.json.decode(msgspec.json.encode(ledger.books()), type=Books)
    resumed = Ledger(books)
    for one in facts[cut:]:
        assert ledger.book(one) == resumed.book(one)
    for one in facts:
        sign = 1 if one.side == "buy" else -1
        cash -= sign * one.cost + sum(fee.qty for fee in one.fees)
        held += sign * one.qty
    cost = sum((one.cost for one in ledger.positions.values()), Decimal(0))
    assert (ledger.realized(USD) - cost, ledger.qty(BTC)) == (cash, held)
    assert ledger.books() == resumed.books()
