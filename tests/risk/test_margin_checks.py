"""What an entry on margin must meet: leave to borrow, a pair that lends, figures, and margin that is free."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.orders.signal import Signal
from engine.risk.checks import check_leverage
from engine.risk.in_flight import InFlight, bound_of, commitment_of
from engine.risk.limit_checks import check_limits
from engine.risk.limits import Limits
from engine.risk.situation import MarginStanding, Standing
from engine.values.money import Price, Qty
from tests.orders.desk import BUY, Desk
from tests.risk.limits_world import BTC, INSTRUMENT, d, now, order, standing

FIVE = Limits(leverage_most=5, fee_reserve_bps=d(50))
LENDS = msgspec.structs.replace(INSTRUMENT, leverage_buy=(2, 3, 5), leverage_sell=(2,))


def bears(**changes: Any) -> MarginStanding:
    """An account that can bear a hundred more."""
    given: dict[str, Any] = {"equity": d(1000), "used": d(100), "free": d(100)}
    return MarginStanding(**{**given, **changes})


def code_of(limits: Limits, candidate: dict[str, Any], margin: MarginStanding | None, **beside: Any) -> str:
    """The code of the first breach, "" for none."""
    denial = check_limits(order(**{"leverage": 5, **candidate}), now(margin=margin, free=None, **beside), limits)
    return denial.code if denial is not None else ""


def signal(side: str = "buy", leverage: int | None = 3) -> Signal:
    """A signal that borrows."""
    return Signal("s", BTC, side, "limit", Qty(d(1)), None, limit_price=Price(d(100)), leverage=leverage)  # type: ignore[arg-type]


@pytest.mark.parametrize(("leverage", "code"), [(2, "LEVERAGE_OFF"), (None, "")])
def test_nothing_is_borrowed_where_no_limit_says_so(leverage, code):
    """That holds without any limits at all too."""
    assert code_of(Limits(), {"leverage": leverage}, bears()) == code


def test_leverage_passes_up_to_its_limit():
    """Five is allowed, six is not."""
    assert code_of(FIVE, {"leverage": 5}, bears()) == ""
    denial = check_limits(order(leverage=6), now(margin=bears()), FIVE)
    assert denial is not None
    assert (denial.code, denial.numbers and denial.numbers.limit) == ("LEVERAGE_LIMIT", 5)


def test_leave_to_borrow_alone_is_no_limit():
    """A live venue is not started because somebody has only allowed more."""
    assert Limits(leverage_most=5).judges_nothing
    assert not Limits(margin_use_most_pct=d(30)).judges_nothing


@pytest.mark.parametrize(
    ("side", "leverage", "said"),
    [
        ("buy", 3, ""),
        ("buy", 4, "BTC/USD offers leverage 2, 3, 5 for a buy, asked for is 4"),
        ("sell", 3, "BTC/USD offers leverage 2 for a sell, asked for is 3"),
        ("sell", None, ""),
    ],
)
def test_pair_lends_by_side(side, leverage, said):
    """Buying and selling have lists of their own."""
    denial = check_leverage(signal(side, leverage), LENDS)
    assert (denial.reason if denial is not None else "") == said


@pytest.mark.parametrize(
    ("margin", "code"),
    [
        (bears(), ""),
        (None, "MARGIN_UNKNOWN"),
        (bears(opposed="signal x"), "MARGIN_OPPOSED"),
        (bears(mismatch=d("0.1")), "MARGIN_MISMATCH"),
        (bears(free=d("21")), ""),
        (bears(free=d("20.99")), "MARGIN_SHORT"),
        (bears(coming=d("79")), ""),
        (bears(coming=d("79.01")), "MARGIN_SHORT"),
    ],
)
def test_margin_must_be_known_unopposed_and_free(margin, code):
    """A hundred at five to one binds twenty, and keeps one for the fees of both ways."""
    assert code_of(FIVE, {}, margin) == code


@pytest.mark.parametrize(
    ("coming", "code"), [("80", ""), ("80.01", "MARGIN_USE_LIMIT")]
)  # fmt: skip
def test_margin_use_passes_up_to_its_limit(coming, code):
    """A fifth of a thousand: one hundred used, eighty coming, twenty asked for."""
    limits = Limits(leverage_most=5, margin_use_most_pct=d(20))
    assert code_of(limits, {}, bears(free=d(1000), coming=d(coming))) == code


def test_exits_and_coins_need_no_margin():
    """What reduces is never held to any of it; what is paid for is held to the balance instead."""
    assert code_of(Limits(), {"reduces": True}, None) == ""
    assert code_of(FIVE, {"leverage": None}, None) == ""


def test_margin_entry_takes_no_coins_from_the_balance_but_binds_margin():
    """In flight it counts with what it will bind, in the market's quote; its exits take nothing."""
    desk = Desk(msgspec.structs.replace(BUY, leverage=4))
    sums, one = InFlight(), commitment_of(desk.bracket, Decimal(100))
    sums.put("s-1", one)
    assert (bound_of(one), sums.bound("USD"), sums.margin()) == ((), 0, {"USD": 50})
    assert (sums.flow(BTC).buying, sums.flow(BTC, margin=True).buying) == (0, 2)
    sums.drop("s-1")
    assert (sums.margin(), sums.symbols()) == ({}, [])


def test_coins_and_a_margin_position_do_not_offset_each_other():
    """Long one in coins and short one on margin is an exposure of one on either side, not of none."""
    both = Standing(d(1), value=d(100), lent=d(-1))
    assert (both.worst("buy"), both.worst("sell"), both.held) == (1, 1, 2)
    assert (both.worst("sell", d(1)), both.worst("sell", d(1), margin=True)) == (1, 2)
    assert standing(1).worst("sell", d(1)) == 0
