"""A live market: one exchange follows another over its public feed, through everything that may happen to it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
import trio

from engine.net.wire import VirtualWire, open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import (
    Exchange,
    LiveMarket,
    ScriptedFaults,
    SimSettings,
    SourceLost,
    SourceRefused,
    SyntheticMarket,
    address_of,
    fetch_listing,
)
from tests.sim.conftest import HOST, PORT, Sim

SOURCE, URL = "source.test", "ws://source.test/v2"
SYMBOLS = ("BTC/USD", "ETH/USD")
MARKETS = (
    SyntheticMarket(symbol="BTC/USD", start_price=Decimal(50_000)),
    SyntheticMarket(symbol="ETH/USD", start_price=Decimal(2_500)),
)


@dataclass
class Pair:
    """A source and an exchange that follows it."""

    wire: VirtualWire
    source: Exchange
    paper: Sim
    said: list[str] = field(default_factory=list)

    async def until(self, holds: Any, seconds: float = 60) -> None:
        with trio.fail_after(seconds):
            while not holds():  # noqa: ASYNC110 - what is waited for stands on two exchanges
                await trio.sleep(0.05)

    @property
    def standing(self) -> str:
        return self.paper.exchange.source.standing

    def same(self) -> bool:
        theirs = [self.source.truth.levels(symbol) for symbol in SYMBOLS]
        return theirs == [self.paper.truth.levels(symbol) for symbol in SYMBOLS]


@asynccontextmanager
async def open_pair(seed: int = 1) -> AsyncIterator[Pair]:
    async with open_virtual_wire(random.Random(seed)) as wire, trio.open_nursery() as nursery:
        source = Exchange(SimSettings(synthetic=MARKETS), VirtualClock(), SeededChance(f"source/{seed}"))
        wire.listen(SOURCE, 80, source.serve)
        settings = replace(SimSettings(), live=LiveMarket(url=URL, symbols=SYMBOLS))
        said: list[str] = []
        paper = Exchange(settings, VirtualClock(), SeededChance(seed), wire=wire, tell=said.append)
        wire.listen(HOST, PORT, paper.serve)
        async with source.running(), paper.running():
            pair = Pair(wire, source, Sim(paper, wire, nursery), said)
            await pair.until(lambda: pair.standing == "moving")
            yield pair
        nursery.cancel_scope.cancel()


async def test_the_books_follow_and_a_client_trades_on_them(autojump_clock: Any) -> None:
    """Both symbols, level by level; an order at the market fills at the source's price and moves nothing there."""
    async with open_pair() as pair:
        for _ in range(5):
            await trio.sleep(3)
            await pair.until(pair.same)
        client = await pair.paper.ws()
        await pair.until(pair.same)
        ask = pair.source.truth.levels("BTC/USD")[1][0][0]
        await client.add(side="buy", order_type="market", order_qty=0.001)
        await pair.until(lambda: bool(pair.paper.truth.trades))
        assert abs(pair.paper.truth.trades[0].price - ask) < 20
        assert pair.source.truth.orders == {}


async def test_while_the_source_is_away_the_market_stands_still_and_says_so(autojump_clock: Any) -> None:
    """Nothing moves, cancel_only on the status channel, a sentence; back with complete books, it is online again."""
    async with open_pair() as pair:
        client = await pair.paper.ws()
        pair.wire.refuse(40)
        pair.source.kick()
        await pair.until(lambda: pair.standing == "away")
        still = pair.paper.truth.levels("BTC/USD")
        await trio.sleep(30)
        assert pair.paper.truth.levels("BTC/USD") == still
        assert (
            await client.add(side="buy", order_type="market", order_qty=0.001) == "EService:Market in cancel_only mode"
        )
        await pair.until(lambda: pair.standing == "moving")
        await pair.until(pair.same)
        assert [row["system"] for row in client.rows("status", "update")] == ["online", "cancel_only", "online"]
        assert pair.said[-1] == f"the market follows {URL}"
        assert "stands still" in pair.said[1]


async def test_connections_are_tried_with_growing_bounded_pauses(autojump_clock: Any) -> None:
    """Ten minutes away cost about twenty tries, no more, and the last come half a minute apart."""
    async with open_pair() as pair:
        before = pair.paper.exchange.source.connections
        pair.wire.refuse(600)
        pair.source.kick()
        await trio.sleep(600)
        assert 18 <= pair.paper.exchange.source.connections - before <= 45
        await pair.until(lambda: pair.standing == "moving")


async def test_a_source_that_falls_silent_is_left(autojump_clock: Any) -> None:
    """Half-open: no heartbeat for ten seconds."""
    async with open_pair() as pair:
        pair.source.stall()
        await pair.until(lambda: pair.standing == "away", 15)
        await pair.until(lambda: pair.standing == "moving", 15)


async def test_a_wrong_checksum_brings_one_book_anew(autojump_clock: Any) -> None:
    """The connection stays; the symbol is asked for again and follows on."""
    async with open_pair() as pair:
        state = pair.paper.exchange.source
        pair.source.faults = ScriptedFaults().at_frame("book", 3, "corrupt").at_frame("book", 60, "drop")
        await pair.until(lambda: state.mismatches >= 2)
        await pair.until(lambda: pair.standing == "moving")
        await pair.until(pair.same)
        assert state.connections == 1


async def test_a_snapshot_that_never_comes_ends_the_connection(autojump_clock: Any) -> None:
    """The book asked for anew stays away: fifteen seconds later everything is."""
    async with open_pair() as pair:
        state = pair.paper.exchange.source
        began = trio.current_time()
        pair.source.faults = ScriptedFaults().at_frame("book", 1, "corrupt").frames_during("book", 0, 10, "drop")
        await pair.until(lambda: state.connections == 2)
        assert trio.current_time() - began > 14
        await pair.until(lambda: pair.standing == "moving")
        await pair.until(pair.same)


async def test_a_mode_somebody_set_is_not_taken_back(autojump_clock: Any) -> None:
    """The source's return ends only what its absence began."""
    async with open_pair() as pair:
        pair.paper.exchange.set_status("maintenance")
        pair.source.kick()
        await pair.until(lambda: pair.standing == "away")
        await pair.until(lambda: pair.standing == "moving")
        assert pair.paper.exchange.status == "maintenance"


async def test_a_listing_is_fetched_before_there_is_an_exchange(autojump_clock: Any) -> None:
    """Pairs as the source lists them; an unknown symbol and an unreachable source are told apart."""
    async with open_pair() as pair:
        listing = await fetch_listing(pair.wire, address_of(URL), SYMBOLS)
        assert listing.pairs == SimSettings().pairs[:2]
        assert [asset.name for asset in listing.assets] == ["BTC", "USD", "ETH"]
        with pytest.raises(SourceRefused, match="BTC/EUR"):
            await fetch_listing(pair.wire, address_of(URL), ["BTC/EUR"])
        with pytest.raises(SourceLost, match="refused"):
            await fetch_listing(pair.wire, address_of("ws://nobody.test:99/v2"), SYMBOLS)


@pytest.mark.parametrize("url", ["", "ws.kraken.com", "https://ws.kraken.com/v2", "ws:///v2", "ws://host:x/v2"])
def test_an_address_that_is_none_is_a_value_error(url: str) -> None:
    """Whatever was typed."""
    with pytest.raises(ValueError):
        address_of(url)
