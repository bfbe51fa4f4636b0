"""Scripted faults as they happen: each kind, whom it meets, when, and how often it is counted."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
import trio
import trio.testing

from engine.seams.determinism import deterministic
from engine.sim import ScriptedFaults, SimSettings, lose_answer, names_of
from engine.sim.fault_reader import plan_of

ORDER: dict[str, Any] = {"order_type": "limit", "symbol": "BTC/USD", "order_qty": 0.01}
BUY: dict[str, Any] = {**ORDER, "side": "buy", "limit_price": 40000.0}
ETH_BUY: dict[str, Any] = {**BUY, "symbol": "ETH/USD", "order_qty": 0.1, "limit_price": 2000.0}
REST_BUY = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01", "price": "40000"}


def plan(*rows: dict[str, Any], seed: int | None = None) -> Any:
    return plan_of({"fault": list(rows), **({} if seed is None else {"seed": seed})}, names_of(SimSettings()))


def set_faults(sim: Any, *rows: dict[str, Any]) -> list[str]:
    return list(sim.exchange.fault_book.add(plan(*rows)))


def counters(sim: Any) -> list[tuple[int, int, bool]]:
    return [(row["matched"], row["fired"], row["over"]) for row in sim.exchange.fault_book.list()]


async def ask(client: Any, number: int, **params: object) -> None:
    await client.send(
        json.dumps({"method": "add_order", "req_id": number, "params": {**BUY, "token": client.token} | params})
    )


async def test_the_nth_request_of_a_symbol_loses_its_answer(open_sim: Any, autojump_clock: Any) -> None:
    """Requests about other symbols do not count; the order is in the book all the same."""
    async with open_sim() as sim:
        client = await sim.ws()
        set_faults(sim, {"kind": "lose_answer", "method": "add_order", "symbol": "BTC/USD", "nth": 2})
        for number, params in ((101, BUY), (102, ETH_BUY), (103, BUY), (104, BUY)):
            await ask(client, number, **params)
        await trio.sleep(5)
        assert [bool(client.responses(number)) for number in (101, 102, 103, 104)] == [True, True, False, True]
        assert len(sim.truth.orders) == 4
        assert counters(sim) == [(2, 1, True)]


async def test_a_cancel_is_matched_by_the_symbol_of_its_order(open_sim: Any, autojump_clock: Any) -> None:
    """Also when it names the order by the client's id."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**{**BUY, "cl_ord_id": "mine"})
        added = await client.add(**ETH_BUY)
        set_faults(sim, {"kind": "error", "error": "EService:Busy", "method": "cancel_order", "symbol": "BTC/USD"})
        assert (await client.call("cancel_order", order_id=[added["order_id"]]))["success"]
        assert (await client.call("cancel_order", cl_ord_id=["mine"]))["error"] == "EService:Busy"


@pytest.mark.parametrize(
    ("fault", "status", "error", "orders"),
    [
        ({"kind": "http_status", "status": 503}, 503, None, 0),
        ({"kind": "http_status", "status": 504, "done": True}, 504, None, 1),
        ({"kind": "error", "error": "EService:Market in post_only mode"}, 200, "EService:Market in post_only mode", 0),
        ({"kind": "error", "done": True}, 200, "EService:Unavailable", 1),
        ({"kind": "invalid_nonce"}, 200, "EAPI:Invalid nonce", 0),
        ({"kind": "fail_then_accept", "status": 520, "later_s": 1}, 520, None, 1),
    ],
)
async def test_an_order_over_rest_is_answered_otherwise(
    open_sim: Any, autojump_clock: Any, fault: dict[str, Any], status: int, error: str | None, orders: int
) -> None:
    """5xx before and after, with a page; any error string; and whether the order is there in the end."""
    async with open_sim() as sim:
        set_faults(sim, {**fault, "method": "AddOrder"})
        fields = "&".join(f"{name}={value}" for name, value in REST_BUY.items())
        answer = await sim.rest.signed("AddOrder", "5000", f"nonce=5000&{fields}".encode())
        assert answer[0] == status
        assert json.loads(answer[1])["error"] == [error] if error else answer[1].startswith(b"<html>")
        await trio.sleep(2)
        assert len(sim.truth.orders) == orders
        assert counters(sim) == [(1, 1, True)]


async def test_a_window_of_time_meets_every_request_within(open_sim: Any, autojump_clock: Any) -> None:
    """From ``at_s`` on, for ``for_s`` seconds, counted from when the fault was set."""
    async with open_sim() as sim:
        set_faults(sim, {"kind": "error", "error": "EService:Busy", "method": "Balance", "at_s": 10, "for_s": 5})
        seen = []
        for _ in range(8):
            seen.append((await sim.rest.private("Balance"))["error"] != [])
            await trio.sleep(2.4)
        assert seen == [False] * 5 + [True] * 2 + [False]


async def test_times_is_a_bound_on_what_happens_by_chance(open_sim: Any, autojump_clock: Any) -> None:
    """Certain to happen, twice at most."""
    async with open_sim() as sim:
        set_faults(sim, {"kind": "error", "method": "Balance", "probability": 1, "times": 2})
        failed = [(await sim.rest.private("Balance"))["error"] != [] for _ in range(4)]
        assert failed == [True, True, False, False]


def test_equal_seeds_give_equal_faults(open_sim: Any) -> None:
    """By the fault's seed, the file's, or the exchange's; another seed gives others."""

    async def fail(exchange_seed: int, own: dict[str, Any]) -> list[bool]:
        fault = {"kind": "error", "method": "Balance", "probability": 0.5, **own}
        async with open_sim(seed=exchange_seed, faults=plan(fault)) as sim:
            return [(await sim.rest.private("Balance"))["error"] != [] for _ in range(40)]

    def run(exchange_seed: int, **own: Any) -> list[bool]:
        with deterministic(exchange_seed):
            return trio.run(lambda: fail(exchange_seed, own), clock=trio.testing.MockClock(autojump_threshold=0))

    assert run(1) == run(1) != run(2)
    assert run(1, seed=9) == run(2, seed=9)


@pytest.mark.parametrize(
    ("kind", "sequences"),
    [
        ("drop_frame", [1, 3]),
        ("lose_frame", [1, 2]),
        ("duplicate_frame", [1, 2, 2, 3]),
        ("sequence_gap", [1, 3, 4]),
        ("reorder_frame", [1, 3, 2]),
    ],
)
async def test_private_frames_go_wrong(open_sim: Any, autojump_clock: Any, kind: str, sequences: list[int]) -> None:
    """The first frame of executions behind the snapshot: pending_new; the one after it is the order's new."""
    async with open_sim() as sim:
        client = await sim.ws()
        set_faults(sim, {"kind": kind, "channel": "executions", "symbol": "BTC/USD"})
        await client.add(**BUY)
        await trio.sleep(2)
        assert [frame["sequence"] for frame in client.channel("executions")] == sequences


async def test_a_wrong_checksum_for_one_symbol(open_sim: Any, autojump_clock: Any) -> None:
    """Only that symbol's frames count, and the first of them is wrong."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        await client.call("subscribe", channel="book", symbol=["BTC/USD", "ETH/USD"], depth=10, answers=2)
        set_faults(sim, {"kind": "wrong_checksum", "symbol": "ETH/USD"})
        for symbol, price in (("BTC/USD", "50000"), ("ETH/USD", "2000"), ("ETH/USD", "2001")):
            sim.quote("buy", price, "1", symbol)
        await trio.sleep(1)
        right = {symbol: _checksum(sim, symbol) for symbol in ("BTC/USD", "ETH/USD")}
        told = [(row["symbol"], int(row["checksum"])) for row in client.rows("book")]
        first = zlib.crc32(b"200000100000000")
        assert told == [("BTC/USD", right["BTC/USD"]), ("ETH/USD", first + 1), ("ETH/USD", right["ETH/USD"])]
        assert counters(sim) == [(1, 1, True)]


def _checksum(sim: Any, symbol: str) -> int:
    """Compute it from the bids alone: there is nothing else in these books."""
    places = {"BTC/USD": 1, "ETH/USD": 2}[symbol]
    bids, _ = sim.truth.levels(symbol)
    digits = "".join(f"{price:.{places}f}{qty:.8f}".replace(".", "") for price, qty in bids)
    return zlib.crc32(digits.encode())


async def test_the_venue_kicks_lags_and_changes_its_mode_on_time(open_sim: Any, autojump_clock: Any) -> None:
    """Each at its second; what is held ends by itself."""
    async with open_sim() as sim:
        client = await sim.ws()
        set_faults(
            sim,
            {"kind": "status", "mode": "post_only", "at_s": 5, "hold_s": 10},
            {"kind": "rest_lag", "lag_s": 30, "at_s": 6, "hold_s": 5},
            {"kind": "kick", "who": "private", "code": 1001, "at_s": 20},
        )
        modes = []
        for _ in range(4):
            modes.append(sim.exchange.status)
            await trio.sleep(4.5)
        assert modes == ["online", "online", "post_only", "post_only"]
        assert sim.exchange.status == "online"
        await client.until(lambda: client.closed is not None)
        assert client.closed.code == 1001
        assert counters(sim) == [(0, 1, True)] * 3


async def test_somebody_else_cancels_the_order_just_placed(open_sim: Any, autojump_clock: Any) -> None:
    """After the second order, before its answer; of the symbol alone."""
    async with open_sim() as sim:
        client = await sim.ws()
        set_faults(
            sim, {"kind": "cancel_order", "method": "add_order", "nth": 2, "which": "newest", "symbol": "BTC/USD"}
        )
        ids = [(await client.add(**params))["order_id"] for params in (BUY, ETH_BUY, BUY)]
        assert [sim.truth.orders[order_id].status for order_id in ids] == ["new", "new", "canceled"]


async def test_the_dead_mans_switch_fires_and_tokens_die_at_a_request(open_sim: Any, autojump_clock: Any) -> None:
    """Everything is canceled at once; the next request with the token is refused."""
    async with open_sim() as sim:
        client = await sim.ws()
        await client.add(**BUY)
        await client.add(**ETH_BUY)
        set_faults(sim, {"kind": "fire_dead_man"})
        await trio.sleep(0.1)
        assert {order.status for order in sim.truth.orders.values()} == {"canceled"}
        assert {order.reason for order in sim.truth.orders.values()} == {sim.exchange.settings.reason_dead_man}
        set_faults(sim, {"kind": "expire_token", "in_use": True, "method": "add_order", "nth": 1})
        assert await client.add(**BUY) == "ESession:Invalid session"


async def test_new_connections_are_refused_for_a_while(open_sim: Any, autojump_clock: Any) -> None:
    """Those that are there go on."""
    async with open_sim() as sim:
        client = await sim.ws()
        set_faults(sim, {"kind": "refuse_connections", "hold_s": 10})
        await trio.sleep(1)
        assert await sim.rest.raw("GET", "/0/public/Time", {}, b"") == (0, b"")
        assert (await client.call("ping"))["method"] == "pong"
        await trio.sleep(10)
        assert (await sim.rest.public("Time"))["error"] == []


async def test_a_stall_ends_when_it_is_cleared(open_sim: Any, autojump_clock: Any) -> None:
    """Half-open until somebody takes the fault away; then all that waited arrives."""
    async with open_sim() as sim:
        client = await sim.ws()
        (name,) = set_faults(sim, {"kind": "stall"})
        await trio.sleep(1)
        await ask(client, 101)
        await trio.sleep(100)
        assert not client.responses(101)
        assert sim.exchange.fault_book.clear(name) == 1
        await client.until(lambda: client.responses(101))


async def test_an_act_that_finds_nobody_is_counted_as_missed(open_sim: Any, autojump_clock: Any) -> None:
    """A kick without connections has not fired."""
    async with open_sim() as sim:
        set_faults(sim, {"kind": "kick"})
        await trio.sleep(1)
        (row,) = sim.exchange.fault_book.list()
        assert (row["fired"], row["missed"], row["over"]) == (0, 1, True)


async def test_faults_of_a_program_and_of_a_file_act_together(open_sim: Any, autojump_clock: Any) -> None:
    """What Python scripts and what the book holds are both consulted."""
    async with open_sim(faults=plan({"kind": "error", "method": "Balance"})) as sim:
        sim.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
        client = await sim.ws()
        await ask(client, 101)
        assert (await sim.rest.private("Balance"))["error"] == ["EService:Unavailable"]
        await trio.sleep(2)
        assert (len(sim.truth.orders), client.responses(101)) == (1, [])


async def test_a_name_is_taken_once_and_the_book_is_bounded(open_sim: Any, autojump_clock: Any) -> None:
    """A second fault of that name, or one too many, is a ValueError and sets nothing."""
    async with open_sim() as sim:
        assert set_faults(sim, {"kind": "kick", "name": "mine", "at_s": 99}) == ["mine"]
        with pytest.raises(ValueError, match="taken"):
            set_faults(sim, {"kind": "kick"}, {"kind": "kick", "name": "mine"})
        with pytest.raises(ValueError, match="at most"):
            set_faults(sim, *({"kind": "kick", "at_s": 99} for _ in range(1000)))
        assert len(sim.exchange.fault_book.list()) == 1
