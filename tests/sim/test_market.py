"""Markets that move by themselves: the synthetic one and the scripted one; and the loader of scripts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing

from engine.seams.determinism import deterministic
from engine.sim import SyntheticMarket, parse_script

DEMO = """
[[step]]
at_s = 0
symbol = "BTC/USD"
do = "quote"
side = "sell"
price = "50010.0"
qty = "1"

[[step]]
when = "client_order_open"
after_s = 1.0
symbol = "BTC/USD"
do = "take"
side = "sell"
qty = 0.005

[[step]]
after_s = 1.0
symbol = "BTC/USD"
do = "take"
side = "sell"
qty = "0.005"

[[step]]
when = "after_client_fill"
fills = 2
after_s = 2.5
symbol = "BTC/USD"
do = "quote"
side = "buy"
price = "50005.0"
qty = "3"

[[step]]
do = "end"
"""


async def test_script_waits_for_the_client_and_fills_it_in_parts(open_sim: Any, autojump_clock: Any) -> None:
    """Takers come after the client's order is open, the bid rises after its fills, all at the scripted times."""
    async with open_sim(script=parse_script(DEMO)) as sim:
        client = await sim.ws()
        await trio.sleep(30)
        assert sim.truth.trades == []
        added = await client.add(side="buy", order_qty=0.01, limit_price=50000.0)
        start = trio.current_time()
        order = sim.truth.orders[added["order_id"]]
        await client.until(lambda: order.cum_qty == Decimal("0.005"))
        await client.until(lambda: order.status == "filled")
        assert 1.9 < trio.current_time() - start < 2.1
        assert sim.truth.levels("BTC/USD")[0] == []
        await trio.sleep(2.6)
        assert sim.truth.levels("BTC/USD")[0] == [(Decimal("50005.0"), Decimal(3))]


INDEX = """
[[step]]
at_s = 1
symbol = "BTC/USD"
do = "index"
price = "50000.0"
[[step]]
at_s = 5
symbol = "BTC/USD"
do = "index"
price = "48990.0"
[[step]]
at_s = 9
symbol = "BTC/USD"
do = "index"
"""


async def test_script_sets_and_silences_the_index(open_sim: Any, autojump_clock: Any) -> None:
    """An index trigger waits for the scripted index and fires with it; silenced, the last price stands in."""
    async with open_sim(script=parse_script(INDEX)) as sim:
        client = await sim.ws()
        await trio.sleep(2)
        params = {"order_type": "stop-loss", "side": "sell", "order_qty": 0.1}
        for price in (49000.0, 48000.0):
            await client.add(**params, triggers={"price": price, "reference": "index"})
        first, second = sim.truth.orders.values()
        sim.quote("buy", "47500.0", "1")
        assert not first.triggered
        await trio.sleep(5)
        assert (first.triggered, second.triggered) == (True, False)
        await trio.sleep(5)
        assert second.triggered


def test_every_fault_of_a_script_is_told_at_once() -> None:
    """One error lists each fault with the path of its member."""
    text = """
    [[step]]
    do = "quote"
    symbol = "BTC/EUR"
    side = "long"
    price = "50000.05"
    colour = "red"
    [[step]]
    do = "dance"
    [[step]]
    at_s = -1
    do = "print"
    symbol = "BTC/USD"
    side = "buy"
    price = "50000.05"
    qty = "a"
    [[step]]
    do = "take"
    symbol = "BTC/USD"
    side = "buy"
    qty = "0.00001"
    """
    with pytest.raises(ValueError) as caught:
        parse_script(text)
    assert str(caught.value).splitlines() == [
        "step[1].colour: unknown",
        "step[1].qty: needed by quote",
        "step[1].symbol: must be one of BTC/USD, ETH/USD, SOL/USD",
        "step[1].side: must be one of buy, sell",
        "step[2].do: must be one of quote, cancel_all, take, print, index, end",
        "step[3].price: must be above zero with at most 1 decimals",
        "step[3].qty: not a number",
        "step[3].at_s: must be seconds, zero or more",
        "step[4].qty: must be at least 0.00005",
    ]


@pytest.mark.parametrize("text", ["", "step = 3", "[[step]", "[[step]]\n", "[other]\nx = 1"])
def test_text_that_is_no_script_is_a_value_error(text: str) -> None:
    """Empty, broken or foreign TOML never becomes a script."""
    with pytest.raises(ValueError):
        parse_script(text)


async def test_synthetic_market_fills_a_resting_order_in_parts(open_sim: Any, autojump_clock: Any) -> None:
    """Makers quote both sides, takers hit a client's order inside the spread piece by piece."""
    market = SyntheticMarket(symbol="BTC/USD", start_price=Decimal(50000))
    async with open_sim(synthetic=(market,)) as sim:
        client = await sim.ws()
        await trio.sleep(5)
        bids, asks = sim.truth.levels("BTC/USD", 20)
        assert (len(bids) > 8, len(asks) > 8, bids[0][0] < asks[0][0]) == (True, True, True)
        price = (bids[0][0] + asks[0][0]) / 2 // Decimal("0.1") * Decimal("0.1")
        await client.add(side="buy", order_qty=0.05, limit_price=float(price))
        await client.until(lambda: "filled" in client.exec_types(), seconds=600)
        assert client.exec_types().count("trade") >= 3
        assert {trade.price for trade in sim.truth.trades} == {price}


def test_same_seed_same_bytes_other_seed_other_bytes(open_sim: Any) -> None:
    """Everything the exchange sends in a minute of a synthetic market depends on the seed alone, to the byte."""

    async def record(seed: int) -> list[tuple[str, bytes]]:
        sent: list[tuple[str, bytes]] = []
        market = SyntheticMarket(symbol="BTC/USD", start_price=Decimal(50000))
        async with open_sim(seed=seed, synthetic=(market,)) as sim:
            sim.wire.observers.append(lambda name, data: sent.append((name, data)))
            client = await sim.ws()
            await client.call("subscribe", channel="book", symbol=["BTC/USD"])
            await client.add(side="buy", order_qty=0.01, limit_price=50010.0)
            await trio.sleep(30)
        return sent

    def run(seed: int) -> list[tuple[str, bytes]]:
        with deterministic(seed):
            return trio.run(record, seed, clock=trio.testing.MockClock(autojump_threshold=0))

    first = run(1)
    assert len(first) > 500
    assert run(1) == first
    assert run(2) != first
