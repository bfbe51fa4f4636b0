"""REST behind the stream: queries see orders, trades and balances as they were some seconds ago."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import trio

LIMIT = {"side": "buy", "order_qty": 0.01, "limit_price": 50000.0}


async def test_every_change_reaches_rest_after_the_lag(open_sim: Any, autojump_clock: Any) -> None:
    """Acceptance, amend, fill and cancel each show a minute later, in order; the stream shows them at once."""
    async with open_sim(rest_lag_s=60.0) as sim:
        client = await sim.ws()
        order_id = (await client.add(**LIMIT))["order_id"]
        await trio.sleep(10)
        await client.call("amend_order", order_id=order_id, limit_price=50001.0)
        await trio.sleep(10)
        sim.take("sell", "0.004")
        await trio.sleep(10)
        await client.call("cancel_order", order_id=[order_id])
        assert client.exec_types()[-2:] == ["trade", "canceled"]
        assert await sim.rest.error("QueryOrders", txid=order_id) == "EOrder:Invalid order"
        seen = []
        for _ in range(4):
            await trio.sleep(31 if not seen else 10)
            row = (await sim.rest.ok("QueryOrders", txid=order_id))[order_id]
            trades = (await sim.rest.ok("TradesHistory"))["count"]
            usd = Decimal((await sim.rest.ok("Balance"))["ZUSD"])
            seen.append((row["status"], row["descr"]["price"], row["vol_exec"], trades, usd < 100_000))
        assert seen == [
            ("open", "50000.0", "0.00000000", 0, False),
            ("open", "50001.0", "0.00000000", 0, False),
            ("open", "50001.0", "0.00400000", 1, True),
            ("canceled", "50001.0", "0.00400000", 1, True),
        ]


async def test_open_and_closed_lists_lag_together(open_sim: Any, autojump_clock: Any) -> None:
    """An order that has ended is still in OpenOrders, holds its money, and is not yet in ClosedOrders."""
    async with open_sim() as sim:
        client = await sim.ws()
        order_id = (await client.add(**LIMIT))["order_id"]
        sim.exchange.lag_rest(5)
        await client.call("cancel_order", order_id=[order_id])
        assert list((await sim.rest.ok("OpenOrders"))["open"]) == [order_id]
        assert (await sim.rest.ok("ClosedOrders"))["count"] == 0
        assert Decimal((await sim.rest.ok("BalanceEx"))["ZUSD"]["hold_trade"]) == 502
        await trio.sleep(5)
        assert (await sim.rest.ok("OpenOrders"))["open"] == {}
        assert list((await sim.rest.ok("ClosedOrders"))["closed"]) == [order_id]
        assert Decimal((await sim.rest.ok("BalanceEx"))["ZUSD"]["hold_trade"]) == 0


async def test_lag_may_end_at_any_time(open_sim: Any, autojump_clock: Any) -> None:
    """Without lag REST shows at once what it had not shown before; a late fill of a closed order lags as well."""
    async with open_sim(rest_lag_s=30.0) as sim:
        client = await sim.ws()
        order_id = (await client.add(**LIMIT))["order_id"]
        await client.call("cancel_order", order_id=[order_id])
        await trio.sleep(31)
        sim.house.late_fill(order_id, Decimal("0.01"), Decimal("50000.0"))
        assert (await sim.rest.ok("QueryOrders", txid=order_id))[order_id]["vol_exec"] == "0.00000000"
        await trio.sleep(31)
        assert (await sim.rest.ok("QueryOrders", txid=order_id))[order_id]["vol_exec"] == "0.01000000"
        fresh = (await client.add(**LIMIT))["order_id"]
        sim.exchange.lag_rest(0)
        assert list((await sim.rest.ok("OpenOrders"))["open"]) == [fresh]
