"""Orders as the command line lays them out."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.cli.live import orders_table
from engine.control.reading import OrderRecord
from engine.orders.commands import OrderType


@pytest.mark.parametrize(
    ("order_type", "trigger_price", "limit_price", "price"),
    [
        ("market", None, None, "market"),
        ("limit", None, Decimal(45000), "45000"),
        ("stop-loss-limit", Decimal("44000.0"), Decimal(43900), "44000/43900"),
        ("trailing-stop", None, None, "trails"),
    ],
)
def test_the_price_of_an_order_in_a_table(
    order_type: OrderType, trigger_price: Decimal | None, limit_price: Decimal | None, price: str
) -> None:
    """A trailing stop has no price of its own until it triggers, and is not at market."""
    one = OrderRecord(
        "b3722643-0000-4000-8000-000000000001", "OO7OCP-MJSUV-WI6IHA", "aaaaaaaa-0000-4000-8000-0000000000b1", "stop",
        "ETH/USD", "sell", order_type, "gtc", Decimal(1), limit_price, trigger_price, "open", Decimal(0), Decimal(1),
        Decimal(0), {}, "", "", ("new", "open"),
    )  # fmt: skip
    head, row = orders_table((one,))
    assert row[head.index("price") :].split()[0] == price
