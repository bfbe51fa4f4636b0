"""Both counters of protocol section 5: by tier, exact to the documented examples; message and connection budgets."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.sim import TIERS
from engine.sim.numbers import NS
from engine.sim.rates import Counter, age_cost

LIMIT = {"side": "buy", "order_qty": 0.0001, "limit_price": 40000.0}
REST_LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.0001", "price": "40000.0"}
RATE = "EOrder:Rate limit exceeded"


def level(sim: Any) -> Decimal:
    return sim.exchange._venue.core.rates.level("client", "BTC/USD", sim.clock.now_ns())


async def subscribe_counted(sim: Any) -> Any:
    """Open a WebSocket whose executions carry the counter."""
    client = await sim.ws(private=False)
    client.token = (await sim.rest.ok("GetWebSocketsToken"))["token"]
    answer = await client.call("subscribe", channel="executions", ratecounter=True)
    return client, answer["result"]["maxratecount"]


@pytest.mark.parametrize(
    ("kind", "costs"),
    [("amend", (3, 2, 1, 0, 0, 0, 0)), ("edit", (6, 5, 4, 2, 1, 0, 0)), ("cancel", (8, 6, 5, 4, 2, 1, 0))],
)
def test_age_steps_are_the_documented_ones(kind: Any, costs: tuple[int, ...]) -> None:
    """Each column of the table begins at its second and not a nanosecond before."""
    starts = (0, 5, 10, 15, 45, 90, 300)
    assert tuple(age_cost(kind, start * NS) for start in starts) == costs
    assert tuple(age_cost(kind, start * NS - 1) for start in starts[1:]) == costs[:-1]
    assert age_cost("add", 0) == 0


def test_fifty_adds_and_ten_seconds_on_intermediate_leave_the_documented_level() -> None:
    """50 - 10 x 2.34 = 26.6, and a counter that is read in between is no less exact."""
    for steps in (1, 7):
        counter = Counter(TIERS["intermediate"].decay)
        counter.add(0, Decimal(50))
        for step in range(1, steps + 1):
            counter.add(10 * NS * step // steps, Decimal(0))
        assert counter.level(10 * NS).quantize(Decimal("0.000001")) == Decimal("26.6")


async def test_add_amend_cancel_costs_eight_as_documented(open_sim: Any, autojump_clock: Any) -> None:
    """Add 1, amend after 7 s 1+2, cancel 36 s after the amend 4; with no decay between, the sum is 8."""
    async with open_sim(tier="starter", processing_delay_s=0.0) as sim:
        client, _ = await subscribe_counted(sim)
        order = await client.add(**LIMIT)
        rows = client.rows()
        assert [row["ratecount"] for row in rows] == ["1.00", "1.00"]
        await trio.sleep(7)
        await client.call("amend_order", order_id=order["order_id"], limit_price=40001.0)
        assert client.rows()[-1]["ratecount"] == "3.00"  # the 1 of the add has decayed
        await trio.sleep(36)
        await client.call("cancel_order", order_id=[order["order_id"]])
        assert client.rows()[-1]["ratecount"] == "4.00"


@pytest.mark.parametrize(("tier", "threshold"), [("starter", 60), ("intermediate", 125), ("pro", 180)])
async def test_threshold_is_stated_and_kept_by_tier(
    open_sim: Any, autojump_clock: Any, tier: str, threshold: int
) -> None:
    """``maxratecount`` names the threshold; one request more is refused until the counter has decayed."""
    async with open_sim(tier=tier, processing_delay_s=0.0) as sim:
        client, stated = await subscribe_counted(sim)
        assert stated == threshold
        core = sim.exchange._venue.core
        core.rates.charge("client", "BTC/USD", sim.clock.now_ns(), Decimal(threshold))
        assert await client.add(**LIMIT) == RATE
        assert await client.add(**LIMIT | {"symbol": "ETH/USD", "limit_price": 20.0, "order_qty": 1}) != RATE
        await trio.sleep(3)
        assert "order_id" in await client.add(**LIMIT)


async def test_fixed_part_is_charged_though_validation_fails(open_sim: Any, autojump_clock: Any) -> None:
    """A wrong price costs its point on both transports; an unknown pair has no counter to charge."""
    async with open_sim(tier="starter", processing_delay_s=0.0) as sim:
        client = await sim.ws()
        await client.add(**LIMIT | {"limit_price": 40000.05})
        await client.add(**LIMIT | {"symbol": "NO/PE"})
        await client.add(**LIMIT | {"order_type": "nonsense"})
        await sim.rest.error("AddOrder", **REST_LIMIT | {"price": "-1"})
        assert 3 > level(sim) > Decimal("2.8")


async def test_cancel_over_the_threshold_does_not_happen_but_a_batch_does(open_sim: Any, autojump_clock: Any) -> None:
    """A single cancel is refused and leaves the order; a batch of cancels is taken and charged all the same."""
    async with open_sim(tier="starter", processing_delay_s=0.0) as sim:
        client = await sim.ws()
        ids = [(await client.add(**LIMIT))["order_id"] for _ in range(3)]
        sim.exchange._venue.core.rates.charge("client", "BTC/USD", sim.clock.now_ns(), Decimal(57))
        assert (await client.call("cancel_order", order_id=ids[:1]))["error"] == RATE
        assert await sim.rest.error("CancelOrder", txid=ids[0]) == RATE
        assert sim.truth.orders[ids[0]].status == "new"
        assert (await client.call("batch_cancel", orders=ids))["result"] == {"count": 3}
        assert level(sim) > 60 + 23


async def test_amend_that_ends_the_order_is_charged_as_a_cancel(open_sim: Any, autojump_clock: Any) -> None:
    """A quantity at or below what is filled cancels the rest at the price of a cancel."""
    async with open_sim(tier="pro", processing_delay_s=0.0) as sim:
        client = await sim.ws()
        order_id = (await client.add(**LIMIT | {"order_qty": 0.0002}))["order_id"]
        sim.take("sell", "0.0001")
        await client.call("amend_order", order_id=order_id, order_qty=0.0001)
        assert sim.truth.orders[order_id].status == "canceled"
        assert 9 > level(sim) > Decimal("8.5")


async def test_open_orders_per_pair_follow_the_tier(open_sim: Any, autojump_clock: Any) -> None:
    """Starter may have 60 open orders on a pair; the 61st is refused."""
    async with open_sim(tier="starter") as sim:
        client = await sim.ws()
        for _ in range(60):
            await client.add(**LIMIT)
            await trio.sleep(1)
        assert await client.add(**LIMIT) == "EOrder:Orders limit exceeded"


@pytest.mark.parametrize(("tier", "calls", "wait_s"), [("starter", 15, 40), ("intermediate", 20, 25), ("pro", 20, 13)])
async def test_rest_calls_are_counted_per_key(
    open_sim: Any, autojump_clock: Any, tier: str, calls: int, wait_s: float
) -> None:
    """The call over the bound is refused; orders are outside; waiting brings the calls back."""
    async with open_sim(tier=tier) as sim:
        burst = [await sim.rest.private("Balance") for _ in range(calls + 2)]
        assert [answer["error"] for answer in burst[calls + 1 :]] == [["EAPI:Rate limit exceeded"]]
        assert all(not answer["error"] for answer in burst[:calls])
        assert "txid" in await sim.rest.ok("AddOrder", **REST_LIMIT)
        await trio.sleep(wait_s)
        await sim.rest.ok("Balance")


@pytest.mark.parametrize(("cost", "calls"), [(2, 10), (4, 5)])
async def test_history_calls_cost_more(open_sim: Any, autojump_clock: Any, cost: int, calls: int) -> None:
    """TradesHistory costs two points, or four."""
    async with open_sim(tier="intermediate", rest_history_cost=cost) as sim:
        for _ in range(calls):
            await sim.rest.ok("TradesHistory")
        while not (answer := await sim.rest.private("TradesHistory"))["error"]:
            calls += 1
        assert answer["error"] == ["EAPI:Rate limit exceeded"]
        assert calls <= 20 // cost + 1


async def test_without_a_tier_nothing_is_refused_and_the_counter_is_still_told(
    open_sim: Any, autojump_clock: Any
) -> None:
    """Beyond 125 points requests pass, and the reports say so under the name that was set."""
    async with open_sim(ratecounter_field="rate_count", max_open_orders=500) as sim:
        client, stated = await subscribe_counted(sim)
        for _ in range(150):
            await client.add(**LIMIT)
        assert stated == 125
        assert Decimal(client.rows()[-1]["rate_count"]) > 125
        assert "rate_count" not in (await sim.ws()).rows("executions", "snapshot")[0]


async def test_charges_that_no_document_settles_are_switches(open_sim: Any, autojump_clock: Any) -> None:
    """A refused request may be free, and a post-only order canceled on arrival may cost a cancel."""
    switches = {"rate_refusal_is_charged": False, "post_only_cancel_is_charged": True, "post_only_manner": "cancel"}
    async with open_sim(tier="starter", processing_delay_s=0.0, **switches) as sim:
        client = await sim.ws()
        sim.quote("sell", "41000.0", "1")
        await client.add(**LIMIT | {"limit_price": 41000.0, "post_only": True})
        assert 9 >= level(sim) > Decimal("8.8")
        sim.exchange._venue.core.rates.charge("client", "BTC/USD", sim.clock.now_ns(), Decimal(51))
        before = level(sim)
        assert [await client.add(**LIMIT) for _ in range(3)] == [RATE] * 3
        assert level(sim) < before


async def test_message_rate_drops_what_is_too_much(open_sim: Any, autojump_clock: Any) -> None:
    """The message over the rate is answered by a bare error and has no effect; a second later all is well."""
    async with open_sim(ws_messages_per_s=5) as sim:
        client = await sim.ws()
        await trio.sleep(1)
        for number in range(7):
            await client.send(json.dumps({"method": "ping", "req_id": 100 + number}))
        await client.until(lambda: sum("Error" in frame for frame in client.frames) == 2)
        assert client.frames[-1] == {"Error": "Exceeded msg rate"}
        await trio.sleep(1)
        assert (await client.call("ping"))["method"] == "pong"


async def test_connection_attempts_over_the_budget_are_banned(open_sim: Any, autojump_clock: Any) -> None:
    """The attempt over the budget gets 429, and so does every one until the ban is over."""
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    async with open_sim(connection_budget=2, connection_ban_s=600) as sim:
        for _ in range(2):
            await sim.ws(private=False)
        for _ in range(2):
            assert (await sim.rest.raw("GET", "/v2", upgrade, b""))[0] == 429
        await trio.sleep(600)
        await sim.ws(private=False)
