"""Stops and take-profits: when they fire, what they hold, what happens at once (protocol section 11.3)."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("order_type", "side", "still", "fires"),
    [
        ("stop-loss", "sell", "49000.1", "49000.0"),
        ("stop-loss", "buy", "48999.9", "49000.0"),
        ("take-profit", "sell", "48999.9", "49000.0"),
        ("take-profit", "buy", "49000.1", "49000.0"),
    ],
)
async def test_trigger_fires_on_its_side_of_the_last_price(
    open_sim: Any, autojump_clock: Any, order_type: str, side: str, still: str, fires: str
) -> None:
    """A stop fires against its owner, a take-profit for him, and only at its price."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("buy", "48000.0", "1")
        sim.quote("sell", "50000.0", "1")
        sim.print(still)
        added = await client.add(order_type=order_type, side=side, order_qty=0.1, triggers={"price": 49000.0})
        order = sim.truth.orders[added["order_id"]]
        sim.print(still)
        assert (order.status, order.triggered) == ("new", False)
        assert sim.truth.levels("BTC/USD", 1)[0][0][1] == 1, "an armed order is not in the book"
        sim.print(fires)
        assert (order.status, order.triggered) == ("filled", True)


async def test_fired_stop_limit_rests_behind_others_at_its_limit(open_sim: Any, autojump_clock: Any) -> None:
    """A stop-loss-limit becomes a limit order at the back of its price's queue."""
    async with open_sim() as sim:
        client = await sim.ws()
        params = {"order_type": "stop-loss-limit", "side": "sell", "order_qty": 0.1, "limit_price": 48900.0}
        stop = await client.add(**params, triggers={"price": 49000.0})
        sim.quote("sell", "48900.0", "0.05")
        sim.print("49000.0")
        assert [str(qty) for _, qty in sim.truth.levels("BTC/USD")[1]] == ["0.15"]
        sim.take("buy", "0.05")
        assert sim.truth.orders[stop["order_id"]].cum_qty == 0
        sim.take("buy", "0.1")
        assert sim.truth.orders[stop["order_id"]].status == "filled"


@pytest.mark.parametrize(("manner", "status"), [("refuse", None), ("cancel", "canceled"), ("fire", "filled")])
async def test_trigger_already_passed_on_entry(
    open_sim: Any, autojump_clock: Any, manner: str, status: str | None
) -> None:
    """The three manners: refused, accepted and canceled with the known reason, or fired at once."""
    async with open_sim(would_trigger_immediately=manner) as sim:
        client = await sim.ws()
        sim.quote("buy", "48000.0", "1")
        sim.print("48500.0")
        answer = await client.add(order_type="stop-loss", side="sell", order_qty=0.1, triggers={"price": 49000.0})
        if status is None:
            assert answer == "EOrder:Order would trigger immediately"
            return
        order = sim.truth.orders[answer["order_id"]]
        assert order.status == status
        assert order.reason == ("Order would trigger immediately" if status == "canceled" else None)


@pytest.mark.parametrize("holds", [True, False])
async def test_untriggered_stop_holds_funds_by_switch(open_sim: Any, autojump_clock: Any, holds: bool) -> None:
    """With the switch a second exit of the same coins is refused, without it both are taken."""
    async with open_sim(untriggered_stops_hold_funds=holds) as sim:
        client = await sim.ws()
        await client.add(order_type="stop-loss", side="sell", order_qty=2, triggers={"price": 49000.0})
        answer = await client.add(side="sell", order_qty=2, limit_price=60000.0)
        assert (answer == "EOrder:Insufficient funds") is holds
        held = (await sim.rest.ok("BalanceEx"))["XXBT"]["hold_trade"]
        assert held == "2.0000000000"


async def test_stop_that_finds_no_funds_when_fired_is_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """Without a hold the coins may be gone when the stop fires: it is canceled with a reason, nothing goes negative."""
    async with open_sim(untriggered_stops_hold_funds=False) as sim:
        client = await sim.ws()
        sim.quote("buy", "48000.0", "5")
        added = await client.add(order_type="stop-loss", side="sell", order_qty=2, triggers={"price": 49000.0})
        await client.add(side="sell", order_qty=2, limit_price=60000.0)
        sim.print("48999.0")
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, order.reason, order.triggered) == ("canceled", "Insufficient funds", True)


async def test_stop_fired_by_a_print_inside_a_sweep_follows_it(open_sim: Any, autojump_clock: Any) -> None:
    """A stop fired in the middle of a sweep enters after it, and its own print fires the next one."""
    async with open_sim() as sim:
        client = await sim.ws()
        for price, qty in (("50000.0", "0.1"), ("49000.0", "0.1"), ("48000.0", "0.2"), ("47000.0", "1")):
            sim.quote("buy", price, qty)
        first = await client.add(order_type="stop-loss", side="sell", order_qty=0.2, triggers={"price": 49000.0})
        second = await client.add(order_type="stop-loss", side="sell", order_qty=0.1, triggers={"price": 48000.0})
        sim.take("sell", "0.2")
        fills = [(trade.order_id, str(trade.price)) for trade in sim.truth.trades]
        assert fills == [(first["order_id"], "48000.0"), (second["order_id"], "47000.0")]


async def test_deprecated_trigger_members_are_taken_with_a_warning(open_sim: Any, autojump_clock: Any) -> None:
    """``stop_price`` and ``trigger`` still make a stop, and the answer says what they are."""
    async with open_sim() as sim:
        client = await sim.ws()
        params = {"order_type": "stop-loss", "side": "sell", "order_qty": 0.1, "stop_price": 49000.0, "trigger": "last"}
        added = await client.add(**params)
        assert str(sim.truth.orders[added["order_id"]].trigger_price) == "49000.0"
        assert added["warnings"] == ["stop_price is deprecated", "trigger is deprecated"]


async def test_stop_of_each_side_and_kind_is_marked_when_fired(open_sim: Any, autojump_clock: Any) -> None:
    """REST's misc says stopped for a stop and touched for a take-profit."""
    async with open_sim() as sim:
        sim.quote("buy", "48000.0", "1")
        params = {"type": "sell", "pair": "XBTUSD", "volume": "0.1"}
        stop = await sim.rest.ok("AddOrder", **params, ordertype="stop-loss", price="49000")
        sim.print("49000.0")
        touch = await sim.rest.ok("AddOrder", **params, ordertype="take-profit", price="50000")
        sim.print("50000.0")
        rows = (await sim.rest.ok("ClosedOrders"))["closed"]
        assert (rows[stop["txid"][0]]["misc"], rows[touch["txid"][0]]["misc"]) == ("stopped", "touched")
