"""python-kraken-sdk, unmodified, as any user runs it; only its addresses are set, as class attributes.

A program of its own: argument one is the exchange's ready line. Prints as JSON what was called.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from kraken.spot import Market, SpotAsyncClient, SpotClient, SpotOrderBookClient, SpotWSClient, Trade, User

from tests.sdk.reflected import Noted, public_methods

PAIR, SYMBOL = "XBTUSD", "BTC/USD"
LIMIT_S = 20.0
UPDATES = 40
FAR = "20000.0"
"""A buy at this price rests: the market walks around 50 000."""


class Inbox:
    """What a WebSocket client has received."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    async def take(self, message: Any) -> None:
        self.frames.append(message)
        self._news.set()

    async def until(self, wanted: Any, what: str) -> dict[str, Any]:
        """Wait for the first frame that fits."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not (found := [frame for frame in self.frames if wanted(frame)]):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(what) from None
        return found[0]

    async def answer(self, req_id: int) -> dict[str, Any]:
        """Wait for a request's answer, which must be a success."""
        frame = await self.until(lambda f: f.get("req_id") == req_id, f"no answer to {req_id}")
        assert frame["success"] is True, frame
        return frame

    async def row(self, channel: str, **members: Any) -> dict[str, Any]:
        """Wait for a row of a channel with these members."""

        def rows(frame: dict[str, Any]) -> list[dict[str, Any]]:
            data = frame.get("data", []) if frame.get("channel") == channel else []
            return [row for row in data if isinstance(row, dict) and members.items() <= row.items()]

        return rows(await self.until(rows, f"no row of {channel} with {members}"))[0]


def market() -> None:
    """Every public endpoint."""
    client = Noted(Market())
    began = time.monotonic()
    while not client.get_recent_trades(pair=PAIR)["XXBTZUSD"]:  # the market has just opened
        assert time.monotonic() < began + LIMIT_S
        time.sleep(0.1)
    assets = client.get_assets()
    assert assets["XXBT"]["altname"] == "XBT"
    assert list(client.get_assets(assets=["XBT"])) == ["XXBT"]
    pair = client.get_asset_pairs(pair=PAIR)["XXBTZUSD"]
    assert (pair["wsname"], pair["pair_decimals"], pair["lot_decimals"]) == ("XBT/USD", 1, 8)
    assert client.get_asset_pairs(pair=SYMBOL)[SYMBOL] == pair
    assert float(client.get_ticker(pair=PAIR)["XXBTZUSD"]["c"][0]) > 0
    candle = client.get_ohlc(pair=PAIR, interval=1)["XXBTZUSD"][-1]
    assert float(candle[3]) <= float(candle[4]) <= float(candle[2])
    book = client.get_order_book(pair=PAIR, count=5)["XXBTZUSD"]
    assert len(book["asks"]) == len(book["bids"]) == 5
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    assert client.get_recent_trades(pair=PAIR, count=1)["XXBTZUSD"]
    assert client.get_recent_spreads(pair=PAIR)["XXBTZUSD"]
    assert client.get_system_status()["status"] == "online"


def trade(key: dict[str, str]) -> str:
    """Every method of trading over REST; returns the id of an order that has filled."""
    client = Noted(Trade(**key))
    assert client.truncate("0.123456789", "volume", PAIR) == "0.12345678"
    checked = client.create_order("limit", "buy", PAIR, "0.001", price=FAR, validate=True)
    assert "txid" not in checked
    placed = client.create_order(
        "limit", "buy", PAIR, "0.001", price=FAR, cl_ord_id="sdk-1", truncate=True, oflags=["post"]
    )
    assert placed["descr"]["order"] == "buy 0.00100000 XBTUSD @ limit 20000.0"
    amended = client.amend_order(cl_ord_id="sdk-1", order_qty="0.002", limit_price="20001.0")
    assert amended["amend_id"].startswith("T")
    assert client.cancel_order(cl_ord_id="sdk-1")["count"] == 1
    plain = client.create_order("limit", "buy", PAIR, "0.001", price=FAR)["txid"][0]
    edited = client.edit_order(txid=plain, pair=PAIR, volume="0.003", price="20002.0")
    assert edited["originaltxid"] == plain != edited["txid"]
    assert client.cancel_order(txid=edited["txid"])["count"] == 1
    both = client.create_order_batch(
        [
            {"ordertype": "limit", "type": "buy", "volume": "0.001", "price": FAR, "cl_ord_id": "sdk-2"},
            {"ordertype": "limit", "type": "buy", "volume": "0.001", "price": FAR, "timeinforce": "GTC"},
        ],
        pair=PAIR,
    )
    ids = [order["txid"] for order in both["orders"]]
    assert client.cancel_order_batch(ids)["count"] == len(ids) == 2
    client.create_order("stop-loss", "sell", PAIR, "0.001", price=FAR)
    assert client.cancel_all_orders_after_x(timeout=60)["triggerTime"]
    assert client.cancel_all_orders_after_x(timeout=0)["triggerTime"] == "0"
    assert client.cancel_all_orders()["count"] == 1
    filled = client.create_order("market", "buy", PAIR, "0.002")["txid"][0]
    far = {"ordertype": "limit", "side": "buy", "pair": PAIR, "price": FAR}
    refused("KrakenInsufficientFundsError", lambda: client.create_order(**far, volume="1000"))
    refused("KrakenOrderMinimumNotMetError", lambda: client.create_order(**far, volume="0.00000001"))
    refused("KrakenUnknownOrderError", lambda: client.cancel_order(txid=ids[0]))
    return str(filled)


def refused(error: str, call: Callable[[], object]) -> None:
    """Make a call that must be refused with an error that the SDK has a class for."""
    try:
        call()
    except Exception as raised:
        if type(raised).__name__ == error:
            return
        raise
    raise AssertionError(f"no {error}")


def user(key: dict[str, str], filled: str) -> None:
    """Every question about the account."""
    client = Noted(User(**key))
    resting = Trade(**key).create_order("limit", "buy", PAIR, "0.001", price=FAR, userref=7)["txid"][0]
    assert float(client.get_account_balance()["XXBT"]) > 0
    assert float(client.get_balances()["ZUSD"]["hold_trade"]) > 0
    assert float(client.get_balance("XXBT")["available_balance"]) > 0
    assert float(client.get_trade_balance()["eb"]) > 0
    assert client.get_open_orders(userref=7, trades=True)["open"][resting]["userref"] == 7
    assert client.get_closed_orders(closetime="close")["closed"][filled]["status"] == "closed"
    info = client.get_orders_info(txid=[filled, resting], trades=True)
    assert info[resting]["status"] == "open"
    names = info[filled]["trades"]
    assert client.get_order_amends(order_id=resting)["count"] >= 0
    assert set(names) <= set(client.get_trades_history(consolidate_taker=False)["trades"])
    assert client.get_trades_info(txid=names[0])[names[0]]["ordertxid"] == filled
    assert not client.get_open_positions()
    ledger = client.get_ledgers_info(asset="XBT", type_="trade")["ledger"]
    entry = next(iter(ledger))
    assert client.get_ledgers(id_=entry)[entry]["refid"] in client.get_trades_history()["trades"]
    assert client.get_trade_volume(pair=PAIR)["fees"]["XXBTZUSD"]["fee"]
    Trade(**key).cancel_all_orders()


async def bare(key: dict[str, str]) -> None:
    """The clients beneath: one for threads, one for asyncio."""
    client = Noted(SpotClient(**key))
    assert client.return_unique_id
    first = client.get_nonce()
    assert client.get_nonce() > first
    assert client.request("POST", "/0/private/Balance")["ZUSD"]
    async with SpotAsyncClient(**key) as inner:
        other = Noted(inner)
        assert (await other.request("GET", "/0/public/Time", auth=False))["unixtime"] > 0
        assert (await other.request("POST", "/0/private/Balance"))["ZUSD"]
        await other.close()


async def streams(key: dict[str, str]) -> dict[str, list[str]]:
    """Every channel and every method of the WebSocket client; returns the names that were used."""
    inbox = Inbox()
    client = Noted(SpotWSClient(**key, callback=inbox.take))
    await client.start()
    used: dict[str, list[str]] = {"channels": [], "methods": []}

    async def subscribe(channel: str, **params: Any) -> None:
        used["channels"].append(channel)
        await client.subscribe({"channel": channel, **params}, req_id=100 + len(used["channels"]))
        await inbox.answer(100 + len(used["channels"]))

    async def ask(method: str, **params: Any) -> dict[str, Any]:
        used["methods"].append(method)
        req_id = 200 + len(used["methods"])
        await client.send_message({"method": method, "params": params, "req_id": req_id})
        return (await inbox.answer(req_id)).get("result", {})

    for channel in ("book", "ticker", "trade", "ohlc"):
        await subscribe(channel, symbol=[SYMBOL])
    await subscribe("instrument")
    await subscribe("executions", snap_orders=True, snap_trades=True)
    await subscribe("balances")
    assert await inbox.row("ticker", symbol=SYMBOL)
    assert await inbox.row("trade", symbol=SYMBOL)
    assert await inbox.row("ohlc", symbol=SYMBOL)
    assert await inbox.row("balances", asset="BTC")
    assert len(client.active_public_subscriptions) == 5
    assert len(client.active_private_subscriptions) == 2

    resting = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "limit_price": 20000.0}
    placed = await ask("add_order", symbol=SYMBOL, cl_ord_id="ws-1", **resting)
    await inbox.row("executions", exec_type="new", order_id=placed["order_id"], cl_ord_id="ws-1")
    await ask("amend_order", order_id=placed["order_id"], order_qty=0.002)
    await inbox.row("executions", exec_type="amended", order_id=placed["order_id"])
    plain = await ask("add_order", symbol=SYMBOL, **resting)
    edited = await ask("edit_order", order_id=plain["order_id"], symbol=SYMBOL, order_qty=0.003, limit_price=20001.0)
    await ask("cancel_order", order_id=[edited["order_id"]])
    await inbox.row("executions", exec_type="canceled", order_id=edited["order_id"])
    batch = await ask(
        "batch_add", symbol=SYMBOL, orders=[{**resting, "cl_ord_id": "ws-2"}, {**resting, "cl_ord_id": "ws-3"}]
    )
    await ask("batch_cancel", orders=[member["order_id"] for member in batch])
    for member in batch:
        await inbox.row("executions", exec_type="canceled", order_id=member["order_id"])
    await ask("cancel_all_orders_after", timeout=60)
    await ask("cancel_all_orders_after", timeout=0)
    await ask("add_order", symbol=SYMBOL, **resting)
    await ask("cancel_all")
    bought = await ask("add_order", symbol=SYMBOL, order_type="market", side="buy", order_qty=0.001)
    await inbox.row("executions", exec_type="trade", order_id=bought["order_id"])
    await inbox.row("executions", order_id=bought["order_id"], order_status="filled")
    await inbox.row("balances", asset="BTC", type="trade")

    await client.unsubscribe({"channel": "ticker", "symbol": [SYMBOL]}, req_id=300)
    await inbox.answer(300)
    assert (await client.get_ws_token())["token"]
    used["offered_channels"] = [*client.public_channel_names, *client.private_channel_names]
    used["offered_methods"] = list(client.private_methods)
    assert not client.exception_occur
    await client.close()
    return used


async def book(depth: int) -> int:
    """The order book client: it verifies the checksum of every update itself. Returns how many it took."""
    taken: list[bool] = []
    faults: list[dict[str, Any]] = []
    enough = asyncio.Event()

    async def look(pair: str, message: dict[str, Any]) -> None:
        taken.append(inner.get(pair)["valid"])
        if "error" in message:
            faults.append(message)
        if len(taken) >= UPDATES:
            enough.set()

    inner = SpotOrderBookClient(depth=depth, callback=look)
    client = Noted(inner)
    await client.start()
    await client.add_book([SYMBOL])
    async with asyncio.timeout(LIMIT_S):
        await enough.wait()
    held = client.get(SYMBOL)
    assert client.depth == depth
    assert min(len(held["bid"]), len(held["ask"])) >= 10
    best = [client.get_first(next(iter(held[side].items()))) for side in ("bid", "ask")]
    assert best[0] < best[1]
    assert all(taken), "a checksum did not fit"
    assert not faults
    await client.remove_book([SYMBOL])
    await client.on_book_update(SYMBOL, {})
    assert not client.exception_occur
    await client.close()
    return len(taken)


async def main(ready: dict[str, str]) -> None:
    """Point the package at the exchange and use all of it."""
    SpotClient.URL = SpotAsyncClient.URL = ready["rest"]
    host = ready["ws"].removesuffix("/v2")
    SpotWSClient.WS_URL = SpotWSClient.AUTH_WS_URL = host
    key = {"key": ready["api_key"], "secret": ready["api_secret"]}
    market()
    user(key, trade(key))
    await bare(key)
    used = await streams(key)
    updates = [await book(depth) for depth in (10, 100)]
    offered = {"offered": sorted(public_methods()), "used": sorted(Noted.used), "updates": updates}
    print(json.dumps({**offered, **used}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
