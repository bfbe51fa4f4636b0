"""In which asset a REST trade's fee was paid: by its size, or by the flag of its order."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.kraken.fee_currency import FeeCurrency
from engine.kraken.rest_reports import Description, OrderObject, TradeObject


def trade(price: str, fee: str, vol: str = "0.5", order: str = "O1") -> TradeObject:
    """A trade of the volume at the price."""
    amount = Decimal(price), Decimal(vol)
    return TradeObject(
        order, "P", Decimal(0), "buy", "limit", amount[0], amount[0] * amount[1], Decimal(fee), amount[1]
    )


def order(flags: str) -> OrderObject:
    """An order with these flags."""
    zero = Decimal(0)
    return OrderObject("closed", zero, zero, zero, Description(), oflags=flags)


@pytest.mark.parametrize(
    ("price", "fee", "in_base"),
    [
        ("2508.91", "0.002", True),  # storm 217: 0.4 % of 0.5 coins, and a millionth of the cost
        ("2508.91", "5.01782", False),
        ("0.001", "0.000002", False),
        ("0.001", "0.002", True),
    ],
)
def test_size_of_a_fee_tells_its_asset(price: str, fee: str, in_base: bool) -> None:
    """Only one of the two assets makes a rate of it: nobody needs to be asked."""
    currency, one = FeeCurrency(), trade(price, fee)
    assert currency.in_base(one) is in_base
    assert currency.unclear({"T1": one}) == []


@pytest.mark.parametrize(("flags", "in_base"), [("fcib", True), ("fciq,post", False)])
def test_flag_of_the_order_tells_where_the_price_is_near_one(flags: str, in_base: bool) -> None:
    """Both assets make a rate of it: the order is asked for once, and until then quote is taken."""
    currency, one = FeeCurrency(), trade("1.0003", "0.002")
    trades = {"T1": one, "T2": one, "T3": trade("1.0003", "0", order="O2")}
    assert currency.unclear(trades) == ["O1"]
    assert not currency.in_base(one)
    currency.learn({"O1": order(flags)})
    assert currency.unclear(trades) == []
    assert currency.in_base(one) is in_base


def test_orders_that_say_nothing_are_not_remembered() -> None:
    """No flag is no answer."""
    currency = FeeCurrency()
    currency.learn({"O1": msgspec.structs.replace(order(""), oflags="post")})
    assert currency.unclear({"T1": trade("1", "0.002")}) == ["O1"]
