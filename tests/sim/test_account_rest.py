"""Every reading private REST endpoint: shape, filters, pages, errors, permissions (protocol sections 1.4, 3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.seams.clock import VirtualClock
from engine.sim import PERMISSIONS
from engine.sim.fees import RECORDED_FEES, FeeSchedule, FeeStep, Volumes
from engine.sim.numbers import NS

LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}
BAD = "EGeneral:Invalid arguments:"
READING = {
    "Balance": "query-funds",
    "BalanceEx": "query-funds",
    "TradeBalance": "query-funds",
    "TradeVolume": "query-funds",
    "OpenOrders": "query-open-trades",
    "OpenPositions": "query-open-trades",
    "ClosedOrders": "query-closed-trades",
    "Ledgers": "query-ledger",
    "QueryLedgers": "query-ledger",
    "GetWebSocketsToken": "create-ws-token",
}
EITHER = ("QueryOrders", "TradesHistory", "QueryTrades", "OrderAmends")
DENIED = "EGeneral:Permission denied"


async def add(sim: Any, **change: str) -> str:
    """Place an order and return its id."""
    return (await sim.rest.ok("AddOrder", **LIMIT | change))["txid"][0]


@pytest.mark.parametrize("missing", sorted(set(READING.values())))
async def test_each_endpoint_needs_its_permission(open_sim: Any, autojump_clock: Any, missing: str) -> None:
    """Without one permission exactly the endpoints that need it are denied; either of two is enough for some."""
    kept = tuple(name for name in PERMISSIONS if name != missing)
    async with open_sim(permissions=kept) as sim:
        denied = {name for name in (*READING, *EITHER) if (await sim.rest.private(name))["error"] == [DENIED]}
        assert denied == {name for name, needed in READING.items() if needed == missing}


async def test_orders_and_trades_need_one_of_two_permissions(open_sim: Any, autojump_clock: Any) -> None:
    """Without both of open and closed trades the four are denied as well."""
    kept = tuple(name for name in PERMISSIONS if name not in ("query-open-trades", "query-closed-trades"))
    async with open_sim(permissions=kept) as sim:
        for name in EITHER:
            assert await sim.rest.error(name) == DENIED


async def test_ledger_rows_add_up_to_the_balances(open_sim: Any, autojump_clock: Any) -> None:
    """From the first deposit on, amounts less fees are the balance, row by row and to the last digit."""
    async with open_sim() as sim:
        sim.quote("sell", "50001.3", "0.0123")
        sim.quote("sell", "50007.7", "0.0456")
        await add(sim, ordertype="market", volume="0.05")
        await add(sim, type="sell", price="50003.1", volume="0.033", oflags="fcib")
        sim.take("buy", "0.02")
        found = await sim.rest.ok("Ledgers")
        rows = list(found["ledger"].values())[::-1]
        assert found["count"] == len(rows) == 4 + 2 * 3
        assert [row["type"] for row in rows[:4]] == ["deposit"] * 4
        totals: dict[str, Decimal] = {}
        for row in rows:
            key = row["asset"]
            totals[key] = totals.get(key, Decimal(0)) + Decimal(row["amount"]) - Decimal(row["fee"])
            assert Decimal(row["balance"]) == totals[key]
        assert {key: str(total) for key, total in totals.items()} == await sim.rest.ok("Balance")


async def test_ledger_is_filtered_by_asset_type_and_time(open_sim: Any, autojump_clock: Any) -> None:
    """Assets by any name, one type, bounds by time or row id; rows have the documented members."""
    async with open_sim() as sim:
        rest = sim.rest
        await trio.sleep(10)
        await add(sim)
        sim.take("sell", "0.01")
        trade = sim.truth.trades[0]
        (row,) = (await rest.ok("Ledgers", asset="XBT", type="trade"))["ledger"].values()
        assert row == {
            "refid": trade.exec_id,
            "time": f"{trade.ts_ns // NS}.{trade.ts_ns % NS // 100_000:04d}",
            "type": "trade",
            "subtype": "",
            "aclass": "currency",
            "asset": "XXBT",
            "amount": "0.0100000000",
            "fee": "0.0000000000",
            "balance": "2.0100000000",
        }
        assert (await rest.ok("Ledgers", asset="ZUSD,SOL", aclass="currency", type="all"))["count"] == 3
        assert (await rest.ok("Ledgers", asset="all", type="deposit"))["count"] == 4
        assert (await rest.ok("Ledgers", type="rollover"))["ledger"] == {}
        newest, older, *rest_of_them = list((await rest.ok("Ledgers"))["ledger"])
        assert (await rest.ok("Ledgers", start=1_767_225_605))["count"] == 2
        assert list((await rest.ok("Ledgers", end=rest_of_them[0]))["ledger"]) == rest_of_them
        assert "count" not in await rest.ok("Ledgers", without_count="true")
        assert list(await rest.ok("QueryLedgers", id=f"{older},{newest}")) == [older, newest]
        assert await rest.error("QueryLedgers", id="LAAAAA-AAAAA-AAAAAA") == "EQuery:Invalid ledger"
        assert await rest.error("QueryLedgers", id=",".join(f"L{n}" for n in range(21))) == BAD + "id"
        assert await rest.error("Ledgers", asset="NOPE") == "EQuery:Unknown asset"
        assert await rest.error("Ledgers", type="gift") == BAD + "type"


async def test_trades_show_their_ledger_rows_when_asked(open_sim: Any, autojump_clock: Any) -> None:
    """Merged rows name the rows of all their fills, single ones two each."""
    async with open_sim() as sim:
        sim.quote("sell", "49990.0", "0.004")
        sim.quote("sell", "50000.0", "0.01")
        txid = await add(sim)
        known = set((await sim.rest.ok("Ledgers", type="trade"))["ledger"])
        (merged,) = (await sim.rest.ok("TradesHistory", ledgers="true"))["trades"].values()
        assert (set(merged["ledgers"]), len(merged["ledgers"])) == (known, 4)
        single = (await sim.rest.ok("TradesHistory", ledgers="true", consolidate_taker="false"))["trades"]
        assert [len(row["ledgers"]) for row in single.values()] == [2, 2]
        assert "ledgers" not in next(iter((await sim.rest.ok("QueryTrades", txid=next(iter(single)))).values()))
        first = list(single)[-1]
        order = (await sim.rest.ok("QueryOrders", txid=txid, trades="true"))[txid]
        assert order["trades"] == [first]
        order = (await sim.rest.ok("QueryOrders", txid=txid, trades="true", consolidate_taker="false"))[txid]
        assert order["trades"] == list(single)[::-1]


async def test_trades_history_is_filtered_by_type_and_bounds(open_sim: Any, autojump_clock: Any) -> None:
    """Without margin every fill is of no position; bounds are times or fill ids, start exclusive, end inclusive."""
    async with open_sim() as sim:
        rest = sim.rest
        for _ in range(3):
            await add(sim)
            sim.take("sell", "0.01")
            await trio.sleep(1)
        ids = [trade.exec_id for trade in sim.truth.trades][::-1]
        assert list((await rest.ok("TradesHistory"))["trades"]) == ids
        for kind, count in (("all", 3), ("no position", 3), ("any position", 0), ("closing position", 0)):
            assert (await rest.ok("TradesHistory", type=kind))["count"] == count
        assert list((await rest.ok("TradesHistory", start=ids[1]))["trades"]) == ids[:1]
        assert list((await rest.ok("TradesHistory", end=ids[1]))["trades"]) == ids[1:]
        assert list((await rest.ok("TradesHistory", ofs=2))["trades"]) == ids[2:]
        assert await rest.error("TradesHistory", type="any") == BAD + "type"
        assert await rest.error("TradesHistory", ofs="-1") == BAD + "ofs"
        assert await rest.error("QueryTrades", txid="TAAAAA-AAAAA-AAAAAA") == "EQuery:Invalid trade"
        assert await rest.error("QueryTrades", txid=",".join(f"T{n}" for n in range(21))) == BAD + "txid"


async def test_closed_orders_are_filtered_by_tag_and_either_time(open_sim: Any, autojump_clock: Any) -> None:
    """closetime says which of the two times the bounds mean; both is either; userref chooses a tag."""
    async with open_sim() as sim:
        rest = sim.rest
        early = await add(sim, userref="7")
        await trio.sleep(10)
        await rest.ok("CancelOrder", txid=early)
        late = await add(sim)
        await rest.ok("CancelOrder", txid=late)
        middle = 1_767_225_605
        found = {
            which: list((await rest.ok("ClosedOrders", start=middle, closetime=which))["closed"])
            for which in ("open", "close", "both")
        }
        assert found == {"open": [late], "close": [late, early], "both": [late, early]}
        assert list((await rest.ok("ClosedOrders", end=middle))["closed"]) == [early]
        assert list((await rest.ok("ClosedOrders", userref=7))["closed"]) == [early]
        assert (await rest.ok("ClosedOrders", userref=8))["count"] == 0
        assert await rest.error("ClosedOrders", userref="x") == BAD + "userref"
        assert await rest.error("ClosedOrders", closetime="now") == BAD + "closetime"
        assert await rest.error("ClosedOrders", start="soon") == BAD + "start"
        assert await rest.error("QueryOrders", txid=",".join(f"O{n}" for n in range(51))) == BAD + "txid"
        assert await rest.error("QueryOrders") == BAD + "txid"
        assert await rest.error("OrderAmends", order_id="OAAAAA-AAAAA-AAAAAA") == "EOrder:Invalid order"


async def test_fee_follows_the_volume_of_thirty_days(open_sim: Any, autojump_clock: Any) -> None:
    """The fill that passes a step pays the old fee, the next one the new; after thirty days all is as at first."""
    steps = (
        FeeStep(volume=Decimal(0), taker_pct=Decimal("0.40"), maker_pct=Decimal("0.25")),
        FeeStep(volume=Decimal(1000), taker_pct=Decimal("0.20"), maker_pct=Decimal("0.10")),
    )
    clock = VirtualClock()
    async with open_sim(clock=clock, fee_schedule=steps) as sim:
        for _ in range(3):
            await add(sim, volume="0.015")
            sim.take("sell", "0.015")
        assert [trade.fee for trade in sim.truth.trades] == [Decimal("1.8750"), Decimal("1.8750"), Decimal("0.7500")]
        found = await sim.rest.ok("TradeVolume", pair="XBTUSD,ETHUSD", fee_schedule="true")
        assert (found["currency"], found["volume"]) == ("ZUSD", "2250.0000")
        assert found["fees"]["XXBTZUSD"] == {
            "fee": "0.2000",
            "minfee": "0.2000",
            "maxfee": "0.4000",
            "nextfee": None,
            "tiervolume": "1000.0000",
            "nextvolume": None,
        }
        assert list(found["fees_maker"]) == ["XXBTZUSD", "XETHZUSD"]
        first, second = found["schedules"][0]["tiers"]
        assert (first["taker_fee"], second["min_spot_volume"], second["active"]) == ("0.4000", "1000.0000", True)
        assert await sim.rest.ok("TradeVolume") == {"currency": "ZUSD", "volume": "2250.0000"}
        assert await sim.rest.error("TradeVolume", pair="NOPE") == "EQuery:Unknown asset pair"
        clock.skew_ns = 30 * 86_400 * NS
        tier = (await sim.rest.ok("TradeVolume", pair="XBTUSD"))["fees"]["XXBTZUSD"]
        assert (tier["fee"], tier["nextfee"], tier["nextvolume"]) == ("0.4000", "0.2000", "1000.0000")


async def test_fee_tier_members_may_be_spelled_as_in_the_schema(open_sim: Any, autojump_clock: Any) -> None:
    """Kraken's pages disagree; the other spelling is a switch."""
    async with open_sim(fee_tier_spelling="underscored") as sim:
        tier = (await sim.rest.ok("TradeVolume", pair="XBTUSD"))["fees"]["XXBTZUSD"]
        assert list(tier) == ["fee", "min_fee", "max_fee", "next_fee", "tier_volume", "next_volume"]


def test_schedule_begins_at_zero_and_rises() -> None:
    """The recorded schedule is one; a gap at the bottom or a fall is told."""
    recorded = FeeSchedule(RECORDED_FEES)
    assert [recorded.rate(Decimal(v), "t") for v in (0, 9_999, 10_000, 20_000_000)] == [
        Decimal("0.40"),
        Decimal("0.40"),
        Decimal("0.35"),
        Decimal("0.10"),
    ]
    for steps in ((), RECORDED_FEES[1:], RECORDED_FEES[::-1]):
        with pytest.raises(ValueError, match="begins at volume 0"):
            FeeSchedule(steps)


def test_volume_counts_thirty_days_with_today() -> None:
    """A day falls out when it is thirty days old, and what counts no more is forgotten."""
    volumes, day = Volumes(), 86_400 * NS
    volumes.add("a", 5 * day, Decimal(1))
    volumes.add("a", 6 * day, Decimal(2))
    assert [volumes.total("a", at * day) for at in (6, 34, 35, 36)] == [3, 3, 2, 0]
    volumes.add("a", 40 * day, Decimal(4))
    assert volumes.total("a", 34 * day) == 4


async def test_trade_balance_is_valued_in_any_asset(open_sim: Any, autojump_clock: Any) -> None:
    """All assets at their last prices, in USD or in the asset asked for; no margin, no level."""
    async with open_sim() as sim:
        sim.print("50000.0")
        figures = await sim.rest.ok("TradeBalance")
        assert (figures["eb"], figures["tb"], figures["e"], figures["mf"]) == (
            "200000.0000",
            "100000.0000",
            "100000.0000",
            "100000.0000",
        )
        assert {figures[name] for name in ("m", "n", "c", "v", "uv")} == {"0.0000"}
        assert "ml" not in figures
        assert (await sim.rest.ok("TradeBalance", asset="XXBT"))["eb"] == "4.0000"
        assert await sim.rest.error("TradeBalance", asset="NOPE") == "EQuery:Unknown asset"
        await add(sim)
        sim.take("sell", "0.004")
        assert (await sim.rest.ok("TradeBalance"))["uv"] == "300.0000"


async def test_balances_take_the_rebasing_words(open_sim: Any, autojump_clock: Any) -> None:
    """Nothing is ever rebased: both words give the same, a third is refused."""
    async with open_sim() as sim:
        for name in ("Balance", "BalanceEx"):
            plain = await sim.rest.ok(name)
            assert await sim.rest.ok(name, rebase_multiplier="base") == plain
            assert await sim.rest.error(name, rebase_multiplier="x") == BAD + "rebase_multiplier"


async def test_open_positions_show_what_margin_holds(open_sim: Any, autojump_clock: Any) -> None:
    """A leveraged buy is a position by its trade's id; docalcs values it; consolidation sums a market's."""
    async with open_sim() as sim:
        rest = sim.rest
        for _ in range(2):
            sim.quote("sell", "50000.0", "0.01")
            await add(sim, leverage="2:1")
        sim.print("50100.0")
        found = await rest.ok("OpenPositions", docalcs="true")
        assert list(found) == [trade.exec_id for trade in sim.truth.trades]
        row = found[sim.truth.trades[0].exec_id]
        assert (row["posstatus"], row["pair"], row["type"], row["ordertype"]) == ("open", "XXBTZUSD", "buy", "limit")
        assert (row["cost"], row["vol"], row["vol_closed"]) == ("500.00000", "0.01000000", "0.00000000")
        assert (row["margin"], row["value"], row["net"]) == ("250.00000", "501.00000", "+1.00000")
        (merged,) = await rest.ok("OpenPositions", consolidation="market", docalcs="true")
        assert (merged["positions"], merged["vol"], merged["net"]) == ("2", "0.02000000", "+2.00000")
        assert list(await rest.ok("OpenPositions", txid=list(found)[1])) == list(found)[1:]
        assert await rest.error("OpenPositions", txid="TAAAAA-AAAAA-AAAAAA") == "EOrder:Unknown position"
        figures = await rest.ok("TradeBalance")
        assert (figures["m"], figures["n"], figures["c"], figures["v"]) == (
            "500.0000",
            "2.0000",
            "1000.0000",
            "1002.0000",
        )
        assert (await rest.ok("TradesHistory", type="any position"))["count"] == 2


async def test_rest_lag_holds_back_ledger_and_positions(open_sim: Any, autojump_clock: Any) -> None:
    """A minute behind, the ledger has its deposits alone; a minute later the fill's rows are there."""
    async with open_sim(rest_lag_s=60.0) as sim:
        await add(sim)
        sim.take("sell", "0.01")
        assert (await sim.rest.ok("Ledgers"))["count"] == 4
        await trio.sleep(61)
        assert (await sim.rest.ok("Ledgers"))["count"] == 6


async def test_history_in_memory_is_bounded(open_sim: Any, autojump_clock: Any) -> None:
    """With a bound of five closed orders at most twenty fills and forty ledger rows stay, the newest ones."""
    async with open_sim(keep_closed=5) as sim:
        for _ in range(40):
            await add(sim, price="40000.0")
            sim.take("sell", "0.01")
        account = sim.exchange._venue.core.accounts["client"]
        assert 10 <= len(account.fills) <= 20
        assert 20 <= len(account.ledger) <= 40
        assert (await sim.rest.ok("TradesHistory"))["count"] == len(account.fills)
        newest = next(iter((await sim.rest.ok("Ledgers"))["ledger"].values()))
        assert Decimal(newest["balance"]) == sim.truth.balances()["USD"]
