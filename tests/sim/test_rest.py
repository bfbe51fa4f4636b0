"""REST over the virtual wire: authentication, order entry, queries, errors (protocol sections 1 to 4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}


async def test_public_endpoints_have_the_documented_shapes(open_sim: Any, autojump_clock: Any) -> None:
    """Time, SystemStatus, Assets, AssetPairs, Ticker, Depth and Trades answer with their keys and types."""
    async with open_sim() as sim:
        sim.quote("sell", "50010.0", "1.5")
        sim.quote("buy", "49990.0", "0.25")
        sim.take("buy", "0.5")
        rest = sim.rest
        assert (await rest.public("Time"))["result"]["rfc1123"] == "Thu, 01 Jan 26 00:00:00 +0000"
        assert (await rest.public("SystemStatus"))["result"]["status"] == "online"
        assert (await rest.public("Assets", asset="XBT"))["result"]["XXBT"]["decimals"] == 10
        for name in ("XBTUSD", "XXBTZUSD"):
            pairs = (await rest.public("AssetPairs", pair=name))["result"]
            assert list(pairs) == ["XXBTZUSD"]
        assert (pairs["XXBTZUSD"]["tick_size"], pairs["XXBTZUSD"]["ordermin"]) == ("0.1", "0.00005")
        assert pairs["XXBTZUSD"]["fees_maker"] == [[0, "0.25"]]
        ticker = (await rest.public("Ticker", pair="XBTUSD"))["result"]["XXBTZUSD"]
        assert (ticker["a"], ticker["c"]) == (["50010.00000", "1", "1.000"], ["50010.00000", "0.50000000"])
        depth = (await rest.public("Depth", pair="XBTUSD", count=5))["result"]["XXBTZUSD"]
        assert depth["bids"] == [["49990.00000", "0.25000000", 1767225600]]
        trades = (await rest.public("Trades", pair="XBTUSD"))["result"]
        assert trades["XXBTZUSD"][0][:2] == ["50010.00000", "0.50000000"]
        assert (await rest.public("Trades", pair="XBTUSD", since=trades["last"]))["result"]["XXBTZUSD"] == []
        assert (await rest.public("Depth", pair="NOPE"))["error"] == ["EQuery:Unknown asset pair"]
        assert (await rest.public("Nothing"))["error"] == ["EGeneral:Unknown method"]


async def test_signature_nonce_and_key_are_checked(open_sim: Any, autojump_clock: Any) -> None:
    """A wrong key, signature, repeated or missing nonce are refused with their own errors."""
    async with open_sim() as sim:
        rest = sim.rest

        async def error(name: str, nonce: str, body: bytes) -> str:
            return json.loads((await rest.signed(name, nonce, body))[1])["error"][0]

        assert "result" in json.loads((await rest.signed("Balance", "5", b"nonce=5"))[1])
        assert await error("Balance", "5", b"nonce=5") == "EAPI:Invalid nonce"
        assert await error("Balance", "4", b"nonce=4") == "EAPI:Invalid nonce"
        assert await error("Balance", "7", b"nonce=8") == "EAPI:Invalid signature"
        assert await error("Balance", "", b"") == "EAPI:Invalid nonce"
        rest.key = "unknown"
        assert await error("Balance", "9", b"nonce=9") == "EAPI:Invalid key"


async def test_form_and_json_bodies_are_the_same_order(open_sim: Any, autojump_clock: Any) -> None:
    """AddOrder answers with a description and a list of one txid for both body kinds."""
    async with open_sim() as sim:
        for as_json in (False, True):
            result = await sim.rest.ok("AddOrder", as_json=as_json, **LIMIT)
            assert result["descr"]["order"] == "buy 0.01000000 XBTUSD @ limit 50000.0"
            assert list(sim.truth.orders)[-1:] == result["txid"]


async def test_order_object_through_its_life(open_sim: Any, autojump_clock: Any) -> None:
    """OpenOrders, QueryOrders and ClosedOrders show limit in descr, average in price, fills on request."""
    async with open_sim() as sim:
        rest = sim.rest
        txid = (await rest.ok("AddOrder", cl_ord_id="bot-1", oflags="post", **LIMIT))["txid"][0]
        sim.take("sell", "0.004")
        order = (await rest.ok("OpenOrders", cl_ord_id="bot-1", trades="true"))["open"][txid]
        assert (order["status"], order["vol"], order["vol_exec"], order["cost"]) == (
            "open",
            "0.01000000",
            "0.00400000",
            "200.00000",
        )
        assert (order["price"], order["descr"]["price"], order["misc"]) == ("50000.0", "50000.0", "partial")
        assert (order["oflags"], len(order["trades"])) == ("fciq,post", 1)
        assert (await rest.ok("OpenOrders", cl_ord_id="other"))["open"] == {}
        assert await rest.ok("CancelOrder", cl_ord_id="bot-1") == {"count": 1}
        closed = await rest.ok("ClosedOrders", cl_ord_id="bot-1")
        assert closed["count"] == 1
        assert (closed["closed"][txid]["status"], closed["closed"][txid]["reason"]) == ("canceled", "User requested")
        assert (await rest.ok("QueryOrders", txid=txid))[txid]["cl_ord_id"] == "bot-1"
        assert await rest.error("CancelOrder", txid=txid) == "EOrder:Unknown order"
        assert await rest.error("QueryOrders", txid="OAAAAA-AAAAA-AAAAAA") == "EOrder:Invalid order"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"pair": "XBTEUR"}, "EQuery:Unknown asset pair"),
        ({"volume": "0.00001"}, "EOrder:Order minimum not met"),
        ({"price": "1.0"}, "EOrder:Cost minimum not met"),
        ({"price": "50000.05"}, "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals."),
        ({"volume": "10"}, "EOrder:Insufficient funds"),
        ({"volume": "1e999999"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "NaN"}, "EGeneral:Invalid arguments:volume"),
        ({"price": ""}, "EGeneral:Invalid arguments:price"),
        ({"ordertype": "iceberg"}, "EGeneral:Invalid arguments:display_qty"),
        ({"cl_ord_id": "x" * 22}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"cl_ord_id": "a", "userref": "1"}, "EGeneral:Invalid arguments:cl_ord_id and userref are exclusive"),
        ({"deadline": "2025-12-31T23:59:00Z"}, "EService:Deadline elapsed"),
        ({"deadline": "2026-01-01T00:02:00Z"}, "EGeneral:Invalid arguments:deadline"),
        ({"timeinforce": "GTD"}, "EGeneral:Invalid arguments:expiretm"),
        ({"leverage": "7"}, "EGeneral:Invalid arguments:leverage"),
    ],
)
async def test_refusals_name_their_reason_and_leave_nothing(
    open_sim: Any, autojump_clock: Any, change: dict[str, str], error: str
) -> None:
    """A refused order has the documented error, no order, no hold; its request is on record."""
    async with open_sim() as sim:
        assert await sim.rest.error("AddOrder", **(LIMIT | change)) == error
        assert sim.truth.orders == {}
        assert sim.truth.held() == {}
        assert [request[1:3] for request in sim.truth.requests] == [("rest", "AddOrder")]


async def test_client_id_is_unique_among_open_orders_only(open_sim: Any, autojump_clock: Any) -> None:
    """A second open order of the same id is refused, dashes or not; after the end the id is free."""
    async with open_sim() as sim:
        rest, uuid = sim.rest, "6d1b345e-2821-40e2-ad83-4ecb18a06876"
        await rest.ok("AddOrder", cl_ord_id=uuid, **LIMIT)
        duplicate = await rest.error("AddOrder", cl_ord_id=uuid.replace("-", "").upper(), **LIMIT)
        assert duplicate == "EGeneral:Invalid arguments:cl_ord_id"
        await rest.ok("CancelOrder", cl_ord_id=uuid)
        assert (await rest.ok("AddOrder", cl_ord_id=uuid, **LIMIT))["txid"]
        assert len((await rest.ok("ClosedOrders", cl_ord_id=uuid))["closed"]) == 1


@pytest.mark.parametrize(("text", "switch"), [("true", False), ("1", False), ("false", True)])
async def test_validate_places_nothing(open_sim: Any, autojump_clock: Any, text: str, switch: bool) -> None:
    """A description, no txid, no order; by the switch any text does that, as was once reported."""
    async with open_sim(any_validate_text_validates=switch) as sim:
        result = await sim.rest.ok("AddOrder", validate=text, **LIMIT)
        assert list(result) == ["descr"]
        assert sim.truth.orders == {}


async def test_validate_false_places(open_sim: Any, autojump_clock: Any) -> None:
    """Clients that always send validate=False place real orders; what is neither true nor false is refused."""
    async with open_sim() as sim:
        assert (await sim.rest.ok("AddOrder", validate="False", **LIMIT))["txid"]
        assert await sim.rest.error("AddOrder", validate="perhaps", **LIMIT) == "EGeneral:Invalid arguments:validate"


async def test_pages_of_fifty_newest_first(open_sim: Any, autojump_clock: Any) -> None:
    """ClosedOrders and TradesHistory page by 50 with a count; start is exclusive."""
    async with open_sim() as sim:
        rest = sim.rest
        sim.quote("sell", "50000.0", "1")
        ids = [(await rest.ok("AddOrder", **LIMIT))["txid"][0] for _ in range(53)]
        first = await rest.ok("ClosedOrders")
        assert (list(first["closed"]), first["count"]) == (ids[:2:-1], 53)
        assert list((await rest.ok("ClosedOrders", ofs=50))["closed"]) == ids[2::-1]
        assert list((await rest.ok("ClosedOrders", start=ids[51], closetime="open"))["closed"]) == ids[52:]
        history = await rest.ok("TradesHistory", ofs=50, consolidate_taker="false")
        assert [row["ordertxid"] for row in history["trades"].values()] == ids[2::-1]
        assert "count" not in await rest.ok("TradesHistory", without_count="true")


async def test_taker_fills_are_consolidated_unless_told_otherwise(open_sim: Any, autojump_clock: Any) -> None:
    """Two fills of one taker order are one row by default, two with consolidate_taker=false."""
    async with open_sim() as sim:
        rest = sim.rest
        sim.quote("sell", "49990.0", "0.004")
        sim.quote("sell", "50000.0", "0.01")
        await rest.ok("AddOrder", **LIMIT)
        (merged,) = (await rest.ok("TradesHistory"))["trades"].values()
        assert (merged["vol"], merged["cost"], merged["maker"]) == ("0.01000000", "499.96000", False)
        single = (await rest.ok("TradesHistory", consolidate_taker="false"))["trades"]
        assert [row["vol"] for row in single.values()] == ["0.00600000", "0.00400000"]
        assert list(await rest.ok("QueryTrades", txid=",".join(single))) == list(single)


async def test_account_endpoints(open_sim: Any, autojump_clock: Any) -> None:
    """Balance, BalanceEx, TradeBalance, TradeVolume, GetApiKeyInfo and the token answer as documented."""
    async with open_sim() as sim:
        rest = sim.rest
        await rest.ok("AddOrder", **LIMIT)
        assert (await rest.ok("Balance"))["ZUSD"] == "100000.0000"
        assert (await rest.ok("BalanceEx"))["ZUSD"] == {"balance": "100000.0000", "hold_trade": "502.0000"}
        assert (await rest.ok("TradeBalance"))["mf"] == "100000.0000"
        volume = await rest.ok("TradeVolume", pair="XBTUSD")
        assert (volume["fees"]["XXBTZUSD"]["fee"], volume["fees_maker"]["XXBTZUSD"]["fee"]) == ("0.4000", "0.2500")
        assert (await rest.ok("GetApiKeyInfo"))["nonce"] == str(rest.nonce)
        assert (await rest.ok("GetWebSocketsToken"))["expires"] == 900


async def test_batch_cancel_and_amend(open_sim: Any, autojump_clock: Any) -> None:
    """CancelOrderBatch counts what it canceled; AmendOrder answers with an amend id."""
    async with open_sim() as sim:
        rest = sim.rest
        ids = [(await rest.ok("AddOrder", **LIMIT))["txid"][0] for _ in range(3)]
        assert (await rest.ok("AmendOrder", txid=ids[0], order_qty="0.02"))["amend_id"].startswith("T")
        assert await rest.ok("CancelOrderBatch", as_json=True, orders=[*ids[:2], "OXXXXX-XXXXX-XXXXXX"]) == {"count": 2}
        assert await rest.error("AmendOrder", txid=ids[0], order_qty="0.02") == "EOrder:Unknown order"
        assert await rest.ok("CancelAll") == {"count": 1}


async def test_rest_lag_hides_a_fresh_order(open_sim: Any, autojump_clock: Any) -> None:
    """With a lag an order just placed is not found over REST, and is after it."""
    async with open_sim(rest_lag_s=3.0) as sim:
        txid = (await sim.rest.ok("AddOrder", **LIMIT))["txid"][0]
        assert await sim.rest.error("QueryOrders", txid=txid) == "EOrder:Invalid order"
        assert (await sim.rest.ok("OpenOrders"))["open"] == {}
        await trio.sleep(3)
        assert txid in (await sim.rest.ok("OpenOrders"))["open"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("cancel_only", "EService:Market in cancel_only mode"),
        ("post_only", "EService:Market in post_only mode"),
        ("maintenance", "EService:Unavailable"),
    ],
)
async def test_status_modes_refuse_new_orders(open_sim: Any, autojump_clock: Any, status: str, error: str) -> None:
    """Each mode refuses with its own text; cancels go through except in maintenance; the status frame is sent."""
    async with open_sim() as sim:
        client = await sim.ws()
        txid = (await sim.rest.ok("AddOrder", **LIMIT))["txid"][0]
        sim.exchange.set_status(status)
        assert await sim.rest.error("AddOrder", **LIMIT) == error
        answer = await sim.rest.private("CancelOrder", txid=txid)
        assert bool(answer["error"]) is (status == "maintenance")
        assert [frame["data"][0]["system"] for frame in client.channel("status")] == ["online", status]


@pytest.mark.parametrize(("echoed", "key"), [(True, "BTC/USD"), (False, "XXBTZUSD")])
async def test_a_pair_asked_for_by_its_slash_name(open_sim: Any, autojump_clock: Any, echoed: bool, key: str) -> None:
    """Public answers name it as it was asked for, by the switch always by its id; other spellings get the id."""
    async with open_sim(slash_names_are_echoed=echoed) as sim:
        for name in ("AssetPairs", "Ticker", "Depth", "OHLC", "Trades", "Spread"):
            assert next(iter((await sim.rest.public(name, pair="BTC/USD"))["result"])) == key
            assert next(iter((await sim.rest.public(name, pair="XBTUSD"))["result"])) == "XXBTZUSD"
