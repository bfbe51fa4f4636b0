"""Faults by plan: n-th requests that overlap, spans of time, chance; late acceptance, half-open connections."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio

from engine.sim import (
    ScriptedFaults,
    accept_late,
    answer_late,
    close_after,
    fail_then_accept,
    http_error,
    lose_answer,
    refuse_with,
    stall_after,
    stall_before,
    strange_answer,
)

LIMIT = {"symbol": "BTC/USD", "order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 50000.0}
REST_LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}


async def ask(client: Any, req_id: int, method: str = "add_order", **params: object) -> None:
    """Send a request without waiting for its answer."""
    full = {**LIMIT, "token": client.token, **params}
    await client.send(json.dumps({"method": method, "params": full, "req_id": req_id}))


async def test_overlapping_requests_of_one_method_are_told_apart(open_sim: Any, autojump_clock: Any) -> None:
    """The answer of the first is lost though the second arrives while the first is still held back."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, accept_late(3), lose_answer())
        client = await sim.ws()
        await ask(client, 101, cl_ord_id="first")
        await ask(client, 102, cl_ord_id="second")
        await trio.sleep(10)
        assert [order.cl_ord_id for order in sim.truth.orders.values()] == ["second", "first"]
        assert (client.responses(101), len(client.responses(102))) == ([], 1)


async def test_fault_for_a_span_of_time_hits_all_and_only_what_arrives_in_it(
    open_sim: Any, autojump_clock: Any
) -> None:
    """REST is down from the 10th to the 20th second, public and private; WebSocket goes on."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().during("*", 10, 20, http_error(503), transport="rest")
        client = await sim.ws()
        await sim.rest.ok("Balance")
        await trio.sleep(11)
        for target in ("/0/public/Time", "/0/public/SystemStatus"):
            assert (await sim.rest.raw("GET", target, {}, b""))[0] == 503
        assert (await sim.rest.signed("AddOrder", "9999", b"nonce=9999"))[0] == 503
        assert "order_id" in await client.add(side="buy", order_qty=0.01, limit_price=50000.0)
        await trio.sleep(10)
        sim.rest.nonce = 10_000
        await sim.rest.ok("Balance")


async def test_fault_by_chance_follows_its_stream(open_sim: Any, autojump_clock: Any) -> None:
    """The same stream gives the same victims."""
    victims = []
    for _ in range(2):
        async with open_sim() as sim:
            stream = random.Random("faults")
            sim.exchange.faults = ScriptedFaults().sometimes("Balance", 0.5, stream, refuse_with("EService:Busy"))
            victims.append([bool((await sim.rest.private("Balance"))["error"]) for _ in range(20)])
    assert victims[0] == victims[1]
    assert 3 < sum(victims[0]) < 17


@pytest.mark.parametrize("transport", ["ws", "rest"])
@pytest.mark.parametrize("how", [{}, {"error": "EService:Unavailable"}, {"kill": True}])
async def test_order_is_taken_long_after_the_failure_was_told(
    open_sim: Any, autojump_clock: Any, transport: str, how: dict[str, Any]
) -> None:
    """Silence, an error or a broken connection comes at once; 45 s later the order is there all the same."""
    async with open_sim() as sim:
        fate = fail_then_accept(45, **how)
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, fate).at("AddOrder", 1, fate)
        client = await sim.ws()
        if transport == "ws":
            await ask(client, 101, deadline="2026-01-01T00:00:58Z")
        else:
            with trio.move_on_after(5):
                await sim.rest.signed("AddOrder", "9999", b"nonce=9999&" + form(REST_LIMIT))
        await trio.sleep(38)
        assert not sim.truth.orders
        await trio.sleep(10)
        assert len(sim.truth.orders) == 1


async def test_gateway_timeout_before_a_late_acceptance(open_sim: Any, autojump_clock: Any) -> None:
    """504 with an HTML page at once, the order after ten seconds; past its deadline it is not taken."""
    async with open_sim() as sim:
        fate = fail_then_accept(10, status=504, body="<html>")
        sim.exchange.faults = ScriptedFaults().always("AddOrder", fate)
        for nonce, deadline in (("5000", "2026-01-01T00:00:30Z"), ("5001", "2026-01-01T00:00:05Z")):
            body = f"nonce={nonce}&deadline={deadline}&".encode() + form(REST_LIMIT)
            assert (await sim.rest.signed("AddOrder", nonce, body)) == (504, b"<html>")
        await trio.sleep(11)
        assert len(sim.truth.orders) == 1


def form(params: dict[str, str]) -> bytes:
    return "&".join(f"{name}={value}" for name, value in params.items()).encode()


async def test_half_open_after_the_order_keeps_the_connection_and_says_nothing(
    open_sim: Any, autojump_clock: Any
) -> None:
    """The order is in; answer, reports, heartbeats and pongs stay away, nothing closes; healed, all arrives."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, stall_after())
        client = await sim.ws()
        await trio.sleep(1.5)
        seen = len(client.frames)
        await ask(client, 101)
        await client.send(json.dumps({"method": "ping", "req_id": 102}))
        await trio.sleep(120)
        assert (len(sim.truth.orders), len(client.frames), client.closed) == (1, seen, None)
        sim.exchange.stall(0)
        await client.until(lambda: client.responses(101) and client.responses(102))
        assert client.exec_types() == ["pending_new", "new"]


async def test_half_open_before_the_order_takes_it_once_it_is_over(open_sim: Any, autojump_clock: Any) -> None:
    """On both transports the request waits in front of the engine, and is answered after the stall."""
    async with open_sim() as sim:
        fate = stall_before(20)
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, fate).at("AddOrder", 1, fate)
        client = await sim.ws()
        await ask(client, 101, deadline="2026-01-01T00:00:50Z")
        with trio.move_on_after(10):
            await client.until(lambda: client.responses(101), 30)
        assert not sim.truth.orders
        await client.until(lambda: client.responses(101), 30)
        assert "txid" in await sim.rest.ok("AddOrder", **REST_LIMIT)
        assert trio.current_time() > 40


async def test_stall_holds_every_connection_there_is_but_no_new_one(open_sim: Any, autojump_clock: Any) -> None:
    """A client that comes back while its old connection is half-open is served."""
    async with open_sim() as sim:
        old = await sim.ws()
        assert sim.exchange.stall(60) == 1
        new = await sim.ws()
        assert "order_id" in await new.add(side="buy", order_qty=0.01, limit_price=50000.0)
        assert old.exec_types() == []
        await trio.sleep(61)
        assert old.exec_types() == ["pending_new", "new"]


@pytest.mark.parametrize(("code", "seen"), [(1001, 1001), (None, 1006)])
async def test_kick_ends_the_private_connections_alone(
    open_sim: Any, autojump_clock: Any, code: int | None, seen: int
) -> None:
    """Closed with a code or broken; the public connection stays."""
    async with open_sim() as sim:
        private, public = await sim.ws(), await sim.ws(private=False)
        assert sim.exchange.kick(code, "CloudFlare WebSocket proxy restarting", private=True) == 1
        await private.until(lambda: private.closed is not None)
        assert private.closed.code == seen
        assert (await public.call("ping"))["method"] == "pong"


async def test_close_1001_instead_of_an_answer(open_sim: Any, autojump_clock: Any) -> None:
    """The order is in, the connection closes as for a restart of the proxy."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, close_after())
        client = await sim.ws()
        await ask(client, 101)
        await client.until(lambda: client.closed is not None)
        assert (client.closed.code, len(sim.truth.orders)) == (1001, 1)


async def test_upgrades_and_pings_can_fail(open_sim: Any, autojump_clock: Any) -> None:
    """A WebSocket upgrade is delayed, a pong is late."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("connect", 1, accept_late(3)).at("ping", 1, accept_late(2))
        client = await sim.ws(private=False)
        assert trio.current_time() > 3
        began = trio.current_time()
        await client.call("ping")
        assert 2 < trio.current_time() - began < 2.5


async def test_answers_may_carry_members_nobody_knows(open_sim: Any, autojump_clock: Any) -> None:
    """Strange members come beside the known ones on both transports."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().always("*", strange_answer())
        client = await sim.ws()
        added = await client.add(side="buy", order_qty=0.01, limit_price=50000.0)
        assert sorted(added) == ["order_id", "x_member"]
        assert sorted(await sim.rest.private("Balance")) == ["error", "result", "x_member"]


async def test_answer_late_and_fault_free_requests_keep_their_own_ways(open_sim: Any, autojump_clock: Any) -> None:
    """Only the second of three answers is late."""
    async with open_sim() as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 2, answer_late(5))
        client = await sim.ws()
        for number in (101, 102, 103):
            await ask(client, number, cl_ord_id=f"bot-{number}")
        await trio.sleep(1)
        assert [len(client.responses(number)) for number in (101, 102, 103)] == [1, 0, 1]
        await trio.sleep(5)
        assert len(client.responses(102)) == 1
