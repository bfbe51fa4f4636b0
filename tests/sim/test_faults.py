"""Faults at named points: answers lost, late or false, frames dropped, connections broken."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from engine.sim import (
    ScriptedFaults,
    accept_late,
    answer_late,
    http_error,
    kill_after,
    kill_before,
    lie_with,
    lose_answer,
    lose_request,
    refuse_with,
)

LIMIT = {"side": "buy", "order_qty": 0.01, "limit_price": 50000.0, "cl_ord_id": "bot-1"}
REST_LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}


async def ask(client: Any, **params: object) -> None:
    """Send an add_order with req_id 99 without waiting."""
    full = {"symbol": "BTC/USD", "order_type": "limit", "token": client.token} | LIMIT | params
    await client.send(json.dumps({"method": "add_order", "params": full, "req_id": 99}))


@pytest.mark.parametrize(
    ("action", "placed", "answer"),
    [
        (lose_answer(), 1, None),
        (lose_request(), 0, None),
        (refuse_with("EService:Unavailable"), 0, "EService:Unavailable"),
        (lie_with("EService:Busy"), 1, "EService:Busy"),
    ],
)
async def test_websocket_answer_is_lost_or_false(
    open_sim: Any, autojump_clock: Any, action: Any, placed: int, answer: str | None
) -> None:
    """Done or not and answered or not are independent; the next request is served as ever."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, action)
        client = await sim.ws()
        await ask(client)
        await trio.sleep(10)
        assert len(sim.truth.orders) == placed
        assert [frame.get("error") for frame in client.responses(99)] == ([] if answer is None else [answer])
        assert "order_id" in await client.add(**LIMIT | {"cl_ord_id": "bot-2"})


@pytest.mark.parametrize(("action", "placed"), [(kill_before(), 0), (kill_after(), 1)])
async def test_killed_connection_ends_without_a_close_frame(
    open_sim: Any, autojump_clock: Any, action: Any, placed: int
) -> None:
    """The connection breaks around the commit; what was done stays done."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, action)
        client = await sim.ws()
        await ask(client)
        await client.until(lambda: client.closed is not None)
        assert client.closed.code == 1006
        assert len(sim.truth.orders) == placed


async def test_late_acceptance_outlives_the_connection_and_lets_pings_through(
    open_sim: Any, autojump_clock: Any
) -> None:
    """A delayed request is taken after the delay though its sender has gone; the deadline is judged then."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, accept_late(10)).at("add_order", 2, accept_late(10))
        client = await sim.ws()
        await ask(client, deadline="2026-01-01T00:00:30Z")
        await ask(client, cl_ord_id="bot-2")  # default deadline: 5 s
        assert (await client.call("ping"))["method"] == "pong"
        await client.ws.aclose()
        await trio.sleep(5)
        assert sim.truth.orders == {}
        await trio.sleep(10)
        assert [order.cl_ord_id for order in sim.truth.orders.values()] == ["bot-1"]


async def test_late_answer_comes_after_the_reports(open_sim: Any, autojump_clock: Any) -> None:
    """Executions frames arrive at once, the response after its delay."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, answer_late(3))
        client = await sim.ws()
        await ask(client)
        await trio.sleep(1)
        assert client.exec_types() == ["pending_new", "new"]
        assert client.responses(99) == []
        await client.until(lambda: client.responses(99))


async def test_private_frames_are_dropped_doubled_and_skipped(open_sim: Any, autojump_clock: Any) -> None:
    """The sequence shows each: a gap, a repeat, a number left out; other channels are untouched."""
    async with open_sim() as sim:
        faults = ScriptedFaults().at_frame("executions", 2, "drop").at_frame("executions", 3, "duplicate")
        sim.exchange.faults = faults.at_frame("executions", 4, "skip_sequence")
        client = await sim.ws()
        await client.add(**LIMIT)
        sim.take("sell", "0.001")
        await client.until(lambda: "trade" in client.exec_types())
        assert [frame["sequence"] for frame in client.channel("executions")] == [1, 3, 3, 5]
        assert client.exec_types() == ["new", "new", "trade"]


@pytest.mark.parametrize("done", [False, True])
async def test_rest_answers_html_with_the_order_placed_or_not(open_sim: Any, autojump_clock: Any, done: bool) -> None:
    """A 502 page says nothing about the order."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("AddOrder", 1, http_error(502, done=done))
        body = f"nonce=5&{'&'.join(f'{key}={value}' for key, value in REST_LIMIT.items())}".encode()
        status, page = await sim.rest.signed("AddOrder", "5", body)
        assert (status, page[:6]) == (502, b"<html>")
        assert len(sim.truth.orders) == int(done)


@pytest.mark.parametrize(("action", "placed"), [(lose_answer(), 1), (kill_after(), 1), (kill_before(), 0)])
async def test_rest_answer_never_comes(open_sim: Any, autojump_clock: Any, action: Any, placed: int) -> None:
    """A swallowed answer leaves the client waiting, a killed connection ends it; later calls work."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("AddOrder", 1, action)
        sim.rest.nonce += 1
        body = f"nonce={sim.rest.nonce}&{'&'.join(f'{key}={value}' for key, value in REST_LIMIT.items())}".encode()
        with trio.move_on_after(10) as waited:
            assert await sim.rest.signed("AddOrder", str(sim.rest.nonce), body) == (0, b"")
        assert waited.cancelled_caught is (action == lose_answer())
        assert len(sim.truth.orders) == placed
        assert "ZUSD" in await sim.rest.ok("Balance")


async def test_foreign_cancel_and_expired_tokens(open_sim: Any, autojump_clock: Any) -> None:
    """Somebody else cancels a client's order with a reason; revoked tokens are refused on a fresh connection."""
    async with open_sim() as sim:
        client = await sim.ws()
        added = await client.add(**LIMIT)
        sim.house.cancel_client(added["order_id"], reason="Canceled by hand")
        await client.until(lambda: "canceled" in client.exec_types())
        assert client.rows()[-1]["reason"] == "Canceled by hand"
        sim.exchange.expire_tokens()
        fresh = await sim.ws(private=False)
        answer = await fresh.call("subscribe", channel="executions", token=client.token)
        assert answer["error"] == "ESession:Invalid session"
