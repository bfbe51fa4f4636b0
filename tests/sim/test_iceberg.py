"""Icebergs: what shows, when a new slice comes and where it queues (protocol sections 11.5, 11.6)."""

from __future__ import annotations

from typing import Any

import pytest

ICEBERG = {"order_type": "iceberg", "side": "buy", "order_qty": 0.1, "display_qty": 0.02, "limit_price": 50000.0}


def shown(sim: Any) -> list[str]:
    return [str(qty) for _, qty in sim.truth.levels("BTC/USD")[0]]


async def test_book_shows_only_the_slice(open_sim: Any, autojump_clock: Any) -> None:
    """The level has the displayed quantity, and shrinks with its fills."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**ICEBERG)
        assert shown(sim) == ["0.02"]
        sim.take("sell", "0.005")
        assert shown(sim) == ["0.015"]
        row = client.rows()[0]
        assert (row["display_qty"], row["display_qty_remain"]) == ("0.02000000", "0.02000000")


async def test_used_up_slice_is_refilled_at_the_back_of_the_queue(open_sim: Any, autojump_clock: Any) -> None:
    """When the slice is gone the next one stands behind the orders of its price, and a report says so."""
    async with open_sim() as sim:
        client = await sim.ws()
        iceberg = await client.add(**ICEBERG)
        plain = await client.add(side="buy", order_qty=0.03, limit_price=50000.0)
        sim.take("sell", "0.02")
        await client.until(lambda: "iceberg_refill" in client.exec_types())
        sim.take("sell", "0.04")
        fills = [(trade.order_id, str(trade.qty)) for trade in sim.truth.trades]
        assert fills == [
            (iceberg["order_id"], "0.02"),
            (plain["order_id"], "0.03"),
            (iceberg["order_id"], "0.01"),
        ]
        refill = next(row for row in client.rows() if row["exec_type"] == "iceberg_refill")
        assert (refill["order_status"], refill["display_qty_remain"]) == ("partially_filled", "0.02000000")


async def test_one_taker_eats_through_all_slices(open_sim: Any, autojump_clock: Any) -> None:
    """A large taker meets slice after slice, a match for each, until the iceberg is filled."""
    async with open_sim() as sim:
        client = await sim.ws()
        iceberg = await client.add(**ICEBERG)
        assert str(sim.take("sell", "1")) == "0.10"
        assert [str(trade.qty) for trade in sim.truth.trades] == ["0.02"] * 5
        await client.until(lambda: "filled" in client.exec_types())
        assert client.exec_types().count("iceberg_refill") == 4
        assert sim.truth.orders[iceberg["order_id"]].status == "filled"
        assert shown(sim) == []


async def test_last_slice_is_what_is_left(open_sim: Any, autojump_clock: Any) -> None:
    """A rest smaller than the slice shows as it is."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**ICEBERG | {"order_qty": 0.05})
        sim.take("sell", "0.04")
        assert shown(sim) == ["0.01"]


async def test_crossing_iceberg_takes_with_all_of_it_and_rests_with_a_slice(open_sim: Any, autojump_clock: Any) -> None:
    """Hidden quantity takes as well; what is left rests as a slice."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "49990.0", "0.06")
        added = await client.add(**ICEBERG)
        assert str(sim.truth.orders[added["order_id"]].cum_qty) == "0.06"
        assert shown(sim) == ["0.02"]


async def test_fill_or_kill_counts_hidden_quantity(open_sim: Any, autojump_clock: Any) -> None:
    """A FOK that only the hidden part can fill is filled: it is there at its price."""
    async with open_sim(accounts={"client": {"USD": 9000, "BTC": 1}, "other": {"USD": 9000, "BTC": 1}}) as sim:
        client = await sim.ws()
        await client.add(**ICEBERG)
        sim.rest.key, sim.rest.secret = sim.exchange.credentials("other")
        fok = {"ordertype": "limit", "type": "sell", "pair": "XBTUSD", "volume": "0.1", "price": "50000"}
        txid = (await sim.rest.ok("AddOrder", **fok, timeinforce="FOK"))["txid"][0]
        assert sim.truth.orders[txid].status == "filled"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"display_qty": 0.006}, "EGeneral:Invalid arguments:display_qty"),  # less than a fifteenth
        ({"display_qty": 0}, "EGeneral:Invalid arguments:display_qty"),
        ({"order_type": "limit"}, "EGeneral:Invalid arguments:display_qty"),
        ({"time_in_force": "ioc"}, "EGeneral:Invalid arguments:timeinforce"),
    ],
)
async def test_impossible_iceberg_is_refused(
    open_sim: Any, autojump_clock: Any, change: dict[str, object], error: str
) -> None:
    """A slice below a fifteenth, none at all, one on another type, or a life that never rests."""
    async with open_sim() as sim:
        assert await (await sim.ws()).add(**ICEBERG | change) == error


async def test_rest_calls_the_slice_displayvol(open_sim: Any, autojump_clock: Any) -> None:
    """AddOrder takes displayvol, OpenOrders gives it back, the description names the type."""
    async with open_sim() as sim:
        params = {"ordertype": "iceberg", "type": "sell", "pair": "XBTUSD", "volume": "0.15", "price": "50000"}
        added = await sim.rest.ok("AddOrder", **params, displayvol="0.01")
        assert added["descr"]["order"] == "sell 0.15000000 XBTUSD @ iceberg 50000.0"
        row = (await sim.rest.ok("OpenOrders"))["open"][added["txid"][0]]
        assert (row["displayvol"], row["vol"]) == ("0.01000000", "0.15000000")
        assert [str(qty) for _, qty in sim.truth.levels("BTC/USD")[1]] == ["0.01"]


@pytest.mark.parametrize(
    ("change", "keeps_place", "after"),
    [
        ({"display_qty": 0.05}, True, "0.02"),  # the present slice goes on, the next is larger
        ({"display_qty": 0.01}, True, "0.01"),
        ({"order_qty": 0.05}, True, "0.02"),
        ({"order_qty": 0.15}, False, "0.02"),
        ({"limit_price": 49999.0}, False, "0.02"),
    ],
)
async def test_amend_of_an_iceberg_keeps_or_loses_its_place(
    open_sim: Any, autojump_clock: Any, change: dict[str, object], keeps_place: bool, after: str
) -> None:
    """Display either way and less quantity keep the place; more quantity and another price go to the back."""
    async with open_sim() as sim:
        client = await sim.ws()
        iceberg = await client.add(**ICEBERG)
        await client.add(side="buy", order_qty=0.02, limit_price=50000.0)
        assert (await client.call("amend_order", order_id=iceberg["order_id"], **change))["success"]
        assert str(sim.truth.orders[iceberg["order_id"]].visible_qty) == after
        sim.take("sell", "0.001")
        assert (sim.truth.trades[0].order_id == iceberg["order_id"]) is keeps_place


async def test_larger_display_comes_with_the_next_slice(open_sim: Any, autojump_clock: Any) -> None:
    """After the present slice is used up, the next one has the new size."""
    async with open_sim() as sim:
        client = await sim.ws()
        iceberg = await client.add(**ICEBERG)
        await client.call("amend_order", order_id=iceberg["order_id"], display_qty=0.05)
        sim.take("sell", "0.02")
        assert shown(sim) == ["0.05"]


async def test_display_below_a_fifteenth_of_what_remains_is_refused(open_sim: Any, autojump_clock: Any) -> None:
    """In an amend the remaining quantity is what the fifteenth is taken of."""
    async with open_sim() as sim:
        client = await sim.ws()
        iceberg = await client.add(**ICEBERG | {"order_qty": 0.3})
        refused = await client.call("amend_order", order_id=iceberg["order_id"], display_qty=0.01)
        assert refused["error"] == "EGeneral:Invalid arguments:display_qty"
        sim.take("sell", "0.15")
        assert (await client.call("amend_order", order_id=iceberg["order_id"], display_qty=0.01))["success"]
