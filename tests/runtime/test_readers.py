"""What slow readers get, and how much they may keep waiting."""

from __future__ import annotations

from decimal import Decimal

import trio

from engine.market.book import Book
from engine.market.updates import BookView, PublicTrade, Ticker
from engine.runtime.market_bus import MarketBus
from engine.runtime.readers import Conflated, CutOff, Every, Latest

NOW = BookView("BTC/USD", 10, True, "", 1, 1, (), ())
SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD")


def trade(number: int, symbol: str = "BTC/USD") -> PublicTrade:
    """A trade with a number."""
    return PublicTrade(symbol, "buy", Decimal(1), Decimal(1), number, number)  # type: ignore[arg-type]


async def test_a_conflated_reader_gets_the_latest_and_what_it_skipped():
    """One entry a key however far behind; the state is looked at when it is read; keys take turns."""
    reader: Conflated[int] = Conflated()
    state = {"a": 0, "b": 0}
    for number in range(100_000):
        state["a"] = number
        reader.offer("a", lambda: state["a"])
    reader.offer("b", lambda: state["b"])
    state["a"] = -1
    assert reader.waiting == 2
    assert [await anext(reader), await anext(reader)] == [Latest(-1, 99_999), Latest(0, 0)]
    assert reader.waiting == 0


async def test_every_reader_gets_all_or_is_cut_off_with_a_marker():
    """What was promised comes in order, then the marker, then the end; nothing is kept beyond the capacity."""
    reader: Every[int] = Every(100)
    for number in range(100_000):
        reader.offer(number)
    assert reader.waiting == 101
    assert [item async for item in reader] == [*range(100), CutOff(100)]


async def test_a_reader_that_keeps_up_misses_nothing(autojump_clock):
    """Ten thousand trades through a queue of eight."""
    reader: Every[int] = Every(8)

    async def feed() -> None:
        for number in range(10_000):
            reader.offer(number)
            if number % 8 == 7:
                await trio.sleep(0.001)
        reader.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        assert [item async for item in reader] == list(range(10_000))


async def test_closing_lets_what_waits_be_read():
    """Both kinds end after their last item."""
    every: Every[int] = Every(4)
    conflated: Conflated[int] = Conflated()
    every.offer(1)
    conflated.offer("a", lambda: 2)
    every.close()
    conflated.close()
    assert [item async for item in every] == [1]
    assert [item async for item in conflated] == [Latest(2, 0)]


async def test_the_bus_keeps_one_entry_a_symbol_for_the_slowest_book_reader():
    """A hundred thousand updates of three books nobody reads: three entries, and no level copied."""
    bus = MarketBus()
    reader = bus.conflated(BookView)
    books = [Book(symbol, 10, 1, 1) for symbol in SYMBOLS]
    for number in range(100_000):
        books[number % 3].version += 1
        bus.on_book(books[number % 3])
    assert reader.waiting == 3
    latest = [await anext(reader) for _ in SYMBOLS]
    assert [one.value.symbol for one in latest] == list(SYMBOLS)
    assert sum(one.skipped for one in latest) == 100_000 - 3
    assert all(one.value.version == book.version for one, book in zip(latest, books, strict=True))


async def test_a_slow_reader_costs_nobody_else(autojump_clock):
    """It is cut off; the other reads all of its symbol, and nothing of others or of other kinds."""
    bus = MarketBus()
    slow = bus.every((PublicTrade,), frozenset(), 2)
    other = bus.every((PublicTrade,), frozenset(["ETH/USD"]), 100)
    ticker = Ticker("ETH/USD", *[Decimal(1)] * 6)  # type: ignore[arg-type]
    for number in range(10):
        bus.on_trade(trade(number, SYMBOLS[number % 2]))
        bus.on_ticker(ticker)
    bus.leave(other)
    assert [getattr(item, "trade_id", item) async for item in slow] == [0, 1, CutOff(2)]
    assert [item.trade_id async for item in other if isinstance(item, PublicTrade)] == [1, 3, 5, 7, 9]
    assert bus.readers == 1
