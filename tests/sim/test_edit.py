"""The legacy edit: a new order in the place of the old one (protocol sections 1.8, 8.3, 11.6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

BUY = {"side": "buy", "order_qty": 0.02, "limit_price": 50000.0}


async def edit(client: Any, order_id: str, **change: object) -> Any:
    return await client.call("edit_order", order_id=order_id, symbol="BTC/USD", **change)


async def test_edit_cancels_the_old_order_and_places_a_new_one(open_sim: Any, autojump_clock: Any) -> None:
    """A new id, what is not named inherited, the old one canceled; both are told."""
    async with open_sim() as sim:
        client = await sim.ws()
        old = (await client.add(**BUY))["order_id"]
        answer = await edit(client, old, limit_price=49000.0)
        assert answer["result"]["original_order_id"] == old
        new = sim.truth.orders[answer["result"]["order_id"]]
        assert (str(new.order_qty), str(new.limit_price), new.status) == ("0.02", "49000.0", "new")
        assert (sim.truth.orders[old].status, sim.truth.orders[old].reason) == ("canceled", "Order replaced")
        await client.until(lambda: client.exec_types() == ["pending_new", "new", "canceled", "pending_new", "new"])
        assert sim.truth.held() == {"USD": Decimal("983.9200")}


async def test_place_in_the_queue_is_lost(open_sim: Any, autojump_clock: Any) -> None:
    """Even an edit to less quantity queues behind the others."""
    async with open_sim() as sim:
        client = await sim.ws()
        old = (await client.add(**BUY))["order_id"]
        other = (await client.add(**BUY))["order_id"]
        await edit(client, old, order_qty=0.01)
        sim.take("sell", "0.001")
        assert sim.truth.trades[0].order_id == other


@pytest.mark.parametrize(("keeps_total", "qty"), [(True, "0.015"), (False, "0.03")])
async def test_fills_stay_with_the_old_order(open_sim: Any, autojump_clock: Any, keeps_total: bool, qty: str) -> None:
    """The new order is for the new volume, less what was filled unless the switch says otherwise."""
    async with open_sim(edit_keeps_total=keeps_total) as sim:
        client = await sim.ws()
        old = (await client.add(**BUY))["order_id"]
        sim.take("sell", "0.015")
        answer = await edit(client, old, order_qty=0.03)
        new = sim.truth.orders[answer["result"]["order_id"]]
        assert (str(new.order_qty), new.cum_qty) == (qty, 0)
        assert str(sim.truth.orders[old].cum_qty) == "0.015"


async def test_edit_of_what_cannot_be_edited_changes_nothing(open_sim: Any, autojump_clock: Any) -> None:
    """With a cl_ord_id, triggered, filled beyond the new volume, of another market, or unknown."""
    async with open_sim() as sim:
        client = await sim.ws()
        named = (await client.add(**BUY, cl_ord_id="mine"))["order_id"]
        params = {"order_type": "stop-loss-limit", "side": "sell", "order_qty": 0.02, "limit_price": 60000.0}
        fired = (await client.add(**params, triggers={"price": 49000.0}))["order_id"]
        sim.print("48000.0")
        filled = (await client.add(**BUY))["order_id"]
        await client.call("cancel_order", order_id=[named])
        named = (await client.add(**BUY | {"limit_price": 40000.0}, cl_ord_id="mine"))["order_id"]
        sim.take("sell", "0.015")
        assert (await edit(client, named, order_qty=0.03))["error"] == "EGeneral:Invalid arguments:cl_ord_id"
        assert (await edit(client, fired, order_qty=0.03))["error"] == "EGeneral:Invalid arguments:triggered"
        assert (await edit(client, filled, order_qty=0.01))["error"] == "EGeneral:Invalid arguments:volume"
        assert (await edit(client, "OAAAAA-AAAAA-AAAAAA"))["error"] == "EOrder:Unknown order"
        other = await client.call("edit_order", order_id=filled, symbol="ETH/USD", order_qty=0.03)
        assert other["error"] == "EOrder:Unknown order"
        assert [sim.truth.orders[key].is_open for key in (named, fired, filled)] == [True] * 3


async def test_refused_edit_leaves_the_old_order_in_its_place(open_sim: Any, autojump_clock: Any) -> None:
    """Without the funds for the growth, or crossing with post_only, the old order rests on with its hold."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50010.0", "1")
        old = (await client.add(**BUY))["order_id"]
        held = sim.truth.held()
        assert (await edit(client, old, order_qty=3))["error"] == "EOrder:Insufficient funds"
        crossing = await edit(client, old, limit_price=50010.0, post_only=True)
        assert crossing["error"] == "EOrder:Post only order"
        assert (sim.truth.orders[old].status, sim.truth.held()) == ("new", held)


async def test_hold_of_the_old_order_counts_as_free(open_sim: Any, autojump_clock: Any) -> None:
    """An edit may use what the old order had set aside."""
    async with open_sim() as sim:
        client = await sim.ws()
        old = (await client.add(side="sell", order_qty=1.5, limit_price=50000.0))["order_id"]
        assert (await edit(client, old, order_qty=2))["success"]
        assert str(sim.truth.held()["BTC"]) == "2.0000000000"


async def test_post_only_and_userref_are_not_inherited(open_sim: Any, autojump_clock: Any) -> None:
    """Both must be given again."""
    async with open_sim() as sim:
        client = await sim.ws()
        old = (await client.add(**BUY, post_only=True, order_userref=7))["order_id"]
        new = sim.truth.orders[(await edit(client, old))["result"]["order_id"]]
        assert (new.post_only, new.userref) == (False, None)
        new = sim.truth.orders[
            (await edit(client, new.order_id, post_only=True, order_userref=8))["result"]["order_id"]
        ]
        assert (new.post_only, new.userref) == (True, 8)


async def test_rest_edit_answers_with_both_ids(open_sim: Any, autojump_clock: Any) -> None:
    """EditOrder by id or by a userref that is one order's; validate changes nothing; the counter takes its cost."""
    async with open_sim() as sim:
        params = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000"}
        old = (await sim.rest.ok("AddOrder", **params, userref="5"))["txid"][0]
        tried = await sim.rest.ok("EditOrder", txid=old, pair="XBTUSD", price="49000", validate="true")
        assert ("txid" in tried, sim.truth.orders[old].status) == (False, "new")
        core = sim.exchange._venue.core
        before = core.rates.level("client", "BTC/USD", sim.clock.now_ns())
        result = await sim.rest.ok("EditOrder", txid="5", pair="XBTUSD", price="49000", volume="0.02", userref="6")
        assert core.rates.level("client", "BTC/USD", sim.clock.now_ns()) - before > Decimal("6.8")
        assert result["descr"]["order"] == "buy 0.02000000 XBTUSD @ limit 49000.0"
        expected = {"status": "ok", "originaltxid": old, "volume": "0.02000000", "price": "49000.0", "price2": "0"}
        assert {key: result[key] for key in expected} == expected
        assert (result["orders_cancelled"], result["newuserref"], result["olduserref"]) == (1, "6", "5")
        assert list((await sim.rest.ok("OpenOrders"))["open"]) == [result["txid"]]


async def test_edit_of_a_stop_and_of_an_iceberg(open_sim: Any, autojump_clock: Any) -> None:
    """Trigger, distance and slice are given as for a new order."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        trailing = {"order_type": "trailing-stop", "side": "sell", "order_qty": 0.02}
        old = (await client.add(**trailing, triggers={"price": 500, "price_type": "quote"}))["order_id"]
        answer = await edit(client, old, triggers={"price": 1, "price_type": "pct"})
        assert str(sim.truth.orders[answer["result"]["order_id"]].trigger_price) == "49500.0"
        iceberg = {"order_type": "iceberg", "side": "buy", "order_qty": 0.1, "display_qty": 0.02}
        old = (await client.add(**iceberg, limit_price=49000.0))["order_id"]
        answer = await edit(client, old, display_qty=0.03)
        assert str(sim.truth.orders[answer["result"]["order_id"]].visible_qty) == "0.03"
