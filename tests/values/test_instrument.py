"""What may be ordered of an instrument."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.values.instrument import Instrument

BTC = Instrument(
    symbol="BTC/USD", base="BTC", quote="USD", status="online", price_precision=1, price_increment=Decimal("0.1"),
    qty_precision=8, qty_increment=Decimal("0.00000001"), qty_min=Decimal("0.0001"), cost_precision=5,
    cost_min=Decimal("0.5"),
)  # type: ignore[arg-type]  # fmt: skip  # plain numbers read better here


@pytest.mark.parametrize(
    ("qty", "price", "may"),
    [("0.0001", "5000", True), ("0.0001", "4999", False), ("0.00009999", "50000", False), ("0", "50000", False)],
)
def test_orderable_needs_both_minima(qty: str, price: str, may: bool) -> None:
    """Exactly at a minimum is enough, a lot below is dust."""
    assert BTC.orderable(Decimal(qty), Decimal(price)) is may


def test_lots_round_down() -> None:
    """What can be ordered is never more than what is there."""
    assert BTC.lots(Decimal("0.123456789")) == Decimal("0.12345678")
