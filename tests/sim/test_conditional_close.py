"""Conditional closes: one independent order for each fill of the primary (protocol section 11.4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

BUY = {"side": "buy", "order_qty": 0.03, "limit_price": 50000.0}
STOP = {"order_type": "stop-loss", "trigger_price": 48000.0}


async def test_each_fill_creates_its_own_order(open_sim: Any, autojump_clock: Any) -> None:
    """Two fills, two orders on the other side, each for its fill, with the primary's id and their own."""
    async with open_sim() as sim:
        client = await sim.ws()
        primary = await client.add(**BUY, conditional=STOP)
        sim.take("sell", "0.01")
        sim.take("sell", "0.02")
        children = [order for order in sim.truth.orders.values() if order.ref_id == primary["order_id"]]
        assert [(c.side, c.order_type, str(c.order_qty), c.status) for c in children] == [
            ("sell", "stop-loss", "0.01", "new"),
            ("sell", "stop-loss", "0.02", "new"),
        ]
        await client.until(lambda: len([r for r in client.rows() if r["exec_type"] == "pending_new"]) == 3)
        rows = [row for row in client.rows() if row["exec_type"] == "pending_new"]
        assert rows[0]["contingent"] == {
            "order_type": "stop-loss",
            "trigger_price": "48000.0",
            "trigger_price_type": "static",
        }
        assert [row["ord_ref_id"] for row in rows[1:]] == [primary["order_id"]] * 2


async def test_closes_are_independent_of_the_primary_and_each_other(open_sim: Any, autojump_clock: Any) -> None:
    """Canceling the primary leaves its children, and the stop does not cancel anything."""
    async with open_sim() as sim:
        client = await sim.ws()
        primary = await client.add(**BUY, conditional=STOP)
        sim.take("sell", "0.01")
        await client.call("cancel_order", order_id=[primary["order_id"]])
        child = list(sim.truth.orders.values())[-1]
        assert child.status == "new"
        sim.quote("buy", "47000.0", "1")
        sim.print("48000.0")
        assert child.status == "filled"


async def test_relative_close_counts_from_the_fill(open_sim: Any, autojump_clock: Any) -> None:
    """A relative price is resolved when the fill creates the order: the last price is the fill's."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("60000.0")
        close = {"order_type": "take-profit-limit", "trigger_price": 2, "trigger_price_type": "pct"}
        await client.add(**BUY, conditional=close | {"limit_price": 1.5, "limit_price_type": "pct"})
        sim.take("sell", "0.01")
        child = list(sim.truth.orders.values())[-1]
        assert (str(child.trigger_price), str(child.limit_price)) == ("51000.0", "50750.0")


async def test_trailing_close_trails_from_the_fill(open_sim: Any, autojump_clock: Any) -> None:
    """A trailing close starts its peak at the fill."""
    async with open_sim() as sim:
        client = await sim.ws()
        close = {"order_type": "trailing-stop", "trigger_price": 500, "trigger_price_type": "quote"}
        await client.add(**BUY, conditional=close)
        sim.take("sell", "0.01")
        child = list(sim.truth.orders.values())[-1]
        assert (str(child.peak_price), str(child.trigger_price)) == ("50000.0", "49500.0")


async def test_rest_close_is_described_and_linked(open_sim: Any, autojump_clock: Any) -> None:
    """Form members ``close[...]``, or nested JSON; ``descr.close`` in the answer, ``refid`` on the child."""
    async with open_sim() as sim:
        params = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000"}
        form = {"close[ordertype]": "stop-loss-limit", "close[price]": "45000", "close[price2]": "44000"}
        nested = {"close": {"ordertype": "stop-loss-limit", "price": "45000", "price2": "44000"}}
        first = await sim.rest.ok("AddOrder", **params, **form)
        second = await sim.rest.ok("AddOrder", as_json=True, **params, **nested)
        for added in (first, second):
            assert added["descr"]["close"] == "close position @ stop loss 45000.0 -> limit 44000.0"
        sim.take("sell", "0.01")
        txid = first["txid"][0]
        rows = (await sim.rest.ok("OpenOrders"))["open"]
        assert [row["refid"] for row in rows.values()].count(txid) == 1
        closed = (await sim.rest.ok("ClosedOrders"))["closed"][txid]
        assert closed["descr"]["close"] == "close position @ stop loss 45000.0 -> limit 44000.0"


async def test_batch_member_has_its_close_beside_the_description(open_sim: Any, autojump_clock: Any) -> None:
    """In AddOrderBatch ``close`` is nested in the member, and its text stands beside ``descr`` in the answer."""
    async with open_sim() as sim:
        member = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "50000"}
        orders = [member | {"close": {"ordertype": "limit", "price": "55000"}}, member]
        result = await sim.rest.ok("AddOrderBatch", as_json=True, pair="XBTUSD", orders=orders)
        assert [row.get("close") for row in result["orders"]] == ["close position @ limit 55000.0", None]
        flat = {f"orders[{n}][{key}]": value for n in (0, 1) for key, value in member.items()}
        flat |= {"orders[1][close][ordertype]": "limit", "orders[1][close][price]": "56000"}
        result = await sim.rest.ok("AddOrderBatch", pair="XBTUSD", **flat)
        assert [row.get("close") for row in result["orders"]] == [None, "close position @ limit 56000.0"]


async def test_primary_with_a_close_can_be_neither_amended_nor_edited(open_sim: Any, autojump_clock: Any) -> None:
    """The order stays as it was."""
    async with open_sim() as sim:
        client = await sim.ws()
        primary = await client.add(**BUY, conditional=STOP)
        order_id = primary["order_id"]
        amended = await client.call("amend_order", order_id=order_id, order_qty=0.01)
        edited = await client.call("edit_order", order_id=order_id, symbol="BTC/USD", order_qty=0.01)
        for answer in (amended, edited):
            assert answer["error"] == "EGeneral:Invalid arguments:conditional close"
        assert str(sim.truth.orders[order_id].order_qty) == "0.03"


@pytest.mark.parametrize(("manner", "children"), [("accept", 1), ("skip", 0)])
async def test_fill_below_the_minimum_by_switch(open_sim: Any, autojump_clock: Any, manner: str, children: int) -> None:
    """What a tiny fill makes is not published: an order below ordermin, or none."""
    async with open_sim(small_close=manner) as sim:
        client = await sim.ws()
        await client.add(**BUY | {"order_qty": 0.00012}, conditional=STOP)
        for qty in ("0.0001", "0.00005"):
            sim.take("sell", qty)
        small = [order for order in sim.truth.orders.values() if str(order.order_qty) == "0.00002"]
        assert len(small) == children


async def test_close_that_cannot_be_paid_is_accepted_and_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """A buy close dearer than the account is: it has an id and ends with a reason."""
    async with open_sim(accounts={"client": {"USD": Decimal(10), "BTC": Decimal(1)}}) as sim:
        client = await sim.ws()
        close = {"order_type": "limit", "limit_price": 50000.0}
        await client.add(side="sell", order_qty=0.01, limit_price=40000.0, conditional=close)
        sim.take("buy", "0.01")
        child = list(sim.truth.orders.values())[-1]
        assert (child.side, child.status, child.reason) == ("buy", "canceled", "Insufficient funds")
        assert sim.truth.held() == {}


@pytest.mark.parametrize(
    "close",
    [
        {"order_type": "market"},
        {"order_type": "iceberg", "limit_price": 1.0},
        {"order_type": "stop-loss"},
        {"order_type": "limit", "limit_price": 50000.05},
        {"order_type": "trailing-stop", "trigger_price": 500},
    ],
)
async def test_impossible_close_is_refused_with_its_primary(
    open_sim: Any, autojump_clock: Any, close: dict[str, object]
) -> None:
    """A type that is not offered, a missing price, a bad tick, a trailing one with a static price."""
    async with open_sim() as sim:
        client = await sim.ws()
        answer = await client.add(**BUY, conditional=close)
        assert isinstance(answer, str)
        assert sim.truth.orders == {}
