"""Every public REST endpoint: its shape, the digits of its numbers, its filters, its errors (protocol section 1.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.seams.clock import VirtualClock
from engine.sim.fees import RECORDED_FEES
from engine.sim.numbers import NS

START = 1_767_225_600  # the virtual clock's first second, a midnight UTC
BAD = "EGeneral:Invalid arguments:"


async def result(sim: Any, name: str, **params: object) -> Any:
    """Return the result of a public call, numbers as their text."""
    answer = await sim.rest.public(name, **params)
    assert answer["error"] == [], answer
    return answer["result"]


async def refusal(sim: Any, name: str, **params: object) -> str:
    """Return the error of a public call."""
    answer = await sim.rest.public(name, **params)
    assert "result" not in answer
    return answer["error"][0]


async def test_assets_are_chosen_by_name_and_class(open_sim: Any, autojump_clock: Any) -> None:
    """Key, altname and v2 name mean the same asset; there are no tokenised ones; an unknown one is an error."""
    async with open_sim() as sim:
        for name in ("XXBT", "XBT", "BTC"):
            (row,) = (await result(sim, "Assets", asset=name)).values()
            assert row == {
                "aclass": "currency",
                "altname": "XBT",
                "decimals": 10,
                "display_decimals": 5,
                "status": "enabled",
            }
        assert list(await result(sim, "Assets", asset="ETH,USD")) == ["ZUSD", "XETH"]
        assert await result(sim, "Assets", aclass="tokenized_asset") == {}
        assert await refusal(sim, "Assets", asset="XBT,NOPE") == "EQuery:Unknown asset"
        assert await refusal(sim, "Assets", aclass="stock") == BAD + "aclass"


async def test_asset_pairs_tell_what_info_asks_for(open_sim: Any, autojump_clock: Any) -> None:
    """The whole row has every documented member with its type; leverage, fees and margin are parts of it."""
    async with open_sim(fee_schedule=RECORDED_FEES) as sim:
        row = (await result(sim, "AssetPairs", pair="XBTUSD"))["XXBTZUSD"]
        assert (row["base"], row["quote"], row["wsname"], row["lot"]) == ("XXBT", "ZUSD", "XBT/USD", "unit")
        assert (row["pair_decimals"], row["lot_decimals"], row["cost_decimals"], row["lot_multiplier"]) == (1, 8, 5, 1)
        assert (row["ordermin"], row["costmin"], row["tick_size"]) == ("0.00005", "0.5", "0.1")
        assert row["fees"][:3] == [[0, "0.4"], [10_000, "0.35"], [50_000, "0.24"]]
        assert row["fees_maker"][-1] == [10_000_000, 0]
        parts = {
            "leverage": {"leverage_buy", "leverage_sell"},
            "fees": {"fees", "fees_maker", "fee_volume_currency"},
            "margin": {"margin_call", "margin_stop"},
        }
        for info, members in parts.items():
            part = (await result(sim, "AssetPairs", pair="XBTUSD", info=info))["XXBTZUSD"]
            assert part == {name: row[name] for name in members}
        assert await result(sim, "AssetPairs", aclass_base="tokenized_asset") == {}
        assert await result(sim, "AssetPairs", execution_venue="bitnomial_exchange") == {}
        assert len(await result(sim, "AssetPairs", country_code="GB")) == 3
        assert await refusal(sim, "AssetPairs", info="colour") == BAD + "info"
        assert await refusal(sim, "AssetPairs", pair="NOPE") == "EQuery:Unknown asset pair"


async def test_ticker_has_today_beside_the_last_day(open_sim: Any, autojump_clock: Any) -> None:
    """After midnight today's figures begin anew, while 24 hours still cover the evening; after a day both are empty."""
    clock = VirtualClock(skew_ns=23 * 3600 * NS)
    async with open_sim(clock=clock) as sim:
        sim.print("50000.0", qty="0.5")
        sim.print("50100.0", qty="0.25")
        clock.skew_ns += 2 * 3600 * NS
        sim.print("49900.0", qty="0.25")
        sim.quote("buy", "49890.0", "3.7")
        row = (await result(sim, "Ticker", pair="XBTUSD"))["XXBTZUSD"]
        assert (row["b"], row["a"]) == (["49890.00000", "3", "3.700"], ["0.00000", "0", "0.000"])
        assert (row["c"], row["o"]) == (["49900.00000", "0.25000000"], "49900.00000")
        assert (row["v"], row["t"]) == (["0.25000000", "1.00000000"], [1, 3])
        assert (row["p"], row["l"]) == (["49900.00000", "50000.00000"], ["49900.00000", "49900.00000"])
        assert row["h"] == ["49900.00000", "50100.00000"]
        assert len(await result(sim, "Ticker")) == 3
        assert await result(sim, "Ticker", asset_class="tokenized_asset") == {}
        clock.skew_ns += 25 * 3600 * NS
        row = (await result(sim, "Ticker", pair="XBTUSD"))["XXBTZUSD"]
        assert (row["v"], row["t"], row["c"][0]) == (["0.00000000", "0.00000000"], [0, 0], "49900.00000")


async def test_depth_is_cut_at_count_and_sorted_from_the_best(open_sim: Any, autojump_clock: Any) -> None:
    """Asks rise, bids fall, rows are [price, volume, whole seconds]; count is 1 to 500."""
    async with open_sim() as sim:
        for level in range(3):
            sim.quote("sell", f"5001{level}.0", "0.1")
            sim.quote("buy", f"4999{level}.0", "0.1")
        book = (await result(sim, "Depth", pair="XBTUSD", count=2))["XXBTZUSD"]
        assert book["asks"] == [["50010.00000", "0.10000000", START], ["50011.00000", "0.10000000", START]]
        assert [row[0] for row in book["bids"]] == ["49992.00000", "49991.00000"]
        for count in (0, 501, "x"):
            assert await refusal(sim, "Depth", pair="XBTUSD", count=count) == BAD + "count"
        assert await refusal(sim, "Depth") == BAD + "pair"


async def test_grouped_book_rounds_to_the_passive_side(open_sim: Any, autojump_clock: Any) -> None:
    """Over ranges of ten ticks asks go up and bids down; a price on the edge stays; depth and grouping are listed."""
    async with open_sim() as sim:
        for price, qty in (("50000.1", "1"), ("50000.9", "2"), ("50001.0", "4"), ("50001.1", "8")):
            sim.quote("sell", price, qty)
        for price, qty in (("49999.9", "1"), ("49999.0", "2"), ("49998.9", "4")):
            sim.quote("buy", price, qty)
        book = await result(sim, "GroupedBook", pair="BTC/USD", grouping=10)
        assert (book["pair"], book["grouping"]) == ("BTC/USD", 10)
        assert book["asks"] == [{"price": "50001.0", "qty": "7.00000000"}, {"price": "50002.0", "qty": "8.00000000"}]
        assert book["bids"] == [{"price": "49999.0", "qty": "3.00000000"}, {"price": "49998.0", "qty": "4.00000000"}]
        plain = await result(sim, "GroupedBook", pair="BTC/USD")
        assert [row["price"] for row in plain["asks"]] == ["50000.1", "50000.9", "50001.0", "50001.1"]
        assert await refusal(sim, "GroupedBook", pair="BTC/USD", grouping=7) == BAD + "grouping"
        assert await refusal(sim, "GroupedBook", pair="BTC/USD", depth=11) == BAD + "depth"


async def test_trades_page_on_from_last_even_within_one_command(open_sim: Any, autojump_clock: Any) -> None:
    """Five matches of one order are five rows; pages of two by ``last`` give each of them once, and seconds do too."""
    async with open_sim() as sim:
        for level in range(5):
            sim.quote("sell", f"5000{level}.0", "0.1")
        sim.take("buy", "0.5")
        whole = await result(sim, "Trades", pair="XBTUSD")
        rows = whole["XXBTZUSD"]
        assert rows[0][:2] == ["50000.00000", "0.10000000"]
        assert rows[0][2:] == [f"{START}.0000000", "b", "m", "", 1]
        assert (whole["last"].isdigit(), len(whole["last"])) == (True, 19)
        seen: list[Any] = []
        since = str(START - 1)
        while page := (found := await result(sim, "Trades", pair="XBTUSD", since=since, count=2))["XXBTZUSD"]:
            assert len(page) <= 2
            seen, since = seen + page, found["last"]
        assert seen == rows
        assert found["last"] == whole["last"]
        assert (await result(sim, "Trades", pair="XBTUSD", since=START + 1))["XXBTZUSD"] == []
        for bad in ("x", "-1", "1e30"):
            assert await refusal(sim, "Trades", pair="XBTUSD", since=bad) == BAD + "since"
        assert await refusal(sim, "Trades", pair="XBTUSD", count=1001) == BAD + "count"


async def test_candles_come_from_the_trades_with_the_running_one_last(open_sim: Any, autojump_clock: Any) -> None:
    """A minute without trades is a flat candle; ``last`` is the newest that is over; since is exclusive."""
    async with open_sim() as sim:
        sim.print("50000.0", qty="1")
        sim.print("50003.0", qty="1")
        sim.print("49999.0", qty="2")
        await trio.sleep(125)
        sim.print("50010.0", qty="0.5")
        found = await result(sim, "OHLC", pair="XBTUSD")
        assert found["XXBTZUSD"] == [
            [START, "50000.0", "50003.0", "49999.0", "49999.0", "50000.3", "4.00000000", 3],
            [START + 60, "49999.0", "49999.0", "49999.0", "49999.0", "0.0", "0.00000000", 0],
            [START + 120, "50010.0", "50010.0", "50010.0", "50010.0", "50010.0", "0.50000000", 1],
        ]
        assert found["last"] == START + 60
        running = await result(sim, "OHLC", pair="XBTUSD", since=found["last"])
        assert running["XXBTZUSD"] == found["XXBTZUSD"][2:]
        for interval in (5, 15, 30, 60, 240, 1440, 10080, 21600):
            (row,) = (await result(sim, "OHLC", pair="XBTUSD", interval=interval))["XXBTZUSD"]
            assert row[0] == START // (interval * 60) * interval * 60
            assert row[1:] == ["50000.0", "50010.0", "49999.0", "50010.0", "50001.3", "4.50000000", 4]
        assert await refusal(sim, "OHLC", pair="XBTUSD", interval=2) == BAD + "interval"
        assert await result(sim, "OHLC", pair="ETHUSD") == {"XETHZUSD": [], "last": 0}


async def test_candles_are_at_most_720(open_sim: Any, autojump_clock: Any) -> None:
    """After thirteen hours of trades a minute only the newest 720 are there, in step with the clock."""
    async with open_sim() as sim:
        for _ in range(780):
            sim.print("50000.0")
            await trio.sleep(60)
        rows = (await result(sim, "OHLC", pair="XBTUSD"))["XXBTZUSD"]
        assert (len(rows), rows[-1][0], rows[0][0]) == (720, START + 780 * 60, START + 61 * 60)
        assert (rows[-1][-1], rows[-2][-1]) == (0, 1)
    async with open_sim(ohlc_fills_gaps=False) as sim:
        sim.print("50000.0")
        await trio.sleep(600)
        sim.print("50000.0")
        assert len((await result(sim, "OHLC", pair="XBTUSD"))["XXBTZUSD"]) == 2


async def test_spreads_follow_the_best_prices(open_sim: Any, autojump_clock: Any) -> None:
    """Each change of the best bid or ask is a row; a change of quantity alone is none; since is inclusive."""
    async with open_sim() as sim:
        sim.quote("buy", "49990.0", "1")
        sim.quote("sell", "50010.0", "1")
        sim.quote("sell", "50010.0", "1")
        await trio.sleep(5)
        sim.quote("buy", "49995.0", "1")
        found = await result(sim, "Spread", pair="XBTUSD")
        assert found["XXBTZUSD"] == [
            [START, "49990.00000", "0.00000"],
            [START, "49990.00000", "50010.00000"],
            [START + 5, "49995.00000", "50010.00000"],
        ]
        assert found["last"] == START + 5
        later = await result(sim, "Spread", pair="XBTUSD", since=START + 5)
        assert later["XXBTZUSD"] == found["XXBTZUSD"][2:]


@pytest.mark.parametrize("status", ["cancel_only", "limit_only", "work_in_progress"])
async def test_pair_has_a_status_of_its_own(open_sim: Any, autojump_clock: Any, status: str) -> None:
    """One pair in a mode refuses there and nowhere else, and AssetPairs says so."""
    order = {"ordertype": "market", "type": "buy", "volume": "0.01"}
    async with open_sim() as sim:
        sim.quote("sell", "50000.0", "1")
        sim.house.quote("ETH/USD", "sell", Decimal("3000.00"), Decimal(1))
        sim.exchange.set_status(status, "BTC/USD")
        assert (await result(sim, "AssetPairs", pair="XBTUSD"))["XXBTZUSD"]["status"] == status
        assert (await sim.rest.error("AddOrder", pair="XBTUSD", **order)).startswith("EService:")
        await sim.rest.ok("AddOrder", pair="ETHUSD", **order)
        sim.exchange.set_status("online", "BTC/USD")
        await sim.rest.ok("AddOrder", pair="XBTUSD", **order)


async def test_public_calls_may_be_limited(open_sim: Any, autojump_clock: Any) -> None:
    """With the switch the calls beyond so many a second are refused; a second later all is well."""
    async with open_sim(rest_public_per_s=2) as sim:
        await result(sim, "Time")
        await result(sim, "SystemStatus")
        assert await refusal(sim, "Time") == "EGeneral:Too many requests"
        await trio.sleep(1.1)
        await result(sim, "Time")
