"""Every channel of WebSocket v2: options, digits, snapshots and updates, errors (protocol sections 6.5, 6.6, 9.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio

BAD = "EGeneral:Invalid arguments:"
BUY = {"side": "buy", "order_qty": 0.02, "limit_price": 50000.0}


class Raw:
    """The bytes of one WebSocket as they came, beside the decoded frames."""

    def __init__(self, client: Any) -> None:
        self.texts: list[str] = []
        get = client.ws.get_message

        async def listen() -> Any:
            text = await get()
            self.texts.append(text)
            return text

        client.ws.get_message = listen

    def last(self, channel: str) -> str:
        return next(text for text in reversed(self.texts) if f'"channel":"{channel}"' in text and '"data"' in text)


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
async def test_book_snapshot_and_updates_at_every_depth(
    open_sim: Any, autojump_clock: Any, depth: int, book_reader: Callable[[int, Any], Any]
) -> None:
    """A book deeper than the depth: levels fall out and come back in, and the checksum holds after every message."""
    async with open_sim() as sim:
        for level in range(depth + 5):
            sim.quote("sell", str(Decimal("50000.1") + level * Decimal("0.1")), "0.5")
            sim.quote("buy", str(Decimal("50000.0") - level * Decimal("0.1")), "0.25")
        client = await sim.ws(private=False)
        reader = book_reader(depth, sim.exchange.settings.pairs[0])
        ack = await client.call("subscribe", channel="book", symbol=["BTC/USD"], depth=depth)
        assert ack["result"] == {"channel": "book", "symbol": "BTC/USD", "depth": depth, "snapshot": True}
        sim.take("buy", "1.7")
        sim.take("sell", "1.1")
        sim.quote("sell", "50000.1", "0.125")
        sim.quote("buy", str(Decimal("50000.0") - (depth + 50) * Decimal("0.1")), "1")
        sim.quote("buy", "49999.95".rstrip("5"), "0.2")
        sim.house.clear("BTC/USD")
        await trio.sleep(0.1)
        frames = client.channel("book")
        assert (frames[0]["type"], len(frames[0]["data"][0]["asks"])) == ("snapshot", depth)
        for frame in frames:
            reader.apply(frame["data"][0])
        assert reader.sides == {"bids": {}, "asks": {}}


async def test_quotes_beyond_the_depth_are_not_told(open_sim: Any, autojump_clock: Any) -> None:
    """A level below the tenth is no frame at depth 10 until those above it go; then it comes in with its quantity."""
    async with open_sim() as sim:
        for level in range(10):
            sim.quote("buy", f"4999{level}.0", "1")
        client = await sim.ws(private=False)
        await client.call("subscribe", channel="book", symbol=["BTC/USD"])
        sim.quote("buy", "49000.0", "3")
        await trio.sleep(0.1)
        assert client.rows("book") == []
        sim.take("sell", "1")
        await client.until(lambda: client.rows("book"))
        assert [level["price"] for level in client.rows("book")[0]["bids"]] == ["49999.0", "49000.0"]
        assert [level["qty"] for level in client.rows("book")[0]["bids"]] == ["0.00000000", "3.00000000"]


async def test_matches_of_one_order_are_one_trade_frame(open_sim: Any, autojump_clock: Any) -> None:
    """A sweep over three makers is three rows of one frame, numbered in order; numbers keep their zeros."""
    async with open_sim() as sim:
        for level in range(3):
            sim.quote("sell", f"5000{level}.0", "0.1")
        client = await sim.ws(private=False)
        raw = Raw(client)
        await client.call("subscribe", channel="trade", symbol=["BTC/USD"])
        sim.take("buy", "0.3")
        await client.until(lambda: client.channel("trade"))
        (frame,) = client.channel("trade")
        assert [(row["trade_id"], row["ord_type"], row["side"]) for row in frame["data"]] == [
            (number, "market", "buy") for number in (1, 2, 3)
        ]
        assert '"price":50000.0,"qty":0.10000000,' in raw.last("trade")


async def test_candles_are_sent_on_trades_with_their_interval(open_sim: Any, autojump_clock: Any) -> None:
    """The snapshot has the candles there are, each trade sends the running one; intervals are subscriptions apart."""
    async with open_sim() as sim:
        sim.print("50000.0", qty="1")
        await trio.sleep(61)
        sim.print("50010.0", qty="1")
        client = await sim.ws(private=False)
        raw = Raw(client)
        ack = await client.call("subscribe", channel="ohlc", symbol=["BTC/USD"], interval=5)
        assert ack["result"] == {
            "channel": "ohlc",
            "symbol": "BTC/USD",
            "interval": 5,
            "snapshot": True,
            "warnings": ["timestamp is deprecated, use interval_begin"],
        }
        await client.call("subscribe", channel="ohlc", symbol=["BTC/USD"])
        sim.print("50020.0", qty="0.5")
        await trio.sleep(0.1)
        five, one = client.channel("ohlc")[:2]
        assert ([row["trades"] for row in five["data"]], [row["trades"] for row in one["data"]]) == ([2], [1, 1])
        assert re.fullmatch(r"2026-01-01T00:01:01\.\d{6}Z", five["timestamp"])
        updates = client.rows("ohlc")
        assert [(row["interval"], row["close"], row["trades"]) for row in updates] == [
            (1, "50020.0", 2),
            (5, "50020.0", 3),
        ]
        assert updates[1] == {
            "symbol": "BTC/USD",
            "open": "50000.0",
            "high": "50020.0",
            "low": "50000.0",
            "close": "50020.0",
            "trades": 3,
            "volume": "2.50000000",
            "vwap": "50008.0",
            "interval_begin": "2026-01-01T00:00:00.000000000Z",
            "interval": 5,
            "timestamp": "2026-01-01T00:05:00.000000Z",
        }
        assert '"vwap":50008.0,' in raw.last("ohlc")
        gone = await client.call("unsubscribe", channel="ohlc", symbol=["BTC/USD"], interval=5)
        assert gone["result"] == {"channel": "ohlc", "symbol": "BTC/USD", "interval": 5}
        sim.print("50030.0")
        await trio.sleep(0.1)
        assert [row["interval"] for row in client.rows("ohlc")] == [1, 5, 1]


async def test_changed_pair_is_told_alone(open_sim: Any, autojump_clock: Any) -> None:
    """A pair's own status is an instrument update with that row; the venue's mode changes all pairs and is status."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        ack = await client.call("subscribe", channel="instrument", include_tokenized_assets=False)
        assert ack["result"] == {"channel": "instrument", "snapshot": True}
        sim.exchange.set_status("reduce_only", "ETH/USD")
        sim.exchange.set_status("maintenance")
        sim.exchange.set_status("online")
        await trio.sleep(0.1)
        whole, one, closed, open_again = (frame["data"] for frame in client.channel("instrument"))
        assert (len(whole["assets"]), len(whole["pairs"])) == (4, 3)
        assert [(row["symbol"], row["status"]) for row in one["pairs"]] == [("ETH/USD", "reduce_only")]
        assert {row["status"] for row in closed["pairs"]} == {"maintenance"}
        assert [row["status"] for row in open_again["pairs"]] == ["online", "reduce_only", "online"]
        assert [row["system"] for row in client.rows("status")] == ["online", "maintenance", "online"]
        pair = whole["pairs"][0]
        types = {"symbol": str, "base": str, "quote": str, "status": str, "marginable": bool, "has_index": bool}
        types |= dict.fromkeys(("qty_precision", "price_precision", "cost_precision"), int)
        assert all(type(pair[name]) is kind for name, kind in types.items())
        assert (pair["cost_min"], pair["qty_increment"], pair["tick_size"]) == ("0.50000", "0.00000001", "0.1")


async def test_ticker_writes_every_member_to_its_digits(open_sim: Any, autojump_clock: Any) -> None:
    """Prices to the pair's precision, quantities to eight digits, the change in percent to two; snapshot on request."""
    async with open_sim() as sim:
        sim.quote("buy", "49999.0", "1")
        sim.print("50000.0", qty="1")
        sim.print("50555.0", qty="1")
        client = await sim.ws(private=False)
        raw = Raw(client)
        await client.call("subscribe", channel="ticker", symbol=["BTC/USD"])
        await client.until(lambda: client.channel("ticker"))
        assert (
            '"bid":49999.0,"bid_qty":1.00000000,"ask":0.0,"ask_qty":0.00000000,"last":50555.0,"volume":2.00000000,'
            '"vwap":50277.5,"low":50000.0,"high":50555.0,"change":555.0,"change_pct":1.11,"timestamp":"2026-'
        ) in raw.last("ticker")
        other = await sim.ws(private=False)
        await other.call("subscribe", channel="ticker", symbol=["BTC/USD"], snapshot=False)
        await trio.sleep(0.1)
        assert other.channel("ticker") == []


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": 11}, BAD + "depth"),
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": True}, BAD + "depth"),
        ({"channel": "book", "symbol": "BTC/USD"}, BAD + "symbol"),
        ({"channel": "book", "symbol": []}, BAD + "symbol"),
        ({"channel": "book", "symbol": [1]}, BAD + "symbol"),
        ({"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 2}, BAD + "interval"),
        ({"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "book"}, BAD + "event_trigger"),
        ({"channel": "trade", "symbol": ["XBT/USD"]}, "Currency pair not supported XBT/USD"),
        ({"channel": "trade", "symbol": ["BTC/USD"], "snapshot": "yes"}, BAD + "snapshot"),
        ({"channel": "instrument", "execution_venue": "moon"}, BAD + "execution_venue"),
        ({"channel": "instrument", "include_tokenized_assets": 1}, BAD + "include_tokenized_assets"),
        ({"channel": "level3", "symbol": ["BTC/USD"]}, BAD + "channel"),
        ({"channel": 7}, BAD + "channel"),
        ({}, BAD + "channel"),
        ({"channel": "executions"}, "ESession:Invalid session"),
        ({"channel": "balances", "token": 7}, "ESession:Invalid session"),
    ],
)
async def test_bad_subscriptions_say_what_is_wrong(
    open_sim: Any, autojump_clock: Any, params: dict[str, Any], error: str
) -> None:
    """Each is refused with its reason, in subscribe as in unsubscribe, and the connection lives on."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        for method in ("subscribe", "unsubscribe"):
            answer = await client.call(method, **params)
            assert (answer["method"], answer["success"], answer["error"]) == (method, False, error)
            assert "result" not in answer
            assert answer["time_in"] <= answer["time_out"]
        assert (await client.call("ping"))["method"] == "pong"


async def test_what_is_no_request_is_answered_without_a_method(open_sim: Any, autojump_clock: Any) -> None:
    """An unknown method is named and its req_id echoed; without req_id none is; text that is no JSON object fails."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        assert (await client.call("dance"))["error"] == BAD + "method"
        for text in ('{"method":"subscribe"}', "[]", "hello", '{"req_id":"x","method":"ping"}'):
            before = len(client.frames)
            await client.send(text)
            await client.until(lambda before=before: len(client.frames) > before)
            assert client.frames[-1]["success"] is False
            assert "req_id" not in client.frames[-1]
        answer = await client.call("subscribe", channel="trade", symbol=["BTC/USD"], colour="red")
        assert answer["success"] is True


async def test_what_is_not_subscribed_cannot_be_left(open_sim: Any, autojump_clock: Any) -> None:
    """Unsubscribe takes the same identifying members; a second subscribe is refused; the private ones alike."""
    async with open_sim() as sim:
        client = await sim.ws()
        assert (await client.call("unsubscribe", channel="trade", symbol=["BTC/USD"]))["error"] == (
            "Subscription Not Found"
        )
        assert (await client.call("subscribe", channel="balances"))["error"] == "Already subscribed"
        assert (await client.call("unsubscribe", channel="balances"))["result"] == {"channel": "balances"}
        assert (await client.call("unsubscribe", channel="balances"))["error"] == "Subscription Not Found"


async def test_executions_acknowledge_what_they_will_send(open_sim: Any, autojump_clock: Any) -> None:
    """Options are echoed, the threshold on request; for all users there is no snapshot; defaults are switches."""
    async with open_sim(snap_trades_default=True) as sim:
        client = await sim.ws(private=False)
        client.token = (await sim.rest.ok("GetWebSocketsToken"))["token"]
        ack = await client.call("subscribe", channel="executions", ratecounter=True)
        assert ack["result"] == {
            "channel": "executions",
            "snap_orders": True,
            "snap_trades": True,
            "maxratecount": 125,
        }
        await client.until(lambda: client.channel("executions"))
        assert client.channel("executions")[0]["data"] == []
        other = await sim.ws(private=False)
        ack = await other.call("subscribe", channel="executions", users="all", token=client.token)
        assert ack["result"] == {"channel": "executions", "snap_orders": False, "snap_trades": False}
        for bad in ({"users": "me"}, {"snap_orders": 1}, {"order_status": "x"}, {"ratecounter": "x"}, {"rebased": 1}):
            stranger = await sim.ws(private=False)
            answer = await stranger.call("subscribe", channel="executions", token=client.token, **bad)
            assert answer["error"] == BAD + next(iter(bad))


async def test_balance_rows_say_wallet_type_and_running_total(open_sim: Any, autojump_clock: Any) -> None:
    """The snapshot has a row per asset with its wallet; a fill is two frames; a deposit is one of its own type."""
    async with open_sim() as sim:
        client = await sim.ws()
        raw = Raw(client)
        await client.until(lambda: client.channel("balances"))
        usd = client.rows("balances", "snapshot")[0]
        wallet = {"type": "spot", "id": "main", "balance": "100000.0000"}
        assert usd == {"asset": "USD", "asset_class": "currency", "balance": "100000.0000", "wallets": [wallet]}
        await client.add(**BUY)
        sim.take("sell", "0.02")
        core = sim.exchange._venue.core
        core.pay_in(core.accounts["client"], "USD", Decimal("12.5"))
        await client.until(lambda: len(client.rows("balances")) == 3)
        assert [frame["sequence"] for frame in client.channel("balances")] == [1, 2, 3, 4]
        base, quote, deposit = client.rows("balances")
        ledger = (await sim.rest.ok("Ledgers"))["ledger"]
        assert list(ledger)[:3] == [deposit["ledger_id"], quote["ledger_id"], base["ledger_id"]]
        assert (deposit["type"], deposit["category"], deposit["amount"]) == ("deposit", "deposit", "12.5000")
        assert deposit["balance"] == (await sim.rest.ok("Balance"))["ZUSD"]
        assert (deposit["wallet_type"], deposit["wallet_id"]) == ("spot", "main")
        assert '"amount":12.5000,"fee":0.0000,' in raw.last("balances")


async def test_private_numbers_keep_their_zeros(open_sim: Any, autojump_clock: Any) -> None:
    """The recorded forms of section 6.4: quantity with eight digits, price with the pair's, the counter a number."""
    async with open_sim() as sim:
        client = await sim.ws(private=False)
        raw = Raw(client)
        client.token = (await sim.rest.ok("GetWebSocketsToken"))["token"]
        await client.call("subscribe", channel="executions", ratecounter=True)
        await client.add(**BUY)
        await client.until(lambda: len(client.rows()) == 2)
        first = next(text for text in raw.texts if '"pending_new"' in text)
        for part in ('"order_qty":0.02000000,', '"limit_price":50000.0,', '"stop_price":0.0,', '"cum_cost":0.00000,'):
            assert part in first
        assert '"fee_usd_equiv":0.0000,' in first
        assert json.loads(first)["sequence"] == 2
