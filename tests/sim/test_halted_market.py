"""Modes in which nothing matches, of the venue and of one pair alone (protocol sections 1.3, 4, 11.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.sim import Refused, SyntheticMarket, parse_script
from tests.sim.conftest import PORT
from tests.sim.test_live import open_pair

HALTING = ("cancel_only", "post_only", "maintenance")
LIMIT = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "volume": "0.01", "price": "50000.0"}
ETH = LIMIT | {"pair": "ETHUSD", "volume": "0.1", "price": "2000"}
STOP = {"ordertype": "stop-loss", "type": "sell", "pair": "XBTUSD", "volume": "0.01", "price": "40000"}


async def place(sim: Any, **order: str) -> str:
    """Place an order over REST; return its id."""
    return str((await sim.rest.ok("AddOrder", **order))["txid"][0])


@pytest.mark.parametrize("mode", HALTING)
@pytest.mark.parametrize("symbol", [None, "BTC/USD"])
async def test_market_stands_still_while_it_is_halted(
    open_sim: Any, autojump_clock: Any, mode: str, symbol: str | None
) -> None:
    """No quote moves and nothing trades there; another pair's market goes on unless the venue itself is halted."""
    markets = tuple(
        SyntheticMarket(symbol=name, start_price=Decimal(price))
        for name, price in (("BTC/USD", 50_000), ("ETH/USD", 2_500))
    )
    async with open_sim(synthetic=markets) as sim:
        await trio.sleep(10)

        def seen(name: str) -> object:
            tape = sim.exchange._venue.core.markets[name].tape
            return tape.trade_id, sim.truth.levels(name)

        sim.exchange.set_status(mode, symbol)
        before, other = seen("BTC/USD"), seen("ETH/USD")
        await trio.sleep(20)
        assert seen("BTC/USD") == before
        assert (seen("ETH/USD") == other) is (symbol is None)
        sim.exchange.set_status("online", symbol)
        await trio.sleep(10)
        assert seen("BTC/USD") != before


async def test_nobody_trades_by_the_hand_of_the_house_in_a_halt(open_sim: Any, autojump_clock: Any) -> None:
    """A taker, a quote that crosses and a lone print are refused; a quote that rests is not."""
    async with open_sim() as sim:
        sim.quote("sell", "50010.0", "1")
        sim.exchange.set_status("post_only")
        for trade in (
            lambda: sim.take("buy", "0.1"),
            lambda: sim.quote("buy", "50010.0", "1"),
            lambda: sim.print("50000.0"),
        ):
            with pytest.raises(Refused, match="Unavailable"):
                trade()
        assert sim.quote("buy", "50000.0", "1")


async def test_post_only_mode_lets_post_only_orders_be_amended(open_sim: Any, autojump_clock: Any) -> None:
    """What stays post-only may change; anything else is refused with the mode's text and stays as it was."""
    async with open_sim() as sim:
        post, plain, stop = (
            await place(sim, **LIMIT, oflags="post"),
            await place(sim, **LIMIT),
            await place(sim, **STOP),
        )
        sim.exchange.set_status("post_only")
        await sim.rest.ok("AmendOrder", txid=post, limit_price="49999.0")
        await sim.rest.ok("AmendOrder", txid=plain, limit_price="49999.0", post_only="true")
        new = await sim.rest.ok("EditOrder", txid=plain, pair="XBTUSD", price="49998.0", oflags="post")
        refused = "EService:Market in post_only mode"
        assert await sim.rest.error("AmendOrder", txid=post, order_qty="0.02", post_only="false") == refused
        assert await sim.rest.error("AmendOrder", txid=stop, trigger_price="41000") == refused
        assert await sim.rest.error("EditOrder", txid=new["txid"], pair="XBTUSD", price="49997.0") == refused
        assert sim.truth.orders[post].order_qty == Decimal("0.01")


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("cancel_only", "EService:Market in cancel_only mode"),
        ("post_only", "EService:Market in post_only mode"),
        ("limit_only", None),
        ("reduce_only", "EService:Market in reduce_only mode"),
        ("maintenance", "EService:Unavailable"),
        ("delisted", "EService:Unavailable"),
    ],
)
async def test_pairs_mode_binds_amends_and_cancels_there(
    open_sim: Any, autojump_clock: Any, mode: str, error: str | None
) -> None:
    """An amend is judged as an order that enters; a cancel goes through except in the pair's maintenance."""
    async with open_sim() as sim:
        txid, stop, other = await place(sim, **LIMIT), await place(sim, **STOP), await place(sim, **ETH)
        sim.exchange.set_status(mode, "BTC/USD")
        answer = await sim.rest.private("AmendOrder", txid=txid, limit_price="49999.0")
        assert answer["error"] == ([] if error is None else [error])
        if mode == "limit_only":
            text = await sim.rest.error("AmendOrder", txid=stop, trigger_price="41000")
            assert text == "EService:Market in limit_only mode"
        await sim.rest.ok("AmendOrder", txid=other, limit_price="1999")
        kept = mode == "maintenance"
        assert bool((await sim.rest.private("CancelOrder", txid=txid))["error"]) is kept
        assert (await sim.rest.ok("CancelAll"))["count"] == (1 if kept else 2)
        assert sim.truth.orders[txid].is_open is kept


async def test_what_came_due_in_a_halt_happens_after_it(open_sim: Any, autojump_clock: Any) -> None:
    """A scheduled order and a stop on the index wait for the market to open, and then do not wait any longer."""
    async with open_sim() as sim:
        sim.quote("buy", "49990.0", "1")
        sim.quote("sell", "50010.0", "1")
        sim.house.set_index("BTC/USD", Decimal(50_000))
        late = await place(sim, ordertype="market", type="buy", pair="XBTUSD", volume="0.01", starttm="+5")
        stop = await place(sim, **STOP | {"price": "49000"}, trigger="index")
        sim.exchange.set_status("cancel_only", "BTC/USD")
        sim.house.set_index("BTC/USD", Decimal(48_000))
        await trio.sleep(30)
        assert [sim.truth.orders[txid].status for txid in (late, stop)] == ["pending_new", "new"]
        sim.exchange.set_status("online", "BTC/USD")
        assert [sim.truth.orders[txid].status for txid in (late, stop)] == ["filled", "filled"]


async def test_scripted_taker_waits_out_a_halt(open_sim: Any, autojump_clock: Any) -> None:
    """The step is done when the market opens, and the market does not end for it."""
    script = """
    [[step]]
    at_s = 0
    symbol = "BTC/USD"
    do = "quote"
    side = "sell"
    price = "50010.0"
    qty = "1"
    [[step]]
    at_s = 2
    symbol = "BTC/USD"
    do = "take"
    side = "buy"
    qty = "0.25"
    """
    async with open_sim(script=parse_script(script)) as sim:
        await trio.sleep(1)
        sim.exchange.set_status("cancel_only")
        await trio.sleep(20)
        assert sim.truth.levels("BTC/USD")[1][0][1] == 1
        sim.exchange.set_status("online")
        await trio.sleep(0.1)
        assert sim.truth.levels("BTC/USD")[1][0][1] == Decimal("0.75")


async def test_followed_books_catch_up_after_a_halt(autojump_clock: Any) -> None:
    """While one pair is halted only the other follows its source; afterwards both are as they should be."""
    async with open_pair() as pair:
        still = pair.paper.truth.levels("BTC/USD")
        pair.paper.exchange.set_status("post_only", "BTC/USD")
        moved = pair.paper.truth.levels("ETH/USD")
        await trio.sleep(20)
        assert pair.paper.truth.levels("BTC/USD") == still
        assert pair.paper.truth.levels("ETH/USD") != moved
        pair.paper.exchange.set_status("online", "BTC/USD")
        assert pair.paper.truth.levels("BTC/USD") != still
        await pair.until(pair.same)


async def test_pairs_mode_is_set_through_the_control_endpoint(
    open_sim: Any, rest_client: Any, autojump_clock: Any
) -> None:
    """The fault ``status`` with a symbol is that pair's alone, for as long as it says; some modes need one."""
    async with open_sim() as sim:
        sim.wire.listen("localhost", PORT, sim.exchange.serve)
        control = rest_client(sim.wire, sim.exchange, "localhost", PORT)
        fault = b'{"kind": "status", "mode": "limit_only", "hold_s": 5, "symbol": "BTC/USD"}'
        assert (await control.raw("POST", "/control/faults", {}, fault))[0] == 201
        await trio.sleep(0.1)
        assert await sim.rest.error("AddOrder", **STOP) == "EService:Market in limit_only mode"
        await place(sim, **ETH)
        await trio.sleep(6)
        await place(sim, **STOP)
        status, body = await control.raw("POST", "/control/faults", {}, b'{"kind": "status", "mode": "limit_only"}')
        assert (status, body) == (
            400,
            b'{"errors":["fault[1].mode: limit_only is a mode of a pair: name it by symbol"]}',
        )
