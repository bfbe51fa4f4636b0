"""Margin positions: opening, closing first in first out, settling, levels, fees (protocol section 11.9)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.sim import Refused
from tests.sim.test_fault_book import plan

FUNDS = {"client": {"USD": Decimal(10_000), "BTC": Decimal(0)}}
FREE = {"maker_fee_pct": Decimal(0), "taker_fee_pct": Decimal(0), "accounts": FUNDS}


async def margin(sim: Any, side: str, qty: str, leverage: str = "5", **more: str) -> Any:
    """Send a market order on margin over REST; return its record."""
    params = {"ordertype": "market", "type": side, "pair": "XBTUSD", "volume": qty, "leverage": leverage}
    return sim.truth.orders[(await sim.rest.ok("AddOrder", **params | more))["txid"][0]]


def positions(sim: Any) -> list[tuple[str, str, str]]:
    open_ones = sim.exchange._venue.core.accounts["client"].positions.values()
    return [(p.side, str(p.open_qty.normalize()), str(p.open_cost.normalize())) for p in open_ones]


def whole(sim: Any) -> dict[str, Decimal]:
    """Return all balances with the collected fees, by asset."""
    core = sim.exchange._venue.core
    return {
        asset: sum((a.balances.get(asset, Decimal(0)) for a in core.accounts.values()), Decimal(0))
        + core.settlement.collected.get(asset, Decimal(0))
        for asset in ("USD", "BTC")
    }


def quote(sim: Any, bid: str, ask: str) -> None:
    sim.house.clear("BTC/USD")
    sim.quote("buy", bid, "10")
    sim.quote("sell", ask, "10")


async def test_opening_moves_no_balance_but_the_fee(open_sim: Any, autojump_clock: Any) -> None:
    """A long of 0.1 binds a fifth of its cost; the account has its cash less the taker fee, and no coins."""
    async with open_sim(accounts=FUNDS) as sim:
        quote(sim, "49990.0", "50000.0")
        order = await margin(sim, "buy", "0.1")
        trade = sim.truth.trades[0]
        assert (trade.margin, trade.position_status, trade.leverage) == (Decimal(1000), "opened", 5)
        assert sim.truth.balances() == {"USD": Decimal("9980.0000"), "BTC": Decimal(0)}
        assert positions(sim) == [("buy", "0.1", "5E+3")]
        assert order.status == "filled"
        assert sim.truth.held() == {}


async def test_opposite_margin_order_closes_first_in_first_out(open_sim: Any, autojump_clock: Any) -> None:
    """The oldest position is closed first, the profit is the difference to its own cost, all money is accounted for."""
    async with open_sim(**FREE) as sim:
        start = whole(sim)
        quote(sim, "49000.0", "50000.0")
        await margin(sim, "buy", "0.1")
        quote(sim, "51000.0", "52000.0")
        await margin(sim, "buy", "0.1")
        await margin(sim, "sell", "0.15")
        # 0.1 from 50000 to 51000 gains 100, 0.05 from 52000 to 51000 loses 50
        assert sim.truth.balances()["USD"] == Decimal(10_050)
        assert positions(sim) == [("buy", "0.05", "2.6E+3")]
        assert [trade.position_status for trade in sim.truth.trades] == ["opened", "opened", "closing"]
        await margin(sim, "sell", "0.05")
        assert (positions(sim), sim.truth.trades[-1].position_status) == ([], "closed")
        assert whole(sim) == start


async def test_order_larger_than_the_position_turns_it(open_sim: Any, autojump_clock: Any) -> None:
    """What closing leaves over opens a position of the other side."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "sell", "0.1")
        quote(sim, "48999.9", "49000.0")
        await margin(sim, "buy", "0.3")
        assert positions(sim) == [("buy", "0.2", "9.8E+3")]
        assert sim.truth.balances()["USD"] == Decimal(10_100)


async def test_plain_order_leaves_positions_alone(open_sim: Any, autojump_clock: Any) -> None:
    """Without leverage coins are sold, not a position."""
    async with open_sim(**FREE | {"accounts": {"client": {"USD": Decimal(10_000), "BTC": Decimal(1)}}}) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.1")
        await sim.rest.ok("AddOrder", ordertype="market", type="sell", pair="XBTUSD", volume="0.1")
        assert len(positions(sim)) == 1
        assert sim.truth.balances()["BTC"] == Decimal("0.9")


async def test_volume_zero_closes_all_there_is(open_sim: Any, autojump_clock: Any) -> None:
    """A closing margin order with volume 0 has the needed amount filled in; without a position it is refused."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.1")
        await margin(sim, "buy", "0.07")
        assert (await margin(sim, "sell", "0")).order_qty == Decimal("0.17")
        assert positions(sim) == []
        params = {"ordertype": "market", "type": "sell", "pair": "XBTUSD", "volume": "0", "leverage": "2"}
        assert await sim.rest.error("AddOrder", **params) == "EOrder:Unknown position"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"leverage": "7"}, "EGeneral:Invalid arguments:leverage"),
        ({"leverage": "x"}, "EGeneral:Invalid arguments:leverage"),
        ({"pair": "SOLUSD"}, "EGeneral:Invalid arguments:leverage"),  # a pair without margin
        ({"oflags": "fcib"}, "EGeneral:Invalid arguments:leverage"),
        ({"volume": "1.1"}, "EOrder:Insufficient margin"),
    ],
)
async def test_impossible_margin_order_is_refused(
    open_sim: Any, autojump_clock: Any, change: dict[str, str], error: str
) -> None:
    """The pair's leverages are the only ones, and the free margin must cover the opening part."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        params = {"ordertype": "market", "type": "buy", "pair": "XBTUSD", "volume": "0.1", "leverage": "5"}
        assert await sim.rest.error("AddOrder", **params | change) == error
        assert sim.truth.orders == {}


async def test_second_spelling_of_leverage_and_the_description(open_sim: Any, autojump_clock: Any) -> None:
    """``2:1`` is read as 2, and the description names it."""
    async with open_sim(**FREE) as sim:
        params = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.1", "price": "40000"}
        added = await sim.rest.ok("AddOrder", **params, leverage="2:1")
        assert added["descr"]["order"] == "buy 0.10000000 XBTUSD @ limit 40000.0 with 2:1 leverage"
        row = (await sim.rest.ok("OpenOrders"))["open"][added["txid"][0]]
        assert (row["descr"]["leverage"], row["margin"]) == ("2:1", True)


async def test_websocket_margin_takes_the_highest_leverage(open_sim: Any, autojump_clock: Any) -> None:
    """``margin: true`` is the pair's most, at most five; the trade frame tells of the position."""
    async with open_sim(**FREE) as sim:
        client = await sim.ws()
        quote(sim, "50000.0", "50000.1")
        added = await client.add(order_type="market", side="sell", order_qty=0.1, margin=True)
        assert sim.truth.orders[added["order_id"]].leverage == 5
        await client.until(lambda: "filled" in client.exec_types())
        trade = next(row for row in client.rows() if row["exec_type"] == "trade")
        assert {key: trade[key] for key in ("margin", "margin_borrow", "position_status", "liquidated")} == {
            "margin": True,
            "margin_borrow": True,
            "position_status": "opened",
            "liquidated": False,
        }
        assert await client.add(symbol="SOL/USD", order_type="market", side="sell", order_qty=1, margin=True) == (
            "EGeneral:Invalid arguments:margin"
        )


async def test_figures_of_the_trade_balance(open_sim: Any, autojump_clock: Any) -> None:
    """Used margin, profit, equity, free margin and level follow the last price."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.0001".replace("0001", "1"))
        await margin(sim, "sell", "0.2")
        sim.print("51000.0")
        core = sim.exchange._venue.core
        account = core.accounts["client"]
        assert core.margin.used(account) == Decimal(2000)
        assert core.margin.unrealised(account) == Decimal(-200)
        assert core.margin.equity(account) == Decimal(9800)
        assert core.margin.free(account) == Decimal(7800)
        assert core.margin.level(account) == Decimal(490)
        row = await sim.rest.ok("TradeBalance")
        assert [Decimal(row[name]) for name in ("tb", "m", "n", "c", "v", "e", "mf", "ml")] == [
            Decimal(value) for value in ("10000", "2000", "-200", "10000", "10200", "9800", "7800", "490")
        ]


async def test_level_below_the_stop_liquidates_the_oldest_position(open_sim: Any, autojump_clock: Any) -> None:
    """Below 40 percent the venue closes positions itself, oldest first, until the level is back; money is conserved."""
    async with open_sim(**FREE) as sim:
        start = whole(sim)
        quote(sim, "50000.0", "50000.1")
        first, second = await margin(sim, "sell", "0.5"), await margin(sim, "sell", "0.45")
        quote(sim, "56000.0", "56000.1")
        sim.print("56000.0")  # equity 4300 of 9500 used
        assert len(positions(sim)) == 2
        quote(sim, "57000.0", "57000.1")
        sim.print("57000.0")  # equity 3350 of 9500 used
        assert positions(sim) == [("sell", "0.45", "2.25E+4")]
        closing = list(sim.truth.orders.values())[-1]
        assert (closing.side, closing.status, closing.liquidates) == ("buy", "filled", True)
        assert sim.truth.trades[-1].liquidated
        row = (await sim.rest.ok("ClosedOrders"))["closed"][closing.order_id]
        assert "liquidated" in row["misc"]
        assert whole(sim) == start
        assert (first.is_open, second.is_open) == (False, False)


async def test_liquidation_waits_for_somebody_to_trade_with(open_sim: Any, autojump_clock: Any) -> None:
    """With an empty book nothing can be closed; the first quote is taken."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.95")
        sim.house.clear("BTC/USD")
        sim.print("43000.0")
        assert len(positions(sim)) == 1
        sim.quote("buy", "43000.0", "1")
        assert positions(sim) == []


@pytest.mark.parametrize(
    ("opens", "settles", "before", "after"),
    [
        ("buy", "sell", {"USD": "10000", "BTC": "0"}, {"USD": "5000", "BTC": "0.1"}),
        ("sell", "buy", {"USD": "10000", "BTC": "1"}, {"USD": "15000", "BTC": "0.9"}),
    ],
)
async def test_settling_in_kind_moves_the_coins(
    open_sim: Any, autojump_clock: Any, opens: str, settles: str, before: dict[str, str], after: dict[str, str]
) -> None:
    """A long pays its cost and receives its coins, a short delivers them; no trade is printed."""
    funds = {"client": {asset: Decimal(total) for asset, total in before.items()}}
    async with open_sim(**FREE | {"accounts": funds}) as sim:
        start = whole(sim)
        quote(sim, "50000.0", "50000.1")
        await margin(sim, opens, "0.1")
        trades = len(sim.truth.trades)
        params = {"ordertype": "settle-position", "type": settles, "pair": "XBTUSD", "volume": "0"}
        order = sim.truth.orders[(await sim.rest.ok("AddOrder", **params))["txid"][0]]
        assert (order.status, order.cum_qty, len(sim.truth.trades)) == ("filled", Decimal("0.1"), trades)
        cost = Decimal("0.01") if opens == "buy" else Decimal(0)  # bought at the ask
        assert sim.truth.balances() == {"USD": Decimal(after["USD"]) - cost, "BTC": Decimal(after["BTC"])}
        assert (positions(sim), whole(sim)) == ([], start)


async def test_settling_without_the_means_is_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """A short of coins that the account has not got cannot be settled, and stays."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "sell", "0.1")
        params = {"ordertype": "settle-position", "type": "buy", "pair": "XBTUSD", "volume": "0.1"}
        order = sim.truth.orders[(await sim.rest.ok("AddOrder", **params))["txid"][0]]
        assert (order.status, order.reason, len(positions(sim))) == ("canceled", "Insufficient funds", 1)


async def test_open_fee_and_rollover_by_their_switches(open_sim: Any, autojump_clock: Any) -> None:
    """The fee on opening is taken with the fill, the rollover at its hours while the position is open."""
    fees = {"margin_open_fee_pct": Decimal("0.02"), "margin_rollover_fee_pct": Decimal("0.02")}
    async with open_sim(**FREE, **fees) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "sell", "0.2")
        assert sim.truth.balances()["USD"] == Decimal(9998)
        await trio.sleep(2 * 14_400 + 10)
        assert sim.truth.balances()["USD"] == Decimal(9994)
        await margin(sim, "buy", "0.2")
        left = sim.truth.balances()["USD"]
        await trio.sleep(14_400)
        assert sim.truth.balances()["USD"] == left
        assert sim.truth.fees_collected()["USD"] == Decimal(6)


# --- reduce-only


async def reducing(sim: Any, **params: str) -> Any:
    order = {"type": "sell", "pair": "XBTUSD", "volume": "0.1", "leverage": "5", "reduce_only": "true"}
    answer = await sim.rest.private("AddOrder", **order | params)
    return answer["error"][0] if answer["error"] else sim.truth.orders[answer["result"]["txid"][0]]


async def test_reduce_only_needs_a_position_that_it_reduces(open_sim: Any, autojump_clock: Any) -> None:
    """None there, one of the same side, or no leverage: refused; a stop is taken, and judged when it fires."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        assert await reducing(sim, ordertype="market") == "EOrder:Reduce only:No position exists"
        assert await reducing(sim, ordertype="market", leverage="") == "EOrder:Reduce only:Non-PC"
        stop = await reducing(sim, ordertype="stop-loss", price="49000")
        assert stop.status == "new"
        await margin(sim, "sell", "0.1")
        assert await reducing(sim, ordertype="market") == "EOrder:Reduce only:Non-PC"
        sim.print("49000.0")
        assert (stop.status, stop.reason) == ("canceled", "Reduce only:Position is closed")


async def test_reduce_only_beyond_the_position_closes_it_and_is_canceled(open_sim: Any, autojump_clock: Any) -> None:
    """It never opens the other side: the residual ends with the known text."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.1")
        order = await reducing(sim, ordertype="market", volume="0.3")
        assert (order.status, order.reason) == ("canceled", "Reduce only:Position is closed")
        assert (order.cum_qty, positions(sim)) == (Decimal("0.1"), [])


async def test_resting_reduce_only_orders_are_fitted_the_least_aggressive_first(
    open_sim: Any, autojump_clock: Any
) -> None:
    """As the position shrinks, the farthest order is shrunk (restated), then canceled, before the next is touched."""
    async with open_sim(**FREE) as sim:
        client = await sim.ws()
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.2")
        near = await reducing(sim, ordertype="limit", price="51000")
        far = await reducing(sim, ordertype="limit", price="52000")
        await margin(sim, "sell", "0.04")
        assert (str(near.order_qty), str(far.order_qty), far.status) == ("0.1", "0.06", "new")
        await client.until(lambda: "restated" in client.exec_types())
        row = next(row for row in client.rows() if row["exec_type"] == "restated")
        assert (row["order_id"], row["order_qty"]) == (far.order_id, "0.06000000")
        await margin(sim, "sell", "0.1")
        assert (str(near.order_qty), far.status, far.reason) == ("0.06", "canceled", "Reduce only:Position is closed")
        amends = (await sim.rest.ok("OrderAmends", order_id=near.order_id))["amends"]
        assert [record["amend_type"] for record in amends] == ["original", "restated"]
        sim.take("buy", "20")
        assert (near.status, positions(sim)) == ("filled", [])


# --- what the venue does by order of a script


@pytest.mark.parametrize(("qty", "left"), [(None, []), (Decimal("0.0400000019"), [("buy", "0.06")])])
async def test_scripted_liquidation_closes_whole_lots_of_the_oldest_position(
    open_sim: Any, autojump_clock: Any, qty: Decimal | None, left: list[tuple[str, str]]
) -> None:
    """All of it, or a part: by an order of the venue's own that carries no name of the client's."""
    async with open_sim(**FREE) as sim:
        client = await sim.ws()
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.1")
        order = sim.truth.orders[sim.house.liquidate("BTC/USD", qty)]
        assert (order.liquidates, order.reduce_only, order.cl_ord_id, order.status) == (True, True, None, "filled")
        assert [(side, size) for side, size, _ in positions(sim)] == left
        await client.until(lambda: any(row.get("liquidated") for row in client.rows()))
        row = next(row for row in client.rows() if row.get("liquidated"))
        assert "cl_ord_id" not in row


async def test_liquidation_without_a_position_is_refused(open_sim: Any, autojump_clock: Any) -> None:
    """There is nothing to close."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        with pytest.raises(Refused):
            sim.house.liquidate("BTC/USD")


async def test_late_fill_of_a_reduce_only_order_never_opens(open_sim: Any, autojump_clock: Any) -> None:
    """Matched first and told last: there must have been a position for it, and there is none any more."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.1")
        stop = await reducing(sim, ordertype="stop-loss", price="49000")
        sim.house.cancel_client(stop.order_id)
        with pytest.raises(Refused):
            sim.house.late_fill(stop.order_id, Decimal("0.2"), Decimal(49000))
        sim.house.late_fill(stop.order_id, Decimal("0.06"), Decimal(49000))
        assert [(side, size) for side, size, _ in positions(sim)] == [("buy", "0.04")]
        with pytest.raises(Refused):
            sim.house.late_fill(stop.order_id, Decimal("0.05"), Decimal(49000))


async def test_fault_liquidates_a_share_when_its_request_comes(open_sim: Any, autojump_clock: Any) -> None:
    """Forty percent of the oldest position of the symbol, right after the next order there."""
    async with open_sim(**FREE) as sim:
        quote(sim, "50000.0", "50000.1")
        await margin(sim, "buy", "0.1")
        fault = {"kind": "liquidate", "percent": 40, "method": "AddOrder", "nth": 1, "symbol": "BTC/USD"}
        sim.exchange.fault_book.add(plan(fault))
        await reducing(sim, ordertype="stop-loss", price="49000")
        assert [(side, size) for side, size, _ in positions(sim)] == [("buy", "0.06")]
