"""Batches: all-or-nothing validation, failures of single members, sizes, answers, and the dead man's switch."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

MEMBER = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "limit_price": 40000.0}
REST_MEMBER = {"ordertype": "limit", "type": "buy", "volume": "0.001", "price": "40000.0"}
TOO_DEAR = {"order_qty": 1000, "limit_price": 50000.0}
FUNDS = "EOrder:Insufficient funds"


async def test_rest_batch_answers_in_order_with_a_failed_member(open_sim: Any, autojump_clock: Any) -> None:
    """A member without funds has an error and no txid, the others go in; txid is a string here."""
    async with open_sim() as sim:
        orders = [REST_MEMBER, REST_MEMBER | {"volume": "1000"}, REST_MEMBER | {"cl_ord_id": "third"}]
        answer = await sim.rest.private("AddOrderBatch", as_json=True, pair="XBTUSD", orders=orders)
        rows = answer["result"]["orders"]
        assert answer["error"] == []
        assert [row.get("error") for row in rows] == [None, FUNDS, None]
        assert [row.get("txid") for row in rows] == [*list(sim.truth.orders)[:1], None, *list(sim.truth.orders)[1:]]
        assert rows[1]["descr"]["order"] == "buy 1000.00000000 XBTUSD @ limit 40000.0"


async def test_form_batch_is_read_as_well(open_sim: Any, autojump_clock: Any) -> None:
    """A form body names members by index."""
    async with open_sim() as sim:
        form = {f"orders[{n}][{name}]": value for n in range(2) for name, value in REST_MEMBER.items()}
        assert len((await sim.rest.ok("AddOrderBatch", pair="BTC/USD", **form))["orders"]) == 2


@pytest.mark.parametrize(
    ("orders", "error"),
    [
        ([REST_MEMBER], "EGeneral:Invalid arguments:orders"),
        ([REST_MEMBER] * 16, "EGeneral:Invalid arguments:orders"),
        ([REST_MEMBER, REST_MEMBER | {"price": "40000.05"}], "EOrder:Invalid price:XXBTZUSD price can only be"),
        ([REST_MEMBER | {"cl_ord_id": "same"}] * 2, "EGeneral:Invalid arguments:cl_ord_id"),
        ([REST_MEMBER, REST_MEMBER | {"pair": "ETHUSD"}], "EGeneral:Invalid arguments:orders"),
    ],
)
async def test_one_wrong_member_refuses_the_whole_batch(
    open_sim: Any, autojump_clock: Any, orders: list[Any], error: str
) -> None:
    """Size, arguments, prices and client ids are judged for all before any is placed."""
    async with open_sim() as sim:
        answer = await sim.rest.private("AddOrderBatch", as_json=True, pair="XBTUSD", orders=orders)
        assert answer["error"][0].startswith(error)
        assert not sim.truth.orders


@pytest.mark.parametrize("shape", ["array", "orders"])
async def test_websocket_batch_answers_in_either_shape(open_sim: Any, autojump_clock: Any, shape: str) -> None:
    """The result is a list of members, or an object with success flags; a failed member has its error."""
    async with open_sim(batch_result=shape) as sim:
        client = await sim.ws()
        orders = [MEMBER | {"cl_ord_id": "a"}, MEMBER | TOO_DEAR | {"cl_ord_id": "b"}]
        answer = await client.call("batch_add", symbol="BTC/USD", orders=orders)
        (order_id,) = sim.truth.orders
        rows = answer["result"] if shape == "array" else answer["result"]["orders"]
        flags = [{}, {}] if shape == "array" else [{"success": True}, {"success": False}]
        assert answer["success"]
        assert rows == [
            flags[0] | {"order_id": order_id, "cl_ord_id": "a"},
            flags[1] | {"error": FUNDS, "cl_ord_id": "b"},
        ]


async def test_websocket_batch_is_validated_as_a_whole(open_sim: Any, autojump_clock: Any) -> None:
    """One order below the minimum refuses all; validate places none."""
    async with open_sim() as sim:
        client = await sim.ws()
        small = await client.call("batch_add", symbol="BTC/USD", orders=[MEMBER, MEMBER | {"order_qty": 0.00001}])
        assert (small["success"], small["error"]) == (False, "EOrder:Order minimum not met")
        assert (await client.call("batch_add", symbol="BTC/USD", orders=[MEMBER] * 2, validate=True))["success"]
        assert not sim.truth.orders


async def test_batch_costs_half_a_point_per_order(open_sim: Any, autojump_clock: Any) -> None:
    """Three orders cost one and a half; a size that is refused costs nothing."""
    async with open_sim(tier="pro", processing_delay_s=0.0) as sim:
        client = await sim.ws()
        await client.call("batch_add", symbol="BTC/USD", orders=[MEMBER])
        await client.call("batch_add", symbol="BTC/USD", orders=[MEMBER] * 3)
        spent = sim.exchange._venue.core.rates.level("client", "BTC/USD", sim.clock.now_ns())
        assert Decimal("1.4") < spent <= Decimal("1.5")


async def test_batch_cancel_takes_up_to_fifty(open_sim: Any, autojump_clock: Any) -> None:
    """50 ids are canceled in one request on both transports, 51 and (WebSocket) 1 are refused."""
    async with open_sim() as sim:
        client = await sim.ws()
        ids = [(await client.add(**MEMBER))["order_id"] for _ in range(60)]
        invalid = "EGeneral:Invalid arguments:orders"
        assert (await client.call("batch_cancel", orders=ids[:1]))["error"] == invalid
        assert (await client.call("batch_cancel", orders=ids[:51]))["error"] == invalid
        assert await sim.rest.error("CancelOrderBatch", orders=",".join(ids[:51])) == invalid
        assert (await client.call("batch_cancel", orders=ids[:50]))["result"] == {"count": 50}
        assert (await sim.rest.ok("CancelOrderBatch", orders=",".join(ids[20:60]))) == {"count": 10}


async def test_dead_mans_switch_cancels_everything_once(open_sim: Any, autojump_clock: Any) -> None:
    """Armed anew it waits anew, disarmed it does nothing, fired it is over."""
    async with open_sim() as sim:
        client = await sim.ws()
        first = (await client.add(**MEMBER))["order_id"]
        answer = await client.call("cancel_all_orders_after", timeout=60)
        assert sorted(answer["result"]) == ["currentTime", "triggerTime"]
        await trio.sleep(40)
        assert (await sim.rest.ok("CancelAllOrdersAfter", timeout=60))["triggerTime"] == "2026-01-01T00:01:40Z"
        await trio.sleep(55)
        assert sim.truth.orders[first].status == "new"
        await trio.sleep(10)
        assert sim.truth.orders[first].status == "canceled"
        second = (await client.add(**MEMBER))["order_id"]
        await client.call("cancel_all_orders_after", timeout=10)
        assert (await client.call("cancel_all_orders_after", timeout=0))["result"]["triggerTime"] == "0"
        await trio.sleep(100)
        assert sim.truth.orders[second].status == "new"
