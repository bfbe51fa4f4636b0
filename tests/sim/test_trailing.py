"""Trailing stops: the peak, the distance, the limit behind it, and the index as what they look at (section 11.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

TRAIL = {"order_type": "trailing-stop", "side": "sell", "order_qty": 0.1}


def distance(price: float, kind: str = "quote") -> dict[str, object]:
    return {"triggers": {"price": price, "price_type": kind}}


async def test_sell_follows_the_highest_price_and_fires_at_its_distance(open_sim: Any, autojump_clock: Any) -> None:
    """The trigger rises with the peak, never falls, and fires when the price has come back by the distance."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("buy", "48000.0", "1")
        sim.print("50000.0")
        added = await client.add(**TRAIL, **distance(500))
        order = sim.truth.orders[added["order_id"]]
        for price, trigger in (("49900.0", "49500.0"), ("51000.0", "50500.0"), ("50600.0", "50500.0")):
            sim.print(price)
            assert (str(order.trigger_price), order.status) == (trigger, "new")
        sim.print("50500.0")
        assert (order.status, order.triggered) == ("filled", True)


async def test_buy_follows_the_lowest_price(open_sim: Any, autojump_clock: Any) -> None:
    """A buy keeps its distance above the lowest price; here in percent of it."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "52000.0", "1")
        sim.print("50000.0")
        added = await client.add(**TRAIL | {"side": "buy"}, **distance(1.5, "pct"))
        order = sim.truth.orders[added["order_id"]]
        assert str(order.trigger_price) == "50750.0"
        held = sim.truth.held()["USD"]
        sim.print("48000.0")
        assert str(order.trigger_price) == "48720.0"
        assert sim.truth.held()["USD"] < held, "the hold follows the trigger"
        sim.print("48720.0")
        assert order.status == "filled"


async def test_moves_of_the_trigger_are_reported(open_sim: Any, autojump_clock: Any) -> None:
    """Each new peak is a status report with peak and actual price; the asked distance stays as it is."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        await client.add(**TRAIL, **distance(2.5, "pct"))
        sim.print("50400.0")
        await client.until(lambda: "status" in client.exec_types())
        assert client.rows()[-1]["triggers"] == {
            "price": "2.5000",
            "price_type": "pct",
            "reference": "last",
            "status": "untriggered",
            "actual_price": "49140.0",
            "peak_price": "50400.0",
        }


async def test_trailing_stop_limit_takes_its_limit_with_it(open_sim: Any, autojump_clock: Any) -> None:
    """The limit keeps its offset from the trigger; fired, the order rests there as an ordinary limit."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        params = TRAIL | {"order_type": "trailing-stop-limit", "limit_price": -100, "limit_price_type": "quote"}
        added = await client.add(**params, **distance(500))
        order = sim.truth.orders[added["order_id"]]
        assert client.rows()[0]["limit_price_type"] == "quote"
        sim.print("50200.0")
        assert (str(order.trigger_price), str(order.limit_price)) == ("49700.0", "49600.0")
        sim.print("49650.0")
        assert (order.status, order.triggered) == ("new", True)
        assert [str(price) for price, _ in sim.truth.levels("BTC/USD")[1]] == ["49600.0"]


@pytest.mark.parametrize(
    "triggers",
    [{"price": 49000.0}, {"price": -5, "price_type": "pct"}, {"price": 0, "price_type": "quote"}],
)
async def test_trailing_order_needs_a_positive_distance(
    open_sim: Any, autojump_clock: Any, triggers: dict[str, object]
) -> None:
    """Never a static price, never a negative one: the direction is the side's."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        assert "Invalid arguments:price" in await client.add(**TRAIL, triggers=triggers)


async def test_trailing_order_without_any_price_is_refused(open_sim: Any, autojump_clock: Any) -> None:
    """Before the first trade there is no peak to start from."""
    async with open_sim() as sim:
        client = await sim.ws()
        assert await client.add(**TRAIL, **distance(500)) == "EGeneral:Invalid arguments:price"


async def test_rest_writes_the_distance_with_a_plus(open_sim: Any, autojump_clock: Any) -> None:
    """AddOrder takes ``+2.5%`` and a signed limit, shows them so, and has the trigger in stopprice."""
    async with open_sim() as sim:
        sim.print("50000.0")
        params = {"ordertype": "trailing-stop-limit", "type": "sell", "pair": "XBTUSD", "volume": "0.1"}
        added = await sim.rest.ok("AddOrder", **params, price="+2.5%", price2="-20")
        assert added["descr"]["order"] == "sell 0.10000000 XBTUSD @ trailing stop +2.5000% -> limit -20.0"
        row = (await sim.rest.ok("OpenOrders"))["open"][added["txid"][0]]
        assert (row["stopprice"], row["descr"]["price"], row["descr"]["price2"]) == ("48750.00000", "+2.5000%", "-20.0")
        assert await sim.rest.error("AddOrder", **params, price="500", price2="-20") == (
            "EGeneral:Invalid arguments:price"
        )
        assert await sim.rest.error("AddOrder", **params, price="+500", price2="49000") == (
            "EGeneral:Invalid arguments:price2"
        )
        sim.print("48750.0")
        row = (await sim.rest.ok("OpenOrders"))["open"][added["txid"][0]]
        assert (row["misc"], row["limitprice"]) == ("stopped", "48730.00000")


async def test_amended_distance_counts_from_the_same_peak(open_sim: Any, autojump_clock: Any) -> None:
    """A new distance moves the trigger at once; a static one is refused."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.print("50000.0")
        added = await client.add(**TRAIL, **distance(500))
        sim.print("50300.0")
        sim.print("50100.0")
        order = sim.truth.orders[added["order_id"]]
        refused = await client.call("amend_order", order_id=order.order_id, trigger_price=49000.0)
        assert refused["error"] == "EGeneral:Invalid arguments:price"
        change = {"trigger_price": 1000.0, "trigger_price_type": "quote"}
        assert (await client.call("amend_order", order_id=order.order_id, **change))["success"]
        assert (str(order.trigger_price), str(order.peak_price)) == ("49300.0", "50300.0")


async def test_index_trigger_looks_at_the_index_and_falls_back_to_last(open_sim: Any, autojump_clock: Any) -> None:
    """Without an index it is refused; with one the last price is ignored; a silent source hands over to it."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("buy", "47000.0", "1")
        sim.print("50000.0")
        params = {"order_type": "stop-loss", "side": "sell", "order_qty": 0.1}
        triggers = {"price": 49000.0, "reference": "index"}
        refused = await client.add(**params, triggers=triggers)
        assert refused == "EGeneral:Invalid arguments:Index unavailable"
        sim.house.set_index("BTC/USD", Decimal("50010.0"))
        first = sim.truth.orders[(await client.add(**params, triggers=triggers))["order_id"]]
        second = sim.truth.orders[(await client.add(**params, triggers=triggers | {"price": 48000.0}))["order_id"]]
        sim.print("48500.0")
        assert first.status == "new"
        sim.house.set_index("BTC/USD", Decimal("48990.0"))
        assert (first.status, second.status) == ("filled", "new"), "its own print is below, the index is not"
        sim.house.set_index("BTC/USD", None)
        assert (second.status, str(second.last_at_trigger)) == ("filled", "47000.0")


async def test_rest_index_trigger(open_sim: Any, autojump_clock: Any) -> None:
    """REST's ``trigger=index`` is kept and shown."""
    async with open_sim() as sim:
        sim.house.set_index("BTC/USD", Decimal("50010.0"))
        params = {"ordertype": "take-profit", "type": "sell", "pair": "XBTUSD", "volume": "0.1", "price": "51000"}
        txid = (await sim.rest.ok("AddOrder", **params, trigger="index"))["txid"][0]
        assert (await sim.rest.ok("OpenOrders"))["open"][txid]["trigger"] == "index"
