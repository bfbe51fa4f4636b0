"""The ledger: positions at average cost, profit by day, the drawdown from the peak."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts.ledger import DAY_NS, Books, Fact, Ledger

BTC = "BTC/USD"


def d(text: str) -> Decimal:
    """Spell a Decimal shortly."""
    return Decimal(text)


def fact(side: str, qty: str, price: str, *, base_fee: str = "0", quote_fee: str = "0", **other: object) -> Fact:
    """One fill of strategy s on BTC/USD."""
    given: dict[str, object] = {"strategy_id": "s", "symbol": BTC, "ts_ns": DAY_NS, **other}
    return Fact(side=side, qty=d(qty), price=d(price), base_fee=d(base_fee), quote_fee=d(quote_fee), **given)  # type: ignore[arg-type]


def test_profit_is_made_against_the_average_cost():
    """Two buys at two prices, half sold: half the cost leaves with it; fees are losses at once."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", quote_fee="1"))
    ledger.book(fact("buy", "1", "200", quote_fee="2"))
    assert ledger.book(fact("sell", "1", "180", quote_fee="3")) == 180 - 150 - 3
    assert (ledger.qty(BTC), ledger.realized, ledger.unrealized({BTC: d("160")})) == (1, 24, 10)


def test_sale_beyond_the_position_turns_it_round():
    """What is beyond flat is a short at the price of that fill."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100"))
    assert ledger.book(fact("sell", "3", "110")) == 10
    assert ledger.qty(BTC) == -2
    assert ledger.unrealized({BTC: d("100")}) == 20
    assert ledger.book(fact("buy", "2", "120")) == -20
    assert (ledger.qty(BTC), ledger.positions) == (0, {})


def test_fee_in_base_leaves_the_position_and_what_it_had_cost_is_lost():
    """One coin less a hundredth is held."""
    ledger = Ledger()
    assert ledger.book(fact("buy", "1", "100", base_fee="0.01")) == -1
    assert (ledger.qty(BTC), ledger.positions["s", BTC].cost) == (d("0.99"), 99)


def test_strategies_and_currencies_are_kept_apart_and_added_up():
    """A position of each, one sum a market; the rate turns quote into the accounting currency."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", strategy_id="a"))
    ledger.book(fact("sell", "3", "100", strategy_id="b", rate=d("1.1")))
    assert (ledger.qty(BTC), ledger.qty(BTC, "a"), ledger.qty(BTC, "b"), ledger.qty(BTC, "c")) == (-2, 1, -3, 0)
    ledger.book(fact("buy", "3", "90", strategy_id="b", rate=d("1.1")))
    assert (ledger.realized_today("a"), ledger.realized_today("b"), ledger.realized_today()) == (0, 33, 33)


def test_day_begins_at_midnight_utc():
    """The last nanosecond belongs to the old day; a clock that steps back brings nothing back."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100", quote_fee="5", ts_ns=2 * DAY_NS - 1))
    assert ledger.realized_today() == -5
    assert not ledger.turn(2 * DAY_NS - 1)
    assert ledger.turn(2 * DAY_NS)
    assert (ledger.realized_today(), ledger.realized, ledger.turn(DAY_NS)) == (0, -5, False)


def test_drawdown_is_measured_from_the_highest_equity():
    """What is not realised counts; a person's word measures it anew."""
    ledger = Ledger()
    ledger.book(fact("buy", "1", "100"))
    assert ledger.mark({BTC: d("130")}) == 0
    assert ledger.mark({BTC: d("90")}) == 40
    ledger.reset_peak({BTC: d("90")})
    assert ledger.mark({BTC: d("85")}) == 5


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
    """Equity is cash plus coins at their value, whatever was traded; a fold from the journalled books is the same."""
    facts = [fact(side, str(qty), str(price), quote_fee=str(fee)) for side, qty, price, fee in fills]
    ledger, cash = Ledger(), Decimal(0)
    for one in facts[:cut]:
        ledger.book(one)
    books = msgspec.json.decode(msgspec.json.encode(ledger.books()), type=Books)
    resumed = Ledger(books)
    for one in facts[cut:]:
        assert ledger.book(one) == resumed.book(one)
    for one in facts:
        cash += (-1 if one.side == "buy" else 1) * one.qty * one.price - one.quote_fee
    value = d("123.4")
    equity = ledger.realized + ledger.unrealized({BTC: value})
    assert abs(equity - (cash + ledger.qty(BTC) * value)) < d("1e-15")
    assert (ledger.realized, ledger.qty(BTC), ledger.peak) == (resumed.realized, resumed.qty(BTC), resumed.peak)
