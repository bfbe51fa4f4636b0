"""The door to a fill."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.orders.fills import Fills
from engine.orders.reports import Fee
from tests.orders.conftest import fill


def test_repeated_exec_id_adds_nothing() -> None:
    """The same execution over stream, snapshot and REST counts once."""
    fills = Fills()
    assert fills.add(fill("e1", "1"))
    assert not fills.add(fill("e1", "1"))
    assert (fills.cum_qty, fills.cum_cost, len(fills.by_exec_id)) == (Decimal(1), Decimal(100), 1)


def test_average_price_is_cost_per_unit() -> None:
    """Two fills at two prices weigh by quantity; without fills there is no price."""
    fills = Fills()
    assert fills.avg_px == 0
    assert fills.last is None
    fills.add(fill("e1", "1", "100"))
    fills.add(fill("e2", "3", "104"))
    assert fills.avg_px == 103
    assert fills.last == fill("e2", "3", "104")


def test_fees_add_up_by_asset() -> None:
    """A fee in base and fees in quote are kept apart."""
    fills = Fills()
    fills.add(fill("e1", "1", fees=(Fee("USD", Decimal("0.1")), Fee("BTC", Decimal("0.001")))))
    fills.add(fill("e2", "1", fees=(Fee("USD", Decimal("0.2")),)))
    assert fills.fees == {"USD": Decimal("0.3"), "BTC": Decimal("0.001")}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9))))
def test_any_order_and_repetition_gives_the_same_sums(told: list[tuple[int, int]]) -> None:
    """Sums depend on the set of executions alone."""
    amounts = dict(reversed(told))
    forward, backward = Fills(), Fills()
    for exec_id, _ in told:
        forward.add(fill(str(exec_id), str(amounts[exec_id])))
    for exec_id, _ in reversed(told):
        backward.add(fill(str(exec_id), str(amounts[exec_id])))
    assert forward.cum_qty == backward.cum_qty == sum(amounts.values())
