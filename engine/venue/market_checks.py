"""Checks on market data: books, public trades, tickers, candles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import VenueRefused
from engine.market.topics import MarketChannel
from engine.values.money import Side
from engine.venue.protocol import Lane
from engine.venue.trial import Trial, need, same
from engine.venue.witness import PATIENCE_S, Breach

POLL_S = 0.05
"""Between two looks at what nobody tells: the end of a subscription."""


async def book_is_verified(trial: Trial) -> None:
    """A watched book is usable when the block begins, uncrossed, best levels first, and ends with its last holder."""
    symbol = trial.ground.symbol
    async with trial.link.watch(symbol) as book:
        async with trial.link.watch(symbol) as again:
            need(again is book, "two holders have two books")
        need(book.usable and trial.link.book(symbol) is book, "the book is not usable while it is held")
        bid, ask = book.best("buy"), book.best("sell")
        need(bid is not None and ask is not None and bid < ask, f"best bid {bid}, best ask {ask}")
        sides: tuple[tuple[Side, bool], ...] = (("buy", True), ("sell", False))
        for side, flip in sides:
            prices = [price for price, _ in book.levels(side)]
            need(prices == sorted(prices, reverse=flip), f"levels of side {side} are not best first")
    with trio.move_on_after(PATIENCE_S):
        while trial.link.book(symbol) is not None:  # noqa: ASYNC110 - no event tells the end of a subscription
            await trio.sleep(POLL_S)
    need(trial.link.book(symbol) is None and not book.usable, "the book lives on after its last holder left")


async def public_trades_are_told(trial: Trial) -> None:
    """A trade that we made ourselves is told as a public one while the symbol's trades are held."""
    topic = trial.link.topic("trade", trial.ground.symbol)
    trial.link.hold(topic, "contract")
    await trial.link.wait_standing(topic)
    order = trial.order("buy", "market")
    await trial.place(order)
    await trial.ended(order)
    prices = {fill.last_px for fill in trial.fills(order)}
    await trial.witness.until(
        lambda: prices <= {trade.price for trade in trial.witness.trades}, "our own trade was not told as public"
    )
    await trial.place(trial.order("sell", "market"), Lane.REDUCING)
    need(all(trade.symbol == trial.ground.symbol for trade in trial.witness.trades), "a trade of another symbol")
    need(trial.link.release(topic, "contract"), "the hold could not be released")
    need(not trial.link.release(topic, "contract"), "a hold was released twice")


async def unknown_symbol_is_refused(trial: Trial) -> None:
    """Watching a symbol that the venue does not list raises VenueRefused."""
    try:
        async with trial.link.watch("NO/SUCH"):
            pass
    except VenueRefused:
        return
    except BaseExceptionGroup as group:
        if group.subgroup(VenueRefused) is None:
            raise
        return
    raise Breach("an unknown symbol can be watched")


async def book_depths_are_kept(trial: Trial) -> None:
    """At every depth that is offered the book stands verified, as deep as was asked, and holds no level beyond."""
    symbol = trial.ground.symbol
    for depth in sorted(trial.manifest.book_depths):
        async with _held(trial, "book", depth):
            book = trial.link.book(symbol)
            if book is None or not book.usable:
                raise Breach(f"no usable book at depth {depth}")
            need(book.depth >= depth, f"a book of depth {book.depth}, wanted {depth}")
            sides: tuple[Side, ...] = ("buy", "sell")
            for side in sides:
                levels = len(list(book.levels(side)))
                need(0 < levels <= book.depth, f"{levels} levels of side {side} in a book of depth {book.depth}")


async def ticker_is_told(trial: Trial) -> None:
    """While it is held the ticker is told, sound, and is what the link says it is."""
    symbol = trial.ground.symbol
    async with _held(trial, "ticker"):
        told = trial.witness.tickers
        await trial.witness.until(lambda: bool(told), "no ticker")
        same("symbol", told[-1].symbol, symbol)
        need(0 < told[-1].bid < told[-1].ask, f"bid {told[-1].bid}, ask {told[-1].ask}")
        need(told[-1].volume >= 0 < told[-1].last, f"last {told[-1].last}, volume {told[-1].volume}")
        same("ticker of the link", trial.link.ticker(symbol), told[-1])


async def candles_are_told(trial: Trial) -> None:
    """A trade that we made ourselves is in the running candle of a minute, and each candle is one that can be."""
    async with _held(trial, "ohlc", 1):
        order = trial.order("buy", "market")
        await trial.place(order)
        await trial.ended(order)
        prices = {fill.last_px for fill in trial.fills(order)}
        told = trial.witness.candles
        await trial.witness.until(
            lambda: any(all(candle.low <= price <= candle.high for price in prices) for candle in told),
            "no candle holds our own trade",
        )
        await trial.place(trial.order("sell", "market"), Lane.REDUCING)
    for candle in told:
        same("symbol and interval", (candle.symbol, candle.interval), (trial.ground.symbol, 1))
        inside = candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
        need(inside, f"open {candle.open}, high {candle.high}, low {candle.low}, close {candle.close}")
        need(candle.trades > 0 < candle.volume, f"{candle.trades} trades, volume {candle.volume}")


@asynccontextmanager
async def _held(trial: Trial, channel: MarketChannel, variant: int | None = None) -> AsyncIterator[None]:
    """Hold a topic of the symbol, standing, while the block does."""
    topic = trial.link.topic(channel, trial.ground.symbol, variant)
    trial.link.hold(topic, "contract")
    try:
        with trio.move_on_after(PATIENCE_S) as bound:
            await trial.link.wait_standing(topic)
        need(not bound.cancelled_caught, f"{topic} does not stand after {PATIENCE_S:g} s")
        yield
    finally:
        trial.link.release(topic, "contract")
