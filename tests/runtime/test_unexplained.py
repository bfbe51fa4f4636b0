"""Which fills without an owner may be those of an order in doubt: all that nothing told of them rules out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.orders.commands import NewOrder
from engine.orders.reports import Fill, OrderReport, ReportType
from engine.runtime.unexplained import Unexplained
from engine.values.money import Price, Qty

ORDER = NewOrder("x", "BTC/USD", "buy", "limit", Qty(Decimal("0.02")), Price(Decimal(50000)))
SENT_NS = 1_000


def told(exec_id: str = "T1", qty: str = "0.01", px: str = "50000", ts_ns: int = 2_000, **members: Any) -> OrderReport:
    """A fill as REST tells it: without the order's own terms."""
    fill = Fill(exec_id, Qty(Decimal(qty)), Price(Decimal(px)), Decimal(qty) * Decimal(px), (), "unknown", ts_ns)
    report = OrderReport(ReportType.TRADE, "rest", "O1", "partially_filled", ts_ns, fill=fill)
    return msgspec.structs.replace(report, **{"symbol": "BTC/USD", "side": "buy", **members})


def may_be(order: NewOrder, *reports: OrderReport, sent_s: float = 0.0) -> bool:
    """Keep the reports and ask."""
    unexplained = Unexplained()
    for report in reports:
        unexplained.note(report)
    return bool(unexplained.orders_that_may_be(order, sent_s, SENT_NS))


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"px": "49000"},
        {"qty": "0.02"},
        {"symbol": None, "side": None},
        {"order_type": "limit", "order_qty": ORDER.order_qty, "limit_price": ORDER.limit_price},
    ],
)
async def test_fill_that_fits_may_be_its_own(members: dict[str, Any]) -> None:
    """What is not told rules out nothing."""
    assert may_be(ORDER, told(**members))


@pytest.mark.parametrize(
    "members",
    [
        {"px": "50000.1"},
        {"qty": "0.03"},
        {"ts_ns": SENT_NS - 1},
        {"symbol": "ETH/USD"},
        {"side": "sell"},
        {"order_type": "market"},
        {"order_qty": Qty(Decimal("0.01"))},
        {"limit_price": Price(Decimal(50001))},
    ],
)
async def test_fill_that_does_not_fit_is_another_orders(members: dict[str, Any]) -> None:
    """One thing told is enough."""
    assert not may_be(ORDER, told(**members))


async def test_fills_of_one_order_are_judged_by_their_sum() -> None:
    """Each would fit; together they are more than it asked for. The same fill told twice is one."""
    assert may_be(ORDER, told("T1", "0.015"), told("T1", "0.015"))
    assert not may_be(ORDER, told("T1", "0.015"), told("T2", "0.015"))
    assert may_be(ORDER, told("T1", "0.015"), told("T2", "0.015", order_id="O2"))


async def test_fill_heard_before_the_send_is_another_orders(autojump_clock: object) -> None:
    """However the clocks stand to each other."""
    assert not may_be(ORDER, told(), sent_s=1e12)


async def test_sell_takes_no_price_below_its_limit() -> None:
    """The mirror image."""
    order = msgspec.structs.replace(ORDER, side="sell")
    assert may_be(order, told(px="50001", side="sell"))
    assert not may_be(order, told(px="49999", side="sell"))


async def test_a_triggered_order_may_be_told_under_another_type() -> None:
    """A stop that fired trades as a market order; only its market, side and quantity count."""
    order = msgspec.structs.replace(
        ORDER, order_type="stop-loss", limit_price=None, trigger_price=Price(Decimal(49000)), side="sell"
    )
    assert may_be(order, told(px="48990", side="sell", order_type="market"))


def shown(**members: Any) -> OrderReport:
    """What the venue says of the order that a fill belongs to."""
    report = OrderReport(ReportType.STATUS, "rest", "O1", "filled", 3_000, order_qty=ORDER.order_qty)
    terms = {"symbol": "BTC/USD", "side": "buy", "order_type": "limit", "limit_price": ORDER.limit_price}
    return msgspec.structs.replace(report, **{**terms, **members})


@pytest.mark.parametrize(
    "members", [{"cl_ord_id": "y"}, {"order_type": "market", "limit_price": None}, {"order_qty": Qty(Decimal("0.05"))}]
)
async def test_fill_whose_order_is_shown_with_another_name_or_terms_is_another_orders(members: dict[str, Any]) -> None:
    """The fill itself tells of neither; the venue, asked for its order, does."""
    unexplained = Unexplained()
    unexplained.note(told())
    assert unexplained.orders_that_may_be(ORDER, 0.0, SENT_NS) == ["O1"]
    unexplained.show(shown(**members))
    assert not unexplained.orders_that_may_be(ORDER, 0.0, SENT_NS)


@pytest.mark.parametrize("name", [None, "x"])
async def test_fill_whose_order_is_shown_nameless_or_by_our_name_may_be_its_own(name: str | None) -> None:
    """A name that is not told rules out nothing; of orders without a kept fill nothing is remembered."""
    unexplained = Unexplained()
    unexplained.note(told())
    unexplained.show(shown(cl_ord_id=name))
    unexplained.show(shown(order_id="O2", cl_ord_id="y"))
    assert unexplained.orders_that_may_be(ORDER, 0.0, SENT_NS) == ["O1"]


@pytest.mark.parametrize(("maker", "may"), [("ENTRY", ["O1"]), (None, ["O1"]), ("ANOTHER", [])])
async def test_fill_of_what_another_order_has_made_is_not_of_what_ours_makes(maker: str | None, may: list[str]) -> None:
    """Squall 40104: a stop of a bracket that is over. A maker that is not told rules out nothing."""
    unexplained = Unexplained()
    unexplained.note(told())
    unexplained.show(shown(ord_ref_id=maker))
    assert unexplained.orders_that_may_be(ORDER, 0.0, SENT_NS, made_by={"ENTRY"}) == may
