"""Books at every depth on the wire, and what makes one of them begin anew."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
import structlog.testing
import trio

from engine.errors import ConfigError, VenueRefused
from engine.kraken.subscriptions import ACK_TIMEOUT_S
from engine.market.book import DEPTHS
from engine.market.topics import Topic
from engine.sim import ScriptedFaults, lose_request, refuse_with


@contextlib.asynccontextmanager
async def held(link, channel, symbol, variant=None, holder="test"):
    """Hold one topic."""
    topic = link.topic(channel, symbol, variant)
    link.hold(topic, holder)
    try:
        await link.wait_standing(topic)
        yield topic
    finally:
        link.release(topic, holder)


def fill(stage, levels, symbol="BTC/USD"):
    """Put so many levels on each side."""
    for number in range(levels):
        stage.exchange.house.quote(symbol, "buy", Decimal(49000) - number, Decimal("0.01"))
        stage.exchange.house.quote(symbol, "sell", Decimal(51000) + number, Decimal("0.01"))


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_book_of_every_depth_is_verified_and_follows(stage, autojump_clock, depth):
    """Snapshot and updates agree with the venue's checksum; the sides are as deep as asked for."""
    fill(stage, depth + 5)
    async with stage.link() as link, held(link, "book", "BTC/USD", depth):
        book = link.book("BTC/USD")
        assert (book.usable, len(book.levels("buy")), len(book.levels("sell"))) == (True, depth, depth)
        stage.exchange.house.quote("BTC/USD", "buy", Decimal("49000.5"), Decimal(1))
        stage.exchange.house.take("BTC/USD", "buy", Decimal("0.035"))
        await stage.sink.wait(lambda: book.best("buy") == Decimal("49000.5"))
        await trio.sleep(1)
        assert book.usable
        assert len(book.levels("buy")) == depth
        assert [gap.channel for gap in link.links()[0].gaps] == []


async def test_a_book_thinner_than_its_depth_is_verified_and_harms_no_other(stage, autojump_clock):
    """Three levels a side, then none on one: the checksum is over what there is (ccxt #24461, gocryptotrader #1279)."""
    fill(stage, 3)
    fill(stage, 15, "ETH/USD")
    async with stage.link() as link, link.watch("ETH/USD") as other, link.watch("BTC/USD") as book:
        assert (book.usable, len(book.levels("buy")), len(book.levels("sell"))) == (True, 3, 3)
        stage.exchange.house.take("BTC/USD", "buy", Decimal("0.03"))
        await stage.sink.wait(lambda: not book.levels("sell"))
        await trio.sleep(1)
        assert (book.usable, other.usable) == (True, True)
        assert (link.links()[0].gaps_total, link.links()[0].attempts) == (0, 1)


async def test_a_deeper_hold_deepens_the_one_book(stage, autojump_clock):
    """One depth a symbol: the holder of ten keeps its book object, and gets it back verified with a hundred levels."""
    fill(stage, 120)
    async with stage.link() as link, link.watch("BTC/USD", "bracket/1") as book:
        assert len(book.levels("buy")) == 10
        async with held(link, "book", "BTC/USD", 100, "user"):
            assert (book is link.book("BTC/USD"), book.usable, len(book.levels("buy"))) == (True, True, 100)
            assert [(str(one.topic), one.holders) for one in link.held()] == [
                ("book BTC/USD 10", ("bracket/1",)),
                ("book BTC/USD 100", ("user",)),
            ]
        await trio.sleep(5)
        assert (book.usable, book.depth) == (True, 100)  # it is not made shallower under whoever holds it
        stage.exchange.house.quote("BTC/USD", "buy", Decimal("49500.0"), Decimal(1))
        await stage.sink.wait(lambda: book.best("buy") == Decimal("49500.0"))


async def test_a_crossed_book_is_sent_anew_alone(stage, autojump_clock):
    """The venue's checksum agrees with a book that makes no sense: unusable, and resynchronised."""
    fill(stage, 3)
    async with stage.link() as link, link.watch("BTC/USD") as book, link.watch("ETH/USD") as other:
        version, crossed = other.version, book.levels("sell")[0][0]
        honest = book.checksum
        book.checksum = lambda: 7
        (socket,) = stage.exchange._sockets(False)
        row = f'{{"symbol":"BTC/USD","bids":[{{"price":{crossed},"qty":1.0}}],"asks":[],"checksum":7}}'
        socket.outbox.send(f'{{"channel":"book","type":"update","data":[{row}]}}'.encode())
        await stage.sink.wait(lambda: not book.usable)
        assert book.fault == "crossed"
        book.checksum = honest
        await stage.sink.wait(lambda: book.usable, 5)
        assert (other.version, other.usable) == (version, True)
        (mine,) = [one for one in link.freshness() if one.symbol == "BTC/USD"]
        assert (mine.resyncs, mine.usable, mine.fault) == (1, True, "")


async def test_taking_over_from_another_holder_costs_nothing(stage, autojump_clock):
    """Intake leaves, the bracket comes a moment later: the same book, verified all the while, asked for once."""
    fill(stage, 3)
    async with stage.link() as link:
        async with link.watch("BTC/USD", "signal/1") as first:
            pass
        await trio.sleep(0.2)
        began_s = trio.current_time()
        async with link.watch("BTC/USD", "bracket/1") as second:
            assert (second is first, second.usable, trio.current_time()) == (True, True, began_s)
            await trio.sleep(2)
            assert second.usable
            assert [v for s, usable, v in stage.sink.books if not usable] == []


async def test_a_lost_answer_holds_nobody_else_up(stage, autojump_clock):
    """One request vanishes; a symbol asked for meanwhile is there at once."""
    fill(stage, 3, "ETH/USD")
    async with stage.link() as link:
        await trio.sleep(1)
        stage.exchange.faults = ScriptedFaults().at("subscribe", 1, lose_request())
        link.hold(link.topic("book", "BTC/USD"), "test")
        await trio.sleep(0.1)
        with trio.fail_after(1):
            async with link.watch("ETH/USD") as book:
                assert book.usable
        with structlog.testing.capture_logs() as logs, trio.fail_after(ACK_TIMEOUT_S + 1):
            await link.wait_standing(Topic("book", "BTC/USD", 10))
        assert [entry["event"] for entry in logs].count("subscription.unanswered") == 1


async def test_what_cannot_be_had_is_said_clearly(stage, autojump_clock):
    """An unknown symbol, a depth and an interval nobody offers, a refusal of the venue's: each with its words."""
    async with stage.link() as link:
        with pytest.raises(VenueRefused, match="EQuery:Unknown asset pair:NO/PE"):
            link.topic("trade", "NO/PE")
        with pytest.raises(ConfigError, match="depth of book is one of 10, 25, 100, 500, 1000, not 11"):
            link.topic("book", "BTC/USD", 11)
        with pytest.raises(ConfigError, match="interval of ohlc"):
            link.topic("ohlc", "BTC/USD", 2)
        stage.exchange.faults = ScriptedFaults().at("subscribe", 1, refuse_with("EGeneral:Temporary lockout"))
        ticker = link.topic("ticker", "BTC/USD")
        link.hold(ticker, "test")
        with pytest.raises(VenueRefused, match="Temporary lockout"):
            await link.wait_standing(ticker)
        assert [(one.standing, one.refusal) for one in link.held()] == [(False, "EGeneral:Temporary lockout")]
        link.release(ticker, "test")
        await trio.sleep(1)
        async with held(link, "ticker", "BTC/USD"):  # asked anew
            assert [(one.standing, one.refusal) for one in link.held()] == [(True, "")]


async def test_trades_lost_with_the_connection_come_with_the_next(stage, autojump_clock):
    """Traded while we were away: told once each, in order, from the snapshot of the new subscription."""
    fill(stage, 3)
    async with stage.link() as link, held(link, "trade", "BTC/USD"):
        stage.exchange.house.take("BTC/USD", "buy", Decimal("0.001"))
        await stage.sink.wait(lambda: len(stage.sink.trades) == 1)
        stage.exchange.kick(private=False)
        for _ in range(3):
            stage.exchange.house.take("BTC/USD", "sell", Decimal("0.001"))
        await stage.sink.wait(lambda: len(stage.sink.trades) == 4)
        await trio.sleep(5)
        ids = [trade.trade_id for trade in stage.sink.trades]
        assert ids == list(range(ids[0], ids[0] + 4))


async def test_candles_of_two_intervals_come_side_by_side(stage, autojump_clock):
    """The present candle with every trade, each interval with its own beginning."""
    fill(stage, 3)
    async with stage.link() as link, held(link, "ohlc", "BTC/USD", 1), held(link, "ohlc", "BTC/USD", 60):
        stage.exchange.house.take("BTC/USD", "buy", Decimal("0.002"))
        await stage.sink.wait(lambda: {candle.interval for candle in stage.sink.candles if candle.trades} == {1, 60})
        last = stage.sink.candles[-1]
        assert (last.close, last.volume) == (Decimal(51000), Decimal("0.002"))
        assert last.begin_ns % (last.interval * 60 * 10**9) == 0


async def test_freshness_tells_age_latency_and_holders(stage, autojump_clock):
    """A quiet book grows old without being unusable; its updates took what the wire takes."""
    fill(stage, 3)
    async with stage.link() as link, link.watch("BTC/USD", "bracket/1"):
        stage.exchange.house.quote("BTC/USD", "buy", Decimal("49500.0"), Decimal(1))
        await trio.sleep(30)
        (one,) = link.freshness()
        assert (one.symbol, one.status, one.depth, one.usable) == ("BTC/USD", "online", 10, True)
        assert 29 < one.update_age_s <= 30
        assert one.verified_age_s == one.update_age_s
        assert 0 < one.latency_s <= one.latency_worst_s < 0.1
        assert one.holders == ("bracket/1",)
