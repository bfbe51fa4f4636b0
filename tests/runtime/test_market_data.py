"""``engine.market``: subscribing while the engine runs, and reading along."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import structlog.testing
import trio

from engine.chaos.world import World
from engine.errors import ConfigError, VenueRefused
from engine.market.updates import InstrumentChanged, PublicTrade, TradesMissed
from engine.orders.signal import parse_signal
from engine.runtime.market_data import CONFIG, USER
from engine.runtime.readers import CutOff
from engine.runtime.settings import EngineSettings, MarketSettings
from engine.testing import run_world
from tests.runtime.worlds import SIGNAL, SIGNAL_ID

Body = Callable[[World], Any]
BRACKET = f"bracket/{SIGNAL_ID}"


def on_a_market(body: Body, **market: Any) -> Any:
    """Run a body in a world with a quoted market."""

    async def run(world: World) -> Any:
        for symbol, price in (("BTC/USD", 50_000), ("ETH/USD", 3_000)):
            quote(world, symbol, price - 10, price + 10)
        return await body(world)

    return run_world(run, seed=1, settings=EngineSettings(market=MarketSettings(**market)), limit_s=3600)


def quote(world: World, symbol: str, bid: int, ask: int) -> None:
    """Put a bid and an ask."""
    world.exchange.house.quote(symbol, "buy", Decimal(bid), Decimal(1))
    world.exchange.house.quote(symbol, "sell", Decimal(ask), Decimal(1))


def held(world: World) -> dict[str, tuple[str, ...]]:
    """Who holds what."""
    return {str(one.topic): one.holders for one in world.engine.market.subscriptions()}


def test_subscribing_and_unsubscribing_while_it_runs() -> None:
    """Any spelling; what stands is verified when the call returns; the same name again counts once."""

    async def body(world: World) -> None:
        market = world.engine.market
        topics = await market.subscribe("XBTUSD")
        assert [str(topic) for topic in topics] == ["book BTC/USD 10", "trade BTC/USD", "ticker BTC/USD"]
        await market.subscribe("BTC/USD")
        view = market.book("BTC/USD")
        assert view is not None
        assert (view.usable, view.bids[0][0]) == (True, Decimal(49_990))
        assert market.unsubscribe("BTC/USD", ["trade", "ticker"]) == ()
        assert held(world) == {"book BTC/USD 10": (USER,)}
        market.unsubscribe("BTC/USD")
        await trio.sleep(1)
        assert (held(world), market.book("BTC/USD"), market.freshness()) == ({}, None, ())

    on_a_market(body)


def test_a_brackets_own_subscription_cannot_be_taken_away() -> None:
    """Unsubscribed by the user, the book goes on for the bracket; nobody else may end it either."""

    async def body(world: World) -> None:
        market = world.engine.market
        await market.subscribe("BTC/USD")
        await world.engine.submit(parse_signal(SIGNAL))
        await trio.sleep(1)
        (left,) = market.unsubscribe("BTC/USD")
        assert (str(left.topic), left.holders) == ("book BTC/USD 10", (BRACKET,))
        with pytest.raises(VenueRefused, match=f"nothing of BTC/USD is subscribed in the name of user.*{BRACKET}"):
            market.unsubscribe("BTC/USD")
        await trio.sleep(5)
        view = market.book("BTC/USD")
        assert view is not None
        assert view.usable

    on_a_market(body)


def test_what_cannot_be_subscribed_leaves_nothing_held() -> None:
    """Unknown symbol, depth that is not offered, a wait that is cut off: the error is clear and nothing stays."""

    async def body(world: World) -> None:
        market = world.engine.market
        with pytest.raises(VenueRefused, match="Unknown asset pair:NO/PE"):
            await market.subscribe("NO/PE")
        with pytest.raises(ConfigError, match="depth of book"):
            await market.subscribe("BTC/USD", depth=12)
        world.exchange.kick()
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.01):
            await market.subscribe("BTC/USD")
        assert held(world) == {}

    on_a_market(body)


def test_configured_pairs_are_there_from_the_start() -> None:
    """With their channels; one that the venue does not list is told of and left out; an entry finds its book fresh."""

    async def body(world: World) -> None:
        await trio.sleep(1)
        assert held(world) == {"book ETH/USD 10": (CONFIG,), "ohlc ETH/USD 1": (CONFIG,)}
        assert [one.usable for one in world.engine.market.freshness()] == [True]

    with structlog.testing.capture_logs() as logs:
        on_a_market(body, pairs=("NO/PE", "ETH/USD"), channels=("book", "ohlc"))
    assert [entry["symbol"] for entry in logs if entry["event"] == "market.pair_left_out"] == ["NO/PE"]


def test_everything_held_comes_back_after_a_reconnect() -> None:
    """Books verified anew, tickers and trades told on."""

    async def body(world: World) -> None:
        market = world.engine.market
        await market.subscribe("BTC/USD")
        world.exchange.kick()
        await trio.sleep(5)
        assert all(one.standing for one in market.subscriptions())
        async with market.trades("BTC/USD") as trades:
            world.exchange.house.take("BTC/USD", "buy", Decimal("0.01"))
            trade = await anext(trades)
        assert isinstance(trade, PublicTrade)
        assert trade.price == Decimal(50_010)
        await trio.sleep(1)
        ticker = market.ticker("BTC/USD")
        assert ticker is not None
        assert ticker.last == Decimal(50_010)

    on_a_market(body)


def test_a_book_reader_gets_the_latest_and_a_trades_reader_gets_all() -> None:
    """Forty changes while nobody looks: one state of the book and how many were skipped; forty trades."""

    async def body(world: World) -> None:
        market = world.engine.market
        async with market.books("BTC/USD", depth=10) as books, market.trades("BTC/USD") as trades:
            assert (await anext(books)).skipped == 0
            for _ in range(40):
                world.exchange.house.take("BTC/USD", "buy", Decimal("0.001"))
                await trio.sleep(0.1)
            latest = await anext(books)
            assert latest.skipped == 39
            assert latest.value.asks[0] == (Decimal(50_010), Decimal("0.96"))
            got = [await anext(trades) for _ in range(40)]
            assert [one.trade_id for one in got if isinstance(one, PublicTrade)] == list(range(1, 41))
            assert held(world) == {"book BTC/USD 10": ("reader/1",), "trade BTC/USD": ("reader/2",)}
        assert held(world) == {}

    on_a_market(body)


def test_a_trades_reader_that_falls_behind_is_cut_off_with_a_marker() -> None:
    """It gets what was promised, then the marker; the engine and the next reader go on."""

    async def body(world: World) -> None:
        market = world.engine.market
        async with market.trades("BTC/USD", capacity=3) as slow:
            for _ in range(6):
                world.exchange.house.take("BTC/USD", "buy", Decimal("0.001"))
            await trio.sleep(1)
            items = [item async for item in slow]
        assert [getattr(item, "trade_id", None) for item in items] == [1, 2, 3, None]
        assert items[-1] == CutOff(3)
        assert TradesMissed not in map(type, items)

    on_a_market(body)


def test_an_unusable_book_is_told_as_such() -> None:
    """A reader sees that the book is away, and that it is back."""

    async def body(world: World) -> None:
        async with world.engine.market.books("BTC/USD") as books:
            await anext(books)
            world.exchange.kick()
            away = (await anext(books)).value
            assert (away.usable, away.fault) == (False, "away")
            with trio.fail_after(10):
                while not (await anext(books)).value.usable:
                    pass

    on_a_market(body)


def test_instrument_status_is_told() -> None:
    """By its latest state, and one by one to who wants every change."""

    async def body(world: World) -> None:
        market = world.engine.market
        async with market.instruments() as latest, market.every(InstrumentChanged, symbols=["BTC/USD"]) as every:
            world.exchange.set_status("cancel_only")
            await trio.sleep(1)
            world.exchange.set_status("online")
            await trio.sleep(1)
            now = {one.value.symbol: one.value for one in [await anext(latest), await anext(latest)]}
            assert now["BTC/USD"].instrument.status == "online"
            first, last = await anext(every), await anext(every)
            assert isinstance(first, InstrumentChanged)
            assert isinstance(last, InstrumentChanged)
            assert (first.instrument.status, last.instrument.status) == ("cancel_only", "online")

    on_a_market(body)


def test_readers_end_with_the_engine() -> None:
    """Whoever reads along is let go when the engine has shut down."""

    async def body(world: World) -> list[object]:
        seen: list[object] = []

        async def read() -> None:
            async with world.engine.market.trades("BTC/USD") as trades:
                seen.extend([item async for item in trades])
            seen.append("ended")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(1)
            with trio.fail_after(60):
                await world.stop()
        return seen

    assert on_a_market(body) == ["ended"]
