"""The WebSocket connection: status, ping, heartbeats, public channels, tokens, bounds (protocol sections 5.4, 6)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.sim import SyntheticMarket
from engine.sim.numbers import rfc3339


async def test_status_first_then_ping_and_heartbeats_only_with_a_subscription(
    open_sim: Any, autojump_clock: Any
) -> None:
    """Status on open; pong without success; one heartbeat per quiet second once something is subscribed."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        pong = await client.call("ping")
        assert client.frames[0]["data"][0]["system"] == "online"
        assert client.frames[0]["data"][0]["connection_id"] > 2**53
        assert pong["method"] == "pong"
        assert "success" not in pong
        assert pong["time_in"].endswith("Z")
        await trio.sleep(5)
        assert client.channel("heartbeat") == []
        await client.call("subscribe", channel="ticker", symbol=["BTC/USD"])
        await trio.sleep(5.5)
        assert len(client.channel("heartbeat")) == 5


async def test_one_acknowledgement_per_symbol(open_sim: Any, autojump_clock: Any) -> None:
    """Each symbol is answered with the same req_id; an unknown one fails and names itself."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        good, bad = await client.call("subscribe", 2, channel="book", symbol=["BTC/USD", "XBT/USD"], depth=25)
        assert good["result"] == {"channel": "book", "symbol": "BTC/USD", "depth": 25, "snapshot": True}
        assert (bad["success"], bad["error"], bad["symbol"]) == (
            False,
            "Currency pair not supported XBT/USD",
            "XBT/USD",
        )
        again = await client.call("subscribe", channel="book", symbol=["BTC/USD"], depth=25)
        assert again["error"] == "Already subscribed"
        assert (await client.call("unsubscribe", channel="book", symbol=["BTC/USD"], depth=25))["success"]
        before = len(client.channel("book"))
        sim.quote("buy", "50000.0", "1")
        await trio.sleep(1)
        assert len(client.channel("book")) == before


async def test_book_deltas_keep_a_reader_in_step_at_every_depth(
    open_sim: Any, autojump_clock: Any, book_reader: Any
) -> None:
    """Over a busy synthetic market the reader's book has the sent checksum after every message."""
    market = SyntheticMarket(symbol="BTC/USD", start_price=Decimal(50000), levels=30, refresh_s=0.25)
    async with open_sim(synthetic=(market,)) as sim:
        client = await sim.ws(private=False)
        pair = sim.exchange.settings.pairs[0]
        for depth in (10, 25, 100):
            ws = client if depth == 10 else await sim.ws(private=False)
            reader, start = book_reader(depth, pair), len(ws.channel("book"))
            await ws.call("subscribe", channel="book", symbol=["BTC/USD"], depth=depth)
            await trio.sleep(4)
            frames = ws.channel("book")[start:]
            assert [frame["type"] for frame in frames[:2]] == ["snapshot", "update"]
            assert len(frames) > 200
            for frame in frames:
                reader.apply(frame["data"][0])


async def test_tickers_by_trades_or_by_best_prices(open_sim: Any, autojump_clock: Any) -> None:
    """event_trigger=trades updates on trades, bbo on a changed best level; both show the market after the command."""
    async with open_sim() as sim:
        by_trade, by_best = await sim.ws(private=False), await sim.ws(private=False)
        await by_trade.call("subscribe", channel="ticker", symbol=["BTC/USD"])
        await by_best.call("subscribe", channel="ticker", symbol=["BTC/USD"], event_trigger="bbo")
        sim.quote("sell", "50010.0", "1")
        sim.quote("sell", "50020.0", "1")
        sim.take("buy", "0.5")
        sim.print("49000.0")
        await trio.sleep(0.1)
        assert [row["last"] for row in by_trade.rows("ticker")] == ["50010.0", "49000.0"]
        assert [(row["ask"], row["ask_qty"]) for row in by_best.rows("ticker")] == [
            ("50010.0", "1.00000000"),
            ("50010.0", "0.50000000"),
        ]


async def test_trade_and_instrument_channels(open_sim: Any, autojump_clock: Any) -> None:
    """Trades count up per book; the trade snapshot is there on request only; instrument data is an object."""
    async with open_sim() as sim:
        sim.print("49000.0")
        client = await sim.ws(private=False)
        await client.call("subscribe", channel="trade", symbol=["BTC/USD"], snapshot=True)
        await client.call("subscribe", channel="instrument")
        sim.print("49001.0", side="buy")
        await trio.sleep(0.1)
        assert [row["trade_id"] for row in client.rows("trade", "snapshot")] == [1]
        assert [(row["trade_id"], row["side"], row["price"]) for row in client.rows("trade")] == [(2, "buy", "49001.0")]
        (frame,) = client.channel("instrument")
        assert frame["data"]["pairs"][0]["qty_min"] == "0.00005000"
        assert frame["data"]["pairs"][0]["price_increment"] == "0.1"


async def test_token_is_checked_and_lives_on_with_its_subscription(open_sim: Any, autojump_clock: Any) -> None:
    """A false or aged token is refused; one that holds a private subscription works beyond its life."""
    async with open_sim() as sim:
        stranger = await sim.ws(private=False)
        answer = await stranger.call("subscribe", channel="executions", token="nonsense")
        assert answer["error"] == "ESession:Invalid session"
        client = await sim.ws()
        unused = (await sim.rest.ok("GetWebSocketsToken"))["token"]
        await trio.sleep(901)
        assert "order_id" in await client.add(side="buy", order_qty=0.01, limit_price=50000.0)
        late = await sim.ws(private=False)
        late.token = unused
        assert await late.add(side="buy", order_qty=0.01, limit_price=50000.0) == "ESession:Invalid session"


async def test_deadline_default_floor_and_ceiling(open_sim: Any, autojump_clock: Any) -> None:
    """Past: elapsed. Beyond 60 s: bad argument. Nearer than 0.5 s: taken, or refused by switch."""
    order = {"side": "buy", "order_qty": 0.01, "limit_price": 50000.0}
    async with open_sim() as sim:
        client = await sim.ws()
        assert await client.add(**order, deadline="2025-12-31T23:59:59Z") == "EService:Deadline elapsed"
        assert await client.add(**order, deadline="2026-01-01T00:02:00Z") == "EGeneral:Invalid arguments:deadline"
        assert await client.add(**order, deadline="tomorrow") == "EGeneral:Invalid arguments:deadline"
        near = rfc3339(sim.clock.now_ns() + 300_000_000)
        assert "order_id" in await client.add(**order, deadline=near)
    async with open_sim(enforce_deadline_floor=True) as sim:
        client = await sim.ws()
        near = rfc3339(sim.clock.now_ns() + 300_000_000)
        assert await client.add(**order, deadline=near) == "EGeneral:Invalid arguments:deadline"


async def test_default_deadline_is_five_seconds(open_sim: Any, autojump_clock: Any) -> None:
    """An order without a deadline that reaches the engine after 5 s is refused."""
    async with open_sim(processing_delay_s=5.1) as sim:
        client = await sim.ws()
        params = {"symbol": "BTC/USD", "order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 50000.0}
        await client.send(json.dumps({"method": "add_order", "params": params | {"token": client.token}, "req_id": 99}))
        await client.until(lambda: client.responses(99), seconds=9)
        assert client.responses(99)[0]["error"] == "EService:Deadline elapsed"


async def test_batch_cancel_and_validate(open_sim: Any, autojump_clock: Any) -> None:
    """batch_cancel takes 2..50 ids and answers once with a count; validate places nothing."""
    async with open_sim() as sim:
        client = await sim.ws()
        order = {"side": "buy", "order_qty": 0.01, "limit_price": 50000.0}
        ids = [(await client.add(**order))["order_id"] for _ in range(3)]
        assert (await client.call("batch_cancel", orders=ids[:1]))["error"] == "EGeneral:Invalid arguments:orders"
        assert (await client.call("batch_cancel", orders=ids[:2]))["result"] == {"count": 2}
        assert await client.add(**order, validate=True) == {}
        assert len(sim.truth.orders) == 3


async def test_hosts_can_be_split_into_public_and_private(open_sim: Any, autojump_clock: Any) -> None:
    """With the switch ws-auth serves no market data and the other host no private methods."""
    async with open_sim(split_hosts=True) as sim:
        token = (await sim.rest.ok("GetWebSocketsToken"))["token"]
        public, private = await sim.ws(private=False), await sim.ws(private=False, host="ws-auth.kraken.test")
        results = [
            (await client.call("subscribe", channel=channel, symbol=["BTC/USD"], token=token))["success"]
            for client in (public, private)
            for channel in ("ticker", "executions")
        ]
        assert results == [True, False, False, True]


async def test_slow_reader_is_closed_and_others_are_served(open_sim: Any, autojump_clock: Any) -> None:
    """A connection whose queue of frames is full is closed; the exchange goes on."""
    async with open_sim(ws_out_frames=8) as sim:
        client, other = await sim.ws(private=False), await sim.ws(private=False)
        await client.call("subscribe", channel="trade", symbol=["BTC/USD"])
        for _ in range(20):
            sim.print("49000.0")
        await client.until(lambda: client.closed is not None)
        assert (client.closed.code, client.closed.reason) == (1008, "slow consumer")
        assert (await other.call("ping"))["method"] == "pong"


async def test_idle_connection_without_subscription_is_closed(open_sim: Any, autojump_clock: Any) -> None:
    """A minute without traffic and without a subscription ends the connection."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        await trio.sleep(50)
        await client.call("ping")
        await trio.sleep(50)
        assert client.closed is None
        await client.until(lambda: client.closed is not None, seconds=12)


@pytest.mark.parametrize("path", ["/v1", "/"])
async def test_other_paths_are_rejected(open_sim: Any, autojump_clock: Any, path: str) -> None:
    """A WebSocket handshake anywhere but at /v2 gets a 404."""
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    async with open_sim() as sim:
        status, _ = await sim.rest.raw("GET", path, upgrade | {"sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw=="}, b"")
        assert status == 404
