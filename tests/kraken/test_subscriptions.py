"""Many symbols on the public stream: paced, every answer counted, what is missing asked for again."""

from __future__ import annotations

import contextlib
import dataclasses
from decimal import Decimal

import pytest
import structlog.testing
import trio

from engine.errors import VenueRefused
from engine.sim import ScriptedFaults, lose_request, refuse_with
from engine.sim.instruments import DEFAULT_ASSETS, DEFAULT_PAIRS


@contextlib.asynccontextmanager
async def watching(link, symbols, channels=("book", "trade", "ticker")):
    """Hold some channels of many symbols."""
    topics = [link.topic(channel, symbol) for symbol in symbols for channel in channels]
    for topic in topics:
        link.hold(topic, "test")
    for topic in topics:
        await link.wait_standing(topic)
    yield [link.book(symbol) for symbol in symbols]
    for topic in topics:
        assert link.release(topic, "test")


def market_of(count):
    """As many pairs, all in dollars."""
    first = DEFAULT_PAIRS[0]
    assets = tuple(dataclasses.replace(DEFAULT_ASSETS[0], name=f"A{n}", rest_key=f"XA{n}") for n in range(count))
    pairs = tuple(
        dataclasses.replace(first, symbol=f"A{n}/USD", base=f"A{n}", altname=f"A{n}USD", rest_key=f"XA{n}USD")
        for n in range(count)
    )
    return {"assets": (*DEFAULT_ASSETS, *assets), "pairs": (*DEFAULT_PAIRS, *pairs)}


def subscribes(stage):
    """Collect (time, number of symbols) of subscribe requests from now on, as the exchange reads them."""
    seen = []
    faults = stage.exchange.faults = ScriptedFaults()
    judge = faults.on_request

    async def note(transport, method, phase, number):
        if method == "subscribe":
            seen.append(trio.current_time())
        return await judge(transport, method, phase, number)

    faults.on_request = note
    return seen, faults


async def test_many_symbols_come_back_after_a_reconnect(stages, autojump_clock):
    """250 symbols on a venue that drops what is beyond 20 messages a second: few requests, every book back."""
    async with stages(**market_of(250), ws_messages_per_s=20) as stage, stage.link() as link:
        symbols = [f"A{n}/USD" for n in range(250)]
        async with watching(link, symbols) as books:
            await trio.sleep(20)
            seen, _ = subscribes(stage)
            stage.exchange.kick()
            await trio.sleep(0.1)
            assert not any(book.usable for book in books)
            await stage.sink.wait(lambda: all(book.usable for book in books), 5)
            await trio.sleep(20)
            assert len(seen) == 3 + 9  # executions, balances, instruments; three channels by hundreds
            assert all(book.usable for book in books)
            assert link.links()[0].errors == 0


async def test_many_symbols_leave_within_the_message_rate(stages, autojump_clock):
    """250 symbols given up at once on a venue that drops what is too fast: no message is lost (nautilus #4093)."""
    async with stages(**market_of(250), ws_messages_per_s=20) as stage, stage.link() as link:
        symbols = [f"A{n}/USD" for n in range(250)]
        async with watching(link, symbols):
            await trio.sleep(20)
        await trio.sleep(60)
        told = len(stage.sink.trades)
        for symbol in symbols:
            stage.exchange.house.quote(symbol, "sell", Decimal("60000.0"), Decimal(1))
            stage.exchange.house.take(symbol, "buy", Decimal("0.1"))
        await trio.sleep(1)
        assert len(stage.sink.trades) == told
        assert (link.links()[0].errors, link.links()[0].attempts) == (0, 1)


@pytest.mark.parametrize("nth", [2, 3, 4])
async def test_lost_subscription_is_asked_for_again(stage, autojump_clock, nth):
    """A request vanishes without an answer: what it asked for stands a few seconds later all the same."""
    async with stage.link() as link, watching(link, ["BTC/USD", "ETH/USD"]) as books:
        await trio.sleep(20)
        stage.exchange.faults = ScriptedFaults().at("subscribe", nth, lose_request())
        with structlog.testing.capture_logs() as logs:
            stage.exchange.kick(private=False)
            await trio.sleep(12)
        assert all(book.usable for book in books)
        assert [entry["event"] for entry in logs].count("subscription.unanswered") == 1
        trades = len(stage.sink.trades)
        stage.exchange.house.quote("ETH/USD", "sell", Decimal("2500.0"), Decimal(1))
        stage.exchange.house.take("ETH/USD", "buy", Decimal("0.1"))
        await trio.sleep(1)
        assert len(stage.sink.trades) == trades + 1
        assert link.ticker("ETH/USD").last == Decimal("2500.0")


async def test_instruments_that_never_come_cost_the_connection(stage, autojump_clock):
    """Three unanswered requests: a new connection, and the link counts no failure once it is complete."""
    async with stage.link() as link:
        await trio.sleep(12)
        stage.exchange.faults = ScriptedFaults().during("subscribe", 0, 17, lose_request())
        stage.exchange.kick(private=False)
        await trio.sleep(40)
        public = link.links()[0]
        assert (public.state, public.attempts, public.failures_in_a_row) == ("healthy", 3, 0)


async def test_refused_subscription_is_counted(stage, autojump_clock):
    """A refusal is an error of the link and ends the wait of whoever asked."""
    async with stage.link() as link:
        stage.exchange.faults = ScriptedFaults().at("subscribe", 1, refuse_with("EGeneral:Temporary lockout"))
        with pytest.RaisesGroup(VenueRefused, allow_unwrapped=True, flatten_subgroups=True):
            async with link.watch("BTC/USD"):
                pass
        assert link.links()[0].errors == 1


async def test_wrong_checksum_is_a_gap_of_that_book(stage, autojump_clock):
    """The corrupt frame costs its book a second, is kept as a gap until the new snapshot, and nothing else."""
    async with stage.link() as link, watching(link, ["BTC/USD", "ETH/USD"]) as (book, other):
        version = other.version
        stage.exchange.faults = ScriptedFaults().at_frame("book", 1, "corrupt")
        stage.exchange.house.quote("BTC/USD", "buy", Decimal("49000.0"), Decimal(1))
        await stage.sink.wait(lambda: not book.usable)
        assert [gap.channel for gap in link.links()[0].gaps] == ["book BTC/USD"]
        await stage.sink.wait(lambda: book.usable, 5)
        assert (other.version, other.usable) == (version, True)
        public = link.links()[0]
        assert (public.gaps, public.gaps_total, public.gaps_healed, public.attempts) == ((), 1, 1, 1)


async def test_new_symbols_within_a_second_have_their_books_at_once(stages, autojump_clock):
    """A book costs one message of the ten a second, not three: nine symbols in half a second wait for nobody."""
    async with stages(**market_of(9)) as stage, stage.link() as link, contextlib.AsyncExitStack() as stack:
        await trio.sleep(5)
        for number in range(9):
            began_s = trio.current_time()
            await stack.enter_async_context(link.watch(f"A{number}/USD", f"bracket/{number}"))
            assert trio.current_time() - began_s < 0.05
            await trio.sleep(0.05)


async def test_books_go_before_everything_else(stages, autojump_clock):
    """Forty tickers and trades at many intervals are wanted and the budget is spent: the book is next all the same."""
    async with stages(**market_of(12)) as stage, stage.link() as link:
        await trio.sleep(5)
        for interval in (1, 5, 15, 30, 60, 240, 1440):
            for number in range(12):
                link.hold(link.topic("ohlc", f"A{number}/USD", interval), "test")
            await trio.sleep(0.01)
        for channel in ("trade", "ticker"):
            for number in range(12):
                link.hold(link.topic(channel, f"A{number}/USD"), "test")
                await trio.sleep(0.03)
        began_s = trio.current_time()
        async with link.watch("A3/USD") as book:
            assert book.usable
            assert trio.current_time() - began_s < 1.05  # one slot of the second that is full
