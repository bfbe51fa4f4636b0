"""Matching: price-time priority, self-trade prevention, the times in force (protocol section 11.2)."""

from __future__ import annotations

from typing import Any

import pytest

BUY = {"side": "buy", "order_qty": 0.02, "limit_price": 50000.0}
SELL = {"side": "sell", "order_qty": 0.02, "limit_price": 50000.0}


async def test_better_price_then_earlier_order_fills_first(open_sim: Any, autojump_clock: Any) -> None:
    """Three client bids: the best price goes first, then the older of two equals, at the makers' prices."""
    async with open_sim() as sim:
        client = await sim.ws()
        low_old = await client.add(side="buy", order_qty=0.01, limit_price=49999.0)
        low_new = await client.add(side="buy", order_qty=0.01, limit_price=49999.0)
        high = await client.add(side="buy", order_qty=0.01, limit_price=50000.0)
        assert sim.take("sell", "0.025") == sim.truth.trades[0].qty * 2 + sim.truth.trades[2].qty
        filled = [(trade.order_id, str(trade.price)) for trade in sim.truth.trades]
        assert filled == [
            (high["order_id"], "50000.0"),
            (low_old["order_id"], "49999.0"),
            (low_new["order_id"], "49999.0"),
        ]
        assert str(sim.truth.orders[low_new["order_id"]].cum_qty) == "0.005"


async def test_crossing_limit_takes_and_the_rest_becomes_a_maker(open_sim: Any, autojump_clock: Any) -> None:
    """The part that crosses trades as taker at the resting price, the remainder rests at the limit."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "49990.0", "0.005")
        added = await client.add(**BUY)
        sim.take("sell", "1")
        order = sim.truth.orders[added["order_id"]]
        assert [(trade.liquidity, str(trade.price)) for trade in sim.truth.trades] == [
            ("t", "49990.0"),
            ("m", "50000.0"),
        ]
        assert order.status == "filled"


@pytest.mark.parametrize(
    ("manner", "resting", "arriving"),
    [
        ("cancel_newest", "new", "canceled"),
        ("cancel_oldest", "canceled", "new"),
        ("cancel_both", "canceled", "canceled"),
    ],
)
async def test_self_trade_prevention_cancels_by_its_manner(
    open_sim: Any, autojump_clock: Any, manner: str, resting: str, arriving: str
) -> None:
    """An order never meets its own account's: the newest, the oldest or both are canceled, nothing trades."""
    async with open_sim() as sim:
        client = await sim.ws()
        old = await client.add(**BUY)
        new = await client.add(**SELL, stp_type=manner)
        orders = sim.truth.orders
        assert (orders[old["order_id"]].status, orders[new["order_id"]].status) == (resting, arriving)
        assert {order.reason for order in orders.values() if order.reason} == {"Self trade prevention"}
        assert sim.truth.trades == []


async def test_cancel_oldest_goes_on_matching_behind_the_own_order(open_sim: Any, autojump_clock: Any) -> None:
    """With cancel_oldest the arriving order removes its sibling and trades with the next in the queue."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**BUY)
        sim.quote("buy", "50000.0", "0.02")
        added = await client.add(**SELL, stp_type="cancel_oldest")
        assert sim.truth.orders[added["order_id"]].status == "filled"


async def test_fill_or_kill_fills_whole_or_not_at_all(open_sim: Any, autojump_clock: Any) -> None:
    """A FOK that the book cannot fill whole leaves the book alone; one that it can is filled."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.01")
        killed = await client.add(**BUY, time_in_force="fok")
        assert sim.truth.orders[killed["order_id"]].status == "canceled"
        assert sim.truth.trades == []
        sim.quote("sell", "49999.0", "0.01")
        filled = await client.add(**BUY, time_in_force="fok")
        assert sim.truth.orders[filled["order_id"]].status == "filled"


async def test_post_only_is_refused_or_accepted_and_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """A crossing post-only order never takes, in both observed manners; one that does not cross rests."""
    for manner in ("refuse", "cancel"):
        async with open_sim(post_only_manner=manner) as sim:
            client = await sim.ws()
            sim.quote("sell", "50000.0", "1")
            answer = await client.add(**BUY, post_only=True)
            if manner == "refuse":
                assert answer == "EOrder:Post only order"
            else:
                order = sim.truth.orders[answer["order_id"]]
                assert (order.status, order.reason) == ("canceled", "Post only order")
            assert sim.truth.trades == []
            rests = await client.add(side="buy", order_qty=0.02, limit_price=49999.9, post_only=True)
            assert sim.truth.orders[rests["order_id"]].status == "new"


async def test_good_till_date_order_expires(open_sim: Any, autojump_clock: Any) -> None:
    """A GTD order is expired at its time, its hold is freed, and its fills stay."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**BUY, time_in_force="gtd", expire_time="2026-01-01T00:00:20Z")
        sim.take("sell", "0.01")
        await client.until(lambda: "expired" in client.exec_types(), seconds=30)
        row = client.rows()[-1]
        assert row["order_status"] == "expired"
        assert row["cum_qty"] == "0.01000000"
        assert row["timestamp"].startswith("2026-01-01T00:00:20.0")
        assert sim.truth.held() == {}


async def test_market_band_stops_a_market_order_far_from_the_best_price(open_sim: Any, autojump_clock: Any) -> None:
    """With a protection band a market order does not run through the book; default is no band."""
    from decimal import Decimal

    async with open_sim(market_band_pct=Decimal(1)) as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.01")
        sim.quote("sell", "51000.0", "0.01")
        added = await client.add(order_type="market", side="buy", order_qty=0.02)
        order = sim.truth.orders[added["order_id"]]
        assert (order.status, str(order.cum_qty)) == ("canceled", "0.01")


async def test_orders_of_different_senders_in_one_account_may_trade(open_sim: Any, autojump_clock: Any) -> None:
    """Self-trade prevention compares the account and, where it is given, the sender within it."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**BUY, sender_sub_id="desk-1")
        same = await client.add(**SELL, sender_sub_id="desk-1")
        other = await client.add(**SELL, sender_sub_id="desk-2")
        orders = sim.truth.orders
        assert (orders[same["order_id"]].status, orders[other["order_id"]].status) == ("canceled", "filled")
        assert await client.add(**SELL, sender_sub_id="far too long a name here") == (
            "EGeneral:Invalid arguments:sender_sub_id"
        )


async def test_self_trade_prevention_spares_what_was_filled_before(open_sim: Any, autojump_clock: Any) -> None:
    """The arriving order keeps its fills against others; only its remaining part is canceled."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("buy", "50001.0", "0.005")
        await client.add(**BUY)
        arriving = await client.add(**SELL)
        order = sim.truth.orders[arriving["order_id"]]
        assert (order.status, str(order.cum_qty)) == ("canceled", "0.005")
