"""Amend in place: queue rules and refusals (protocol section 11.6)."""

from __future__ import annotations

from typing import Any

import pytest


async def two_bids(client: Any) -> tuple[str, str]:
    first = await client.add(side="buy", order_qty=0.02, limit_price=50000.0)
    second = await client.add(side="buy", order_qty=0.02, limit_price=50000.0)
    return first["order_id"], second["order_id"]


@pytest.mark.parametrize(
    ("change", "keeps_place"),
    [
        ({"order_qty": 0.01}, True),
        ({"order_qty": 0.03}, False),
        ({"limit_price": 50000.0}, True),
        ({"post_only": True}, True),
    ],
)
async def test_amend_keeps_or_loses_the_place_in_the_queue(
    open_sim: Any, autojump_clock: Any, change: dict[str, object], keeps_place: bool
) -> None:
    """Less quantity keeps the place, more goes to the back."""
    async with open_sim() as sim:
        client = await sim.ws()
        first, second = await two_bids(client)
        assert (await client.call("amend_order", order_id=first, **change))["success"]
        sim.take("sell", "0.001")
        assert sim.truth.trades[0].order_id == (first if keeps_place else second)


async def test_price_there_and_back_goes_to_the_back(open_sim: Any, autojump_clock: Any) -> None:
    """A price change of either direction queues behind the others at the new price."""
    async with open_sim() as sim:
        client = await sim.ws()
        first, second = await two_bids(client)
        await client.call("amend_order", order_id=first, limit_price=49999.0)
        await client.call("amend_order", order_id=first, limit_price=50000.0)
        sim.take("sell", "0.001")
        assert sim.truth.trades[0].order_id == second


async def test_amend_to_the_filled_quantity_ends_the_order(open_sim: Any, autojump_clock: Any) -> None:
    """A new quantity at or below what is filled: quantity := filled, the rest is canceled, nothing stays held."""
    async with open_sim() as sim:
        client = await sim.ws()
        first, _ = await two_bids(client)
        sim.take("sell", "0.015")
        assert (await client.call("amend_order", order_id=first, order_qty=0.01))["success"]
        order = sim.truth.orders[first]
        assert (order.status, order.order_qty, order.cum_qty) == ("canceled", order.cum_qty, order.order_qty)
        assert client.exec_types()[-2:] == ["amended", "canceled"]


async def test_amend_that_crosses_takes_unless_post_only(open_sim: Any, autojump_clock: Any) -> None:
    """A crossing amend trades as taker; with post_only it is refused and the order stays as it was."""
    async with open_sim() as sim:
        client = await sim.ws()
        first, _ = await two_bids(client)
        sim.quote("sell", "50010.0", "0.005")
        refused = await client.call("amend_order", order_id=first, limit_price=50010.0, post_only=True)
        assert refused["error"] == "EOrder:Post only order"
        assert str(sim.truth.orders[first].limit_price) == "50000.0"
        assert (await client.call("amend_order", order_id=first, limit_price=50010.0))["success"]
        assert [(trade.liquidity, str(trade.price)) for trade in sim.truth.trades] == [("t", "50010.0")]
        assert sim.truth.orders[first].status == "partially_filled"


async def test_amend_needs_the_funds_of_its_growth(open_sim: Any, autojump_clock: Any) -> None:
    """Growing beyond the free balance is refused; the order's own hold counts as free."""
    async with open_sim() as sim:
        client = await sim.ws()
        added = await client.add(side="sell", order_qty=1.5, limit_price=50000.0)
        answer = await client.call("amend_order", order_id=added["order_id"], order_qty=2.5)
        assert answer["error"] == "EOrder:Insufficient funds"
        assert (await client.call("amend_order", order_id=added["order_id"], order_qty=2.0))["success"]
        assert str(sim.truth.held()["BTC"]) == "2.0000000000"


async def test_amended_trigger_price_is_watched(open_sim: Any, autojump_clock: Any) -> None:
    """A stop moved up fires at its new trigger, and not at the old one's distance."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("buy", "48000.0", "1")
        sim.print("50000.0")
        stop = await client.add(order_type="stop-loss", side="sell", order_qty=0.5, triggers={"price": 49000.0})
        assert (await client.call("amend_order", order_id=stop["order_id"], trigger_price=49500.0))["success"]
        sim.print("49400.0")
        assert sim.truth.orders[stop["order_id"]].status == "filled"


@pytest.mark.parametrize(
    "change", [{}, {"trigger_price": 49000.0}, {"limit_price": 50000.05}, {"order_qty": 0.00001}, {"limit_price": -1}]
)
async def test_impossible_amend_is_refused_and_changes_nothing(
    open_sim: Any, autojump_clock: Any, change: dict[str, object]
) -> None:
    """Nothing to change, a trigger on a limit order, a bad tick, too little: an error, and the order as before."""
    async with open_sim() as sim:
        client = await sim.ws()
        first, _ = await two_bids(client)
        assert not (await client.call("amend_order", order_id=first, **change))["success"]
        assert "amended" not in client.exec_types()
        order = sim.truth.orders[first]
        assert (str(order.order_qty), str(order.limit_price)) == ("0.02", "50000.0")
