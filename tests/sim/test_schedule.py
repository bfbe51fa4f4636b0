"""Orders with an effective time, and when orders with an expiry end (protocol sections 1.5, 8.1, 9.3)."""

from __future__ import annotations

from typing import Any

import pytest
import trio

BUY = {"side": "buy", "order_qty": 0.02, "limit_price": 50000.0}
AT_20 = "2026-01-01T00:00:20Z"


async def test_order_waits_in_pending_new_for_its_effective_time(open_sim: Any, autojump_clock: Any) -> None:
    """It is accepted and holds its funds, is in no book, and enters at its time."""
    async with open_sim() as sim:
        client = await sim.ws()
        added = await client.add(**BUY, effective_time=AT_20)
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, sim.truth.levels("BTC/USD")) == ("pending_new", ([], []))
        assert client.rows()[0]["effective_time"] == "2026-01-01T00:00:20.000000Z"
        assert sim.truth.held() != {}
        await client.until(lambda: "new" in client.exec_types(), seconds=30)
        assert client.rows()[-1]["timestamp"].startswith("2026-01-01T00:00:20.0")
        assert len(sim.truth.levels("BTC/USD")[0]) == 1


async def test_scheduled_order_is_judged_when_it_enters(open_sim: Any, autojump_clock: Any) -> None:
    """Post-only that would take by then is canceled; a stop that is due is too; a market order fills."""
    async with open_sim() as sim:
        client = await sim.ws()
        post = await client.add(**BUY, post_only=True, effective_time=AT_20)
        params = {"order_type": "stop-loss", "side": "sell", "order_qty": 0.1, "effective_time": AT_20}
        stop = await client.add(**params, triggers={"price": 49000.0})
        market = await client.add(order_type="market", side="buy", order_qty=0.1, effective_time=AT_20)
        sim.quote("sell", "49990.0", "1")
        sim.print("48000.0")
        assert [sim.truth.orders[row["order_id"]].status for row in (post, stop, market)] == ["pending_new"] * 3
        await trio.sleep(25)
        ended = [sim.truth.orders[row["order_id"]] for row in (post, stop, market)]
        assert [(order.status, order.reason) for order in ended] == [
            ("canceled", "Post only order"),
            ("canceled", "Order would trigger immediately"),
            ("filled", None),
        ]


async def test_scheduled_order_can_be_amended_and_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """It is an open order like any other."""
    async with open_sim() as sim:
        client = await sim.ws()
        order_id = (await client.add(**BUY, effective_time=AT_20))["order_id"]
        assert (await client.call("amend_order", order_id=order_id, limit_price=49000.0))["success"]
        assert sim.truth.levels("BTC/USD") == ([], [])
        assert (await client.call("cancel_order", order_id=[order_id]))["success"]
        await trio.sleep(25)
        assert sim.truth.orders[order_id].status == "canceled"


async def test_trailing_order_starts_its_peak_when_it_enters(open_sim: Any, autojump_clock: Any) -> None:
    """What the price did before its time is none of its business."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        params = {"order_type": "trailing-stop", "side": "sell", "order_qty": 0.1, "effective_time": AT_20}
        added = await client.add(**params, triggers={"price": 500, "price_type": "quote"})
        sim.print("52000.0")
        sim.print("51000.0")
        await trio.sleep(25)
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, str(order.peak_price)) == ("new", "51000.0")


@pytest.mark.parametrize(("starttm", "status"), [("0", "new"), ("1", "new"), ("+10", "pending_new")])
async def test_rest_start_time_forms(open_sim: Any, autojump_clock: Any, starttm: str, status: str) -> None:
    """Zero and a moment that has passed are now; ``+n`` is so many seconds ahead."""
    async with open_sim() as sim:
        params = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000"}
        txid = (await sim.rest.ok("AddOrder", **params, starttm=starttm))["txid"][0]
        assert sim.truth.orders[txid].status == status
        row = (await sim.rest.ok("OpenOrders"))["open"][txid]
        assert row["status"] == ("pending" if status == "pending_new" else "open")
        assert (row["starttm"] == 0) is (status == "new")


async def test_rest_expiry_forms(open_sim: Any, autojump_clock: Any) -> None:
    """``+n`` needs five seconds at least, GTD needs an expiry, and no other life has one."""
    async with open_sim() as sim:
        params = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000"}
        error = "EGeneral:Invalid arguments:expiretm"
        assert await sim.rest.error("AddOrder", **params, timeinforce="GTD", expiretm="+4") == error
        assert await sim.rest.error("AddOrder", **params, timeinforce="GTD") == error
        assert await sim.rest.error("AddOrder", **params, expiretm="+10") == error
        assert await sim.rest.error("AddOrder", **params, timeinforce="GTD", expiretm=f"+{32 * 86400}") == error
        txid = (await sim.rest.ok("AddOrder", **params, timeinforce="GTD", expiretm="+5"))["txid"][0]
        await trio.sleep(7)
        assert sim.truth.orders[txid].status == "expired"


async def test_order_cannot_expire_before_it_starts(open_sim: Any, autojump_clock: Any) -> None:
    """An effective time at or behind the expiry is refused."""
    async with open_sim() as sim:
        client = await sim.ws()
        answer = await client.add(**BUY, time_in_force="gtd", expire_time=AT_20, effective_time=AT_20)
        assert answer == "EGeneral:Invalid arguments:starttm"
