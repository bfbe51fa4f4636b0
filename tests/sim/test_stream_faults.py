"""Faults of single frames, inconsistent snapshots, dead tokens, other hands on the account, late fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.sim import Refused, ScriptedFaults

LIMIT = {"side": "buy", "order_qty": 0.01, "limit_price": 50000.0}


def sequences(client: Any) -> list[int]:
    return [frame["sequence"] for frame in client.channel("executions")]


@pytest.mark.parametrize(
    ("verdict", "seen"),
    [
        ("drop", [1, 3]),
        ("lose", [1, 2]),
        ("duplicate", [1, 2, 2, 3]),
        ("skip_sequence", [1, 3, 4]),
        ("swap", [1, 3, 2]),
        ("strange", [1, 2, 3]),
    ],
)
async def test_frame_faults_show_in_the_sequence(
    open_sim: Any, autojump_clock: Any, verdict: Any, seen: list[int]
) -> None:
    """The second frame (pending_new) is dropped, doubled, swapped with its successor and so on."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at_frame("executions", 2, verdict)
        client = await sim.ws()
        await client.add(**LIMIT)
        assert sequences(client) == seen


async def test_strange_frames_have_unknown_members_and_a_strange_neighbour(open_sim: Any, autojump_clock: Any) -> None:
    """A row gains a field, the frame a member, and a frame of an unknown channel comes before it."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().frames_during("executions", 0, 60, "strange")
        client = await sim.ws()
        await client.add(**LIMIT)
        assert {row["x_field"] for row in client.rows()} == {"new"}
        assert len(client.channel("x_unknown")) == 3
        assert "x_member" in client.channel("executions")[0]


async def test_a_swapped_frame_without_successor_comes_with_the_heartbeat(open_sim: Any, autojump_clock: Any) -> None:
    """The last frame of a burst is late, not lost."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at_frame("executions", 3, "swap")
        client = await sim.ws()
        await client.add(**LIMIT)
        assert client.exec_types() == ["pending_new"]
        await trio.sleep(2)
        assert client.exec_types() == ["pending_new", "new"]


@pytest.mark.parametrize(("verdict", "code"), [("close", 1001), ("kill", 1006)])
async def test_connection_ends_at_a_frame(open_sim: Any, autojump_clock: Any, verdict: Any, code: int) -> None:
    """The frame is not sent, the order is in."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at_frame("executions", 2, verdict)
        client = await sim.ws()
        sim.house.place_client("BTC/USD", "buy", Decimal("0.01"), Decimal("50000.0"))
        await client.until(lambda: client.closed is not None)
        assert (client.closed.code, sequences(client)) == (code, [1])


async def test_wrong_checksum_comes_with_a_right_book(open_sim: Any, autojump_clock: Any) -> None:
    """Only the checksum of the chosen frame is off, by one."""
    async with open_sim() as sim:
        client, honest = await sim.ws(private=False), await sim.ws(private=False)
        sim.exchange.faults = ScriptedFaults().at_frame("book", 3, "corrupt")
        for each in (client, honest):
            await each.call("subscribe", channel="book", symbol=["BTC/USD"])
        sim.quote("buy", "49000.0", "1")
        await trio.sleep(1)
        wrong, right = (each.rows("book")[0] for each in (client, honest))
        assert int(wrong.pop("checksum")) - int(right.pop("checksum")) == 1
        assert wrong == right


async def test_heartbeats_stop_though_the_connection_lives(open_sim: Any, autojump_clock: Any) -> None:
    """No heartbeat for thirty seconds, then they are back."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.exchange.faults = ScriptedFaults().frames_during("heartbeat", 0, 30, "drop")
        await trio.sleep(0.1)
        before = len(client.channel("heartbeat"))
        await trio.sleep(29)
        assert len(client.channel("heartbeat")) == before
        await trio.sleep(10)
        assert len(client.channel("heartbeat")) > before + 5


async def test_snapshot_lacks_a_hidden_order_as_often_as_asked(open_sim: Any, autojump_clock: Any) -> None:
    """The first snapshot after the call lacks the open order, the next one shows it."""
    async with open_sim() as sim:
        order_id = (await (await sim.ws()).add(**LIMIT))["order_id"]
        sim.exchange.hide_in_snapshots(order_id)
        shown = [[row["order_id"] for row in (await sim.ws()).rows(kind="snapshot")] for _ in range(2)]
        assert shown == [[], [order_id]]


async def test_dead_token_refuses_orders_and_may_spare_running_subscriptions(
    open_sim: Any, autojump_clock: Any
) -> None:
    """A plain expiry leaves a token in use alone; an upgrade of the servers kills it while its stream goes on."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.exchange.expire_tokens()
        assert "order_id" in await client.add(**LIMIT)
        sim.exchange.expire_tokens(in_use=True)
        assert await client.add(**LIMIT) == "ESession:Invalid session"
        sim.take("sell", "0.01") if sim.house.open_orders("BTC/USD") else sim.print("40000.0")
        sim.house.place_client("BTC/USD", "buy", Decimal("0.01"), Decimal("50000.0"))
        await trio.sleep(1)
        assert len(client.exec_types()) == 4


async def test_foreign_order_has_no_client_id_or_a_foreign_one(open_sim: Any, autojump_clock: Any) -> None:
    """An order from elsewhere shows on our stream; it may have no cl_ord_id, another one, or be canceled."""
    async with open_sim() as sim:
        client = await sim.ws()
        sim.house.place_client("BTC/USD", "buy", Decimal("0.01"), Decimal("50000.0"))
        other = sim.house.place_client("BTC/USD", "sell", Decimal("0.01"), Decimal("60000.0"), cl_ord_id="app-7")
        sim.house.cancel_client(other)
        await trio.sleep(1)
        firsts = [row for row in client.rows() if row["exec_type"] == "pending_new"]
        assert [row.get("cl_ord_id") for row in firsts] == [None, "app-7"]
        assert client.exec_types()[-1] == "canceled"


async def test_late_fill_moves_the_quantity_and_keeps_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """A fill told after the cancel keeps the status, counts in both REST and stream, and moves the money."""
    async with open_sim() as sim:
        client = await sim.ws()
        order_id = (await client.add(**LIMIT))["order_id"]
        with pytest.raises(Refused):
            sim.house.late_fill(order_id, Decimal("0.004"), Decimal("50000.0"))
        await client.call("cancel_order", order_id=[order_id])
        exec_id = sim.house.late_fill(order_id, Decimal("0.004"), Decimal("50000.0"))
        await trio.sleep(1)
        row = client.rows()[-1]
        assert (row["exec_type"], row["order_status"], row["cum_qty"]) == ("trade", "canceled", "0.00400000")
        shown = (await sim.rest.ok("QueryOrders", txid=order_id, trades="true"))[order_id]
        assert (shown["status"], shown["vol_exec"], shown["trades"]) == ("canceled", "0.00400000", [exec_id])
        assert sim.truth.balances()["BTC"] == Decimal("2.004")
        totals = {asset: sim.truth.balances()[asset] + sim.truth.balances("house")[asset] for asset in ("BTC", "USD")}
        assert totals == {"BTC": 2, "USD": 100_000 - sim.truth.fees_collected()["USD"]}
        with pytest.raises(Refused):
            sim.house.late_fill(order_id, Decimal("0.007"), Decimal("50000.0"))
