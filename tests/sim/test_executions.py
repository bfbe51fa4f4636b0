"""The frames of the executions channel, in their order and shape (protocol section 9)."""

from __future__ import annotations

from typing import Any

import pytest

BUY = {"side": "buy", "order_qty": 0.02, "limit_price": 50000.0, "cl_ord_id": "bot-1"}


def sequences(client: Any, channel: str = "executions") -> list[int]:
    return [frame["sequence"] for frame in client.channel(channel)]


async def test_limit_filled_in_two_parts_reports_each_part_and_then_filled(open_sim: Any, autojump_clock: Any) -> None:
    """pending_new in full, new as a delta, two trades as maker, a separate filled; sequence without gaps."""
    async with open_sim() as sim:
        client = await sim.ws()
        added = await client.add(**BUY)
        sim.take("sell", "0.005")
        sim.take("sell", "0.5")
        await client.until(lambda: "filled" in client.exec_types())
        assert client.exec_types() == ["pending_new", "new", "trade", "trade", "filled"]
        assert sequences(client) == [1, 2, 3, 4, 5, 6]
        first, new, half, full, filled = client.rows()
        assert {row["order_id"] for row in client.rows()} == {added["order_id"]}
        assert {row["cl_ord_id"] for row in client.rows()} == {"bot-1"}
        assert not any("order_userref" in row for row in client.rows())
        assert (first["order_qty"], first["limit_price"], first["cum_cost"]) == ("0.02000000", "50000.0", "0.00000")
        assert (first["time_in_force"], first["stop_price"], first["fee_ccy_pref"]) == ("GTC", "0.0", "fciq")
        assert not {"symbol", "side", "order_qty"} & new.keys()
        assert first["timestamp"] == new["timestamp"]
        assert (half["last_qty"], half["last_price"], half["liquidity_ind"]) == ("0.00500000", "50000.0", "m")
        assert half["fees"] == [{"asset": "USD", "qty": "0.62500"}]
        assert (full["cum_qty"], full["cum_cost"], full["order_status"]) == (
            "0.02000000",
            "1000.00000",
            "partially_filled",
        )
        assert filled["order_status"] == "filled"
        assert "symbol" not in filled


async def test_trade_frame_may_say_filled_itself(open_sim: Any, autojump_clock: Any) -> None:
    """With the switch set the last trade frame carries the final status; the filled frame still follows."""
    async with open_sim(trade_frame_completes_as="filled") as sim:
        client = await sim.ws()
        await client.add(**BUY)
        sim.take("sell", "0.02")
        await client.until(lambda: "filled" in client.exec_types())
        assert [row["order_status"] for row in client.rows()][-2:] == ["filled", "filled"]


async def test_market_order_takes_levels_and_cancels_what_the_book_lacks(open_sim: Any, autojump_clock: Any) -> None:
    """A market buy trades at each maker's price as taker; without more makers the rest is canceled."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.01")
        sim.quote("sell", "50001.0", "0.01")
        await client.add(order_type="market", side="buy", order_qty=0.03)
        await client.until(lambda: "canceled" in client.exec_types())
        assert client.exec_types() == ["pending_new", "new", "trade", "trade", "canceled"]
        trades = client.rows()[2:4]
        assert [row["last_price"] for row in trades] == ["50000.0", "50001.0"]
        assert {row["liquidity_ind"] for row in trades} == {"t"}
        assert trades[0]["fees"] == [{"asset": "USD", "qty": "2.00000"}]
        last = client.rows()[-1]
        assert (last["cum_qty"], last["reason"]) == ("0.02000000", "No liquidity")
        assert last["cancel_reason"] == last["reason"]
        assert "limit_price" not in client.rows()[0]


async def test_ioc_cancels_its_remainder(open_sim: Any, autojump_clock: Any) -> None:
    """An IOC takes what is within its limit and never rests."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.quote("sell", "50000.0", "0.01")
        await client.add(**BUY, time_in_force="ioc")
        await client.until(lambda: "canceled" in client.exec_types())
        assert client.exec_types() == ["pending_new", "new", "trade", "canceled"]
        assert client.rows()[-1]["cum_qty"] == "0.01000000"
        assert sim.truth.levels("BTC/USD") == ([], [])


@pytest.mark.parametrize("exec_type", ["status", "restated"])
async def test_fired_stop_reports_triggered_and_trades_with_its_id(
    open_sim: Any, autojump_clock: Any, exec_type: str
) -> None:
    """A print at the trigger turns the stop into a market order with the same id."""
    async with open_sim(trigger_exec_type=exec_type) as sim:
        client = await sim.ws()
        sim.quote("buy", "48990.0", "1")
        stop = await client.add(order_type="stop-loss", side="sell", order_qty=0.5, triggers={"price": 49000.0})
        assert client.rows()[0]["triggers"] == {
            "price": "49000.0",
            "price_type": "static",
            "reference": "last",
            "status": "untriggered",
        }
        sim.print("49000.1")
        sim.print("49000.0")
        await client.until(lambda: "filled" in client.exec_types())
        assert client.exec_types() == ["pending_new", "new", exec_type, "trade", "filled"]
        fired, trade = client.rows()[2:4]
        assert fired["triggers"]["status"] == "triggered"
        assert (trade["last_price"], trade["liquidity_ind"], trade["order_id"]) == ("48990.0", "t", stop["order_id"])
        order = (await sim.rest.ok("QueryOrders", txid=stop["order_id"]))[stop["order_id"]]
        assert order["misc"] == "stopped"
        assert order["status"] == "closed"


async def test_amend_reports_quantity_and_price_together(open_sim: Any, autojump_clock: Any) -> None:
    """An amended frame carries both quantity and price though only one changed."""
    async with open_sim() as sim:
        client = await sim.ws()
        added = await client.add(**BUY)
        answer = await client.call("amend_order", cl_ord_id="bot-1", order_qty=0.01)
        assert answer["result"]["cl_ord_id"] == "bot-1"
        assert answer["result"]["amend_id"].startswith("T")
        await client.until(lambda: "amended" in client.exec_types())
        row = client.rows()[-1]
        assert (row["order_qty"], row["limit_price"], row["amended"]) == ("0.01000000", "50000.0", True)
        amends = await sim.rest.ok("OrderAmends", order_id=added["order_id"])
        assert [entry["amend_type"] for entry in amends["amends"]] == ["original", "user"]
        assert amends["count"] == 2


async def test_cancel_answers_once_per_id_and_reports_the_reason(open_sim: Any, autojump_clock: Any) -> None:
    """cancel_order of two ids, one unknown: two responses with one req_id, one canceled frame."""
    async with open_sim() as sim:
        client = await sim.ws()
        added = await client.add(**BUY)
        good, bad = await client.call("cancel_order", answers=2, order_id=[added["order_id"], "OAAAAA-AAAAA-AAAAAA"])
        assert good["success"]
        assert good["result"] == {"order_id": added["order_id"]}
        assert bad["error"] == "EOrder:Unknown order"
        await client.until(lambda: "canceled" in client.exec_types())
        row = client.rows()[-1]
        assert (row["reason"], row["cum_qty"], row["avg_price"]) == ("User requested", "0.00000000", "0.0")


async def test_order_without_client_id_reports_userref_zero(open_sim: Any, autojump_clock: Any) -> None:
    """Neither id given: order_userref is 0; given a userref it is that."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(side="buy", order_qty=0.01, limit_price=50000.0)
        await client.add(side="buy", order_qty=0.01, limit_price=50000.0, order_userref=7)
        assert [row["order_userref"] for row in client.rows()] == [0, 0, 7, 7]


async def test_reconnect_snapshot_shows_open_orders_and_recent_fills(open_sim: Any, autojump_clock: Any) -> None:
    """A second connection sees the open order with its fills so far and the fills without cumulative members."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**BUY)
        sim.take("sell", "0.005")
        again = await sim.ws()
        order, trade = again.rows(kind="snapshot")
        assert (order["order_status"], order["cum_qty"], order["limit_price"]) == (
            "partially_filled",
            "0.00500000",
            "50000.0",
        )
        assert (trade["exec_type"], trade["order_status"], trade["cl_ord_id"]) == ("trade", "filled", "bot-1")
        assert not {"cum_qty", "cum_cost", "avg_price"} & trade.keys()
        assert sequences(again) == [1]


async def test_acknowledgement_comes_before_or_after_the_reports_by_switch(open_sim: Any, autojump_clock: Any) -> None:
    """Both orders of response and executions frames can be had."""
    for first in (True, False):
        async with open_sim(executions_before_ack=first) as sim:
            client = await sim.ws()
            await client.add(**BUY)
            await client.until(lambda client=client: "new" in client.exec_types())
            kinds = [frame.get("method", frame.get("channel")) for frame in client.frames]
            assert (kinds.index("add_order") > len(kinds) - 2) is first


async def test_order_status_false_leaves_out_the_quiet_steps(open_sim: Any, autojump_clock: Any) -> None:
    """With order_status false only new, trade, filled, canceled and expired come, numbered without gaps."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.call("unsubscribe", channel="executions")
        token = (await sim.rest.ok("GetWebSocketsToken"))["token"]
        await client.call("subscribe", channel="executions", order_status=False, token=token)
        await client.add(**BUY, token=token)
        await client.call("amend_order", cl_ord_id="bot-1", order_qty=0.01, token=token)
        sim.take("sell", "0.01")
        await client.until(lambda: "filled" in client.exec_types())
        assert client.exec_types() == ["new", "trade", "filled"]
        assert sequences(client)[1:] == [1, 2, 3, 4]


async def test_balances_move_by_two_ledger_rows_per_fill(open_sim: Any, autojump_clock: Any) -> None:
    """A trade gives a base and a quote row with one ref_id, the trade's, and totals after it."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**BUY)
        sim.take("sell", "0.02")
        await client.until(lambda: len(client.rows("balances")) == 2)
        base, quote = client.rows("balances")
        assert base["ref_id"] == quote["ref_id"] == sim.truth.trades[0].exec_id
        assert (base["asset"], base["amount"], base["balance"]) == ("BTC", "0.0200000000", "2.0200000000")
        assert (quote["asset"], quote["amount"], quote["fee"], quote["balance"]) == (
            "USD",
            "-1000.0000",
            "2.5000",
            "98997.5000",
        )
        assert sequences(client, "balances") == [1, 2, 3]
