"""A market that follows frames: what is shown, and when a client trades against it."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.sim.mirror import Mirror
from engine.sim.source_frames import decode_frame
from engine.sim.source_state import SourceState

BTC = "BTC/USD"
BUY: dict[str, Any] = {"side": "buy", "order_type": "limit", "symbol": BTC}


def d(text: str) -> Decimal:
    return Decimal(text)


class Source:
    """Feeds frames, each with the checksum of the book behind it."""

    def __init__(self, sim: Any, depth: int = 10) -> None:
        self.state = SourceState()
        self.mirror = Mirror(sim.exchange._venue.core, [BTC], depth, self.state)
        self._levels: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def book(self, *, snapshot: bool = False, wrong: int = 0, **sides: list[tuple[str, str]]) -> list[str]:
        if snapshot:
            self._levels = {"bids": {}, "asks": {}}
        for side, rows in sides.items():
            for price, qty in rows:
                self._levels[side][price] = qty
                if not float(qty):
                    del self._levels[side][price]
        rows_of = {
            side: "[" + ",".join(f'{{"price":{p},"qty":{q}}}' for p, q in sides.get(side, [])) + "]"
            for side in ("bids", "asks")
        }
        data = (
            f'{{"symbol":"{BTC}","bids":{rows_of["bids"]},"asks":{rows_of["asks"]},"checksum":{self._crc() + wrong}}}'
        )
        kind = "snapshot" if snapshot else "update"
        return self.mirror.take(decode_frame(f'{{"channel":"book","type":"{kind}","data":[{data}]}}'))

    def _crc(self) -> int:
        asks = sorted(self._levels["asks"].items(), key=lambda row: float(row[0]))[:10]
        bids = sorted(self._levels["bids"].items(), key=lambda row: -float(row[0]))[:10]
        digits = "".join(text.replace(".", "").lstrip("0") for row in asks + bids for text in row)
        return zlib.crc32(digits.encode())

    def trade(self, side: str, price: str, qty: str) -> None:
        row = f'{{"symbol":"{BTC}","side":"{side}","price":{price},"qty":{qty},"ord_type":"market"}}'
        self.mirror.take(decode_frame(f'{{"channel":"trade","type":"update","data":[{row}]}}'))


def open_source(sim: Any) -> Source:
    source = Source(sim)
    source.book(
        snapshot=True,
        bids=[("50000.0", "2.00000000"), ("49999.0", "1.00000000")],
        asks=[("50010.0", "1.00000000"), ("50011.0", "3.00000000")],
    )
    return source


async def test_the_book_is_the_sources(open_sim: Any, autojump_clock: Any) -> None:
    """Level by level, through updates and removals; below any minimum too."""
    async with open_sim() as sim:
        source = open_source(sim)
        source.book(bids=[("50000.0", "0.00001000"), ("49999.0", "0.00000000"), ("49998.0", "7.00000000")])
        source.book(asks=[("50010.0", "4.50000000")])
        bids, asks = sim.truth.levels(BTC)
        assert bids == [(d("50000"), d("0.00001")), (d("49998"), d("7"))]
        assert asks == [(d("50010"), d("4.5")), (d("50011"), d("3"))]
        assert source.state.frames == 3


async def test_a_jump_of_the_whole_book_trades_nothing_with_itself(open_sim: Any, autojump_clock: Any) -> None:
    """Both sides move past each other's old levels in one frame: nothing is printed."""
    async with open_sim() as sim:
        source = open_source(sim)
        source.book(
            bids=[("50000.0", "0"), ("49999.0", "0"), ("50020.0", "1.00000000")],
            asks=[("50010.0", "0"), ("50011.0", "0"), ("50025.0", "1.00000000")],
        )
        assert sim.truth.levels(BTC) == ([(d("50020"), d("1"))], [(d("50025"), d("1"))])
        assert (await sim.rest.public("Trades", pair="XBTUSD"))["result"]["XXBTZUSD"] == []


async def test_a_client_takes_what_is_shown_until_the_source_speaks_of_it_again(
    open_sim: Any, autojump_clock: Any
) -> None:
    """As the taker, at the level's price."""
    async with open_sim() as sim:
        source, client = open_source(sim), await sim.ws()
        await client.add(**BUY, order_qty=0.4, limit_price=50010.0)
        (trade,) = sim.truth.trades
        assert (trade.price, trade.qty, trade.liquidity) == (d("50010"), d("0.4"), "t")
        assert sim.truth.levels(BTC)[1][0] == (d("50010"), d("0.6"))
        source.book(bids=[("49998.0", "1.00000000")])
        assert sim.truth.levels(BTC)[1][0] == (d("50010"), d("0.6"))
        source.book(asks=[("50010.0", "0.90000000")])
        assert sim.truth.levels(BTC)[1][0] == (d("50010"), d("0.9"))


async def test_a_trade_through_a_resting_order_fills_it_as_maker(open_sim: Any, autojump_clock: Any) -> None:
    """At its own price, up to the trade's quantity; the tape shows that quantity once."""
    async with open_sim() as sim:
        source, client = open_source(sim), await sim.ws()
        await client.add(**BUY, order_qty=0.5, limit_price=50005.0)
        source.trade("sell", "50000.0", "0.3")
        (trade,) = sim.truth.trades
        assert (trade.price, trade.qty, trade.liquidity) == (d("50005"), d("0.3"), "m")
        source.trade("sell", "50000.0", "1.0")
        assert sum(trade.qty for trade in sim.truth.trades) == d("0.5")
        rows = (await sim.rest.public("Trades", pair="XBTUSD"))["result"]["XXBTZUSD"]
        assert sum(d(row[1]) for row in rows) == d("1.3")
        assert sim.truth.levels(BTC)[0][0] == (d("50000"), d("2"))


async def test_a_trade_at_the_price_uses_up_what_stood_before(open_sim: Any, autojump_clock: Any) -> None:
    """Two units stood before the client: the third trade reaches it. What joined later stays behind it."""
    async with open_sim() as sim:
        source, client = open_source(sim), await sim.ws()
        await client.add(**BUY, order_qty=0.5, limit_price=50000.0)
        source.book(bids=[("50000.0", "5.00000000")])
        source.trade("sell", "50000.0", "1.5")
        assert sim.truth.trades == []
        source.book(bids=[("50000.0", "3.50000000")])
        source.trade("sell", "50000.0", "0.7")
        assert [trade.qty for trade in sim.truth.trades] == [d("0.2")]
        source.trade("sell", "50000.0", "0.7")
        assert sum(trade.qty for trade in sim.truth.trades) == d("0.5")


async def test_what_leaves_without_a_trade_moves_nobody_forward(open_sim: Any, autojump_clock: Any) -> None:
    """A level that shrinks from five to two loses what stood behind the client."""
    async with open_sim() as sim:
        source, client = open_source(sim), await sim.ws()
        await client.add(**BUY, order_qty=0.5, limit_price=50000.0)
        source.book(bids=[("50000.0", "5.00000000")])
        source.book(bids=[("50000.0", "2.00000000")])
        source.trade("sell", "50000.0", "1.9")
        assert sim.truth.trades == []
        source.trade("sell", "50000.0", "0.1")
        assert sim.truth.levels(BTC)[0][0] == (d("50000"), d("2.5"))


async def test_a_level_that_crosses_a_resting_order_trades_with_it(open_sim: Any, autojump_clock: Any) -> None:
    """The client is the maker, at its own price."""
    async with open_sim() as sim:
        source, client = open_source(sim), await sim.ws()
        await client.add(**BUY, order_qty=0.5, limit_price=50005.0)
        source.book(
            bids=[("50000.0", "0"), ("49999.0", "0"), ("49990.0", "1.00000000")], asks=[("50001.0", "0.70000000")]
        )
        (trade,) = sim.truth.trades
        assert (trade.price, trade.qty, trade.liquidity) == (d("50005"), d("0.5"), "m")
        assert sim.truth.levels(BTC)[1][0] == (d("50001"), d("0.2"))


async def test_a_stop_fires_on_the_sources_trade(open_sim: Any, autojump_clock: Any) -> None:
    """And takes the bids that are shown."""
    async with open_sim() as sim:
        source, client = open_source(sim), await sim.ws()
        source.trade("buy", "50010.0", "0.1")
        await client.add(side="sell", order_type="stop-loss", order_qty=0.5, triggers={"price": 50001.0})
        source.trade("sell", "50000.0", "0.1")
        assert [(trade.price, trade.qty) for trade in sim.truth.trades] == [(d("50000"), d("0.5"))]


async def test_a_wrong_checksum_stops_the_symbol_until_a_snapshot(open_sim: Any, autojump_clock: Any) -> None:
    """Its updates change nothing meanwhile, and it is asked for anew."""
    async with open_sim() as sim:
        source = open_source(sim)
        assert source.book(bids=[("50000.0", "1.00000000")], wrong=1) == [BTC]
        assert (source.mirror.whole, source.state.mismatches) == (False, 1)
        assert source.book(bids=[("50000.0", "9.00000000")]) == []
        assert sim.truth.levels(BTC)[0][0] == (d("50000"), d("2"))
        source.book(snapshot=True, bids=[("49000.0", "1.00000000")])
        assert (source.mirror.whole, sim.truth.levels(BTC)) == (True, ([(d("49000"), d("1"))], []))


async def test_what_falls_out_of_the_depth_is_shown_no_more(open_sim: Any, autojump_clock: Any) -> None:
    """Eleven bids at depth ten."""
    async with open_sim() as sim:
        source = Source(sim)
        source.book(snapshot=True, bids=[(f"{50000 - n}.0", "1.00000000") for n in range(10)])
        source.book(bids=[("50001.0", "1.00000000")])
        bids, _ = sim.truth.levels(BTC, 20)
        assert (len(bids), bids[0][0], bids[-1][0]) == (10, d("50001"), d("49992"))


@pytest.mark.parametrize("price", ["50000.05", "1e30", '"x"'])
async def test_a_price_that_does_not_fit_is_refused(open_sim: Any, autojump_clock: Any, price: str) -> None:
    """A source of another precision would make books that nobody can check."""
    async with open_sim() as sim:
        source = Source(sim)
        with pytest.raises(ValueError):
            source.book(snapshot=True, bids=[(price, "1.00000000")] if price != '"x"' else [('"x"', "1.0")])
        await trio.lowlevel.checkpoint()
        assert json.dumps(source.state.shown())
