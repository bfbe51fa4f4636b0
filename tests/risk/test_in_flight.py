"""What may come and go again: the sums hold whatever fills, and whatever else does not."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.orders.reports import Fee
from engine.risk.in_flight import Commitment, InFlight, commitment_of
from engine.risk.situation import Standing
from engine.values.money import ZERO, Side, sign
from tests.orders.conftest import qty
from tests.orders.desk import BTC, BUY, NS, SELL, Desk
from tests.risk.limits_world import d

SYMBOL = BTC.symbol
LOTS = st.integers(0, 9).map(Decimal)


def bracket(side: Side, coming: Decimal, held: Decimal) -> Commitment:
    """A bracket with so much of its entry still to come, and so much that it holds."""
    return Commitment("s", SYMBOL, "BTC", "USD", side, coming, net=sign(side) * held)


BRACKETS = st.lists(st.builds(bracket, st.sampled_from(["buy", "sell"]), LOTS, LOTS), max_size=5)


def outcomes(one: Commitment) -> set[Decimal]:
    """What a bracket may come to hold: its entry fills or not, its exits trade or not."""
    entered = one.net + sign(one.side) * one.qty
    return {one.net, entered, ZERO, entered - one.net}


@given(BRACKETS, st.integers(-9, 9).map(Decimal), st.sampled_from(["buy", "sell"]), LOTS)
def test_worst_case_is_the_worst_of_all_that_may_fill_or_not(
    brackets: list[Commitment], left: Decimal, side: Side, more: Decimal
) -> None:
    """No order of fills brings either side beyond it, and one brings it there. ``left`` has no exits any more."""
    sums = InFlight()
    for number, one in enumerate(brackets):
        sums.put(str(number), one)
    position = left + sum((one.net for one in brackets), ZERO)
    worst = Standing(position, sums.flow(SYMBOL)).worst(side, more)
    ends = (left + sum(came, ZERO) for came in product(*map(outcomes, brackets)))
    assert worst == max(max(ZERO, sign(side) * end + more) for end in ends)


@given(BRACKETS)
def test_brackets_that_end_leave_nothing_in_the_sums(brackets: list[Commitment]) -> None:
    """Exact: what was put is taken away again."""
    sums = InFlight()
    for number, one in enumerate(brackets):
        sums.put(str(number), one)
    for number in range(len(brackets)):
        sums.drop(str(number))
    assert (sums.symbols(), sums.flow(SYMBOL).at_most("buy"), sums.flow(SYMBOL).at_most("sell")) == ([], 0, 0)


def flow_of(desk: Desk) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Buying, selling, buying back, selling out."""
    flow = commitment_of(desk.bracket, d(100)).flow
    return flow.buying, flow.selling, flow.buying_back, flow.selling_out


def test_bracket_may_undo_what_the_books_hold_of_it() -> None:
    """Fees in base are gone; what the venue only counts is in no position yet; an exit that sells has less to sell."""
    desk = Desk()
    desk.accept("entry")
    assert flow_of(desk) == (2, 0, 0, 0)
    desk.fill("entry", "1", (Fee("BTC", qty("0.01")),))
    assert flow_of(desk) == (1, 0, 0, d("0.99"))
    desk.bracket.orders["entry"] = msgspec.structs.replace(desk.bracket.orders["entry"], done_qty=qty("1.5"))
    assert flow_of(desk) == (d("1.5"), 0, 0, d("0.99"))
    desk.now += NS
    desk.think()
    desk.accept("x1")
    desk.trigger("x1")
    desk.fill("x1", "0.5")
    assert flow_of(desk)[3] == d("0.49")


def test_short_may_be_bought_back_and_coins_that_a_person_had_may_not() -> None:
    """Coins under protection have come by no fill of ours: no position holds them."""
    short = Desk(SELL)
    short.accept("entry")
    short.fill("entry", "2")
    assert flow_of(short) == (0, 0, 2, 0)
    protected = Desk(msgspec.structs.replace(BUY, entered=False))
    assert flow_of(protected) == (0, 0, 0, 0)
