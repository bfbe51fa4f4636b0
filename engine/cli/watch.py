"""The verb ``watch``: one symbol's live book and trades, from any public WebSocket of Kraken's kind."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import trio
from cyclopts import Parameter
from rich.live import Live

from engine.cli.asking import Config, DataDir
from engine.cli.complaints import complain
from engine.cli.exchanges import market_chance, open_exchange, prepared_sim, running_address
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.market_lines import Picture, book_line, trade_line
from engine.cli.output import Output
from engine.config import Settings, load_settings
from engine.errors import ConfigError
from engine.kraken.market_venue import open_market
from engine.market.book import DEPTHS
from engine.market.freshness import Freshness
from engine.net.wire import TcpWire
from engine.runtime.logs import configure_logs
from engine.runtime.market_bus import MarketBus
from engine.runtime.market_data import MarketData
from engine.runtime.readers import CutOff
from engine.runtime.settings import MarketSettings
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock

REDRAW_S = 0.2
"""Five pictures a second: an eye follows no more."""
FELL_BEHIND = "fell behind: trades are missing here"


def watch(
    symbol: str,
    *,
    depth: Annotated[int, Parameter(help="Levels of the book: 10, 25, 100, 500 or 1000.")] = 10,
    url: Annotated[str | None, Parameter(help="A public WebSocket, such as wss://ws.kraken.com/v2.")] = None,
    for_s: Annotated[float | None, Parameter(name="--for", help="End after this many seconds.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print one JSON object a line.")] = False,
) -> Exit:
    """Show the live book and the trades of a market. Needs no key.

    Without an address: where the settings say, or the exchange that runs on the data directory, or one of its own.

    Example: python -m engine watch BTC/USD --url wss://ws.kraken.com/v2
    """
    if depth not in DEPTHS:
        raise ConfigError(f"--depth is one of {', '.join(map(str, DEPTHS))}, not {depth}")
    if for_s is not None and not for_s > 0:
        raise ConfigError(f"--for is a number of seconds above 0, not {for_s:g}")
    settings = load_settings(config, {} if data_dir is None else {"data_dir": data_dir})
    configure_logs(sys.stderr, level="critical")  # what is wrong with the stream is in the picture
    asked = _Asked(symbol, depth, math.inf if for_s is None else for_s, as_json)
    return trio.run(partial(_watch, settings, url, asked))


@dataclass(frozen=True)
class _Asked:
    """What the command line asked for."""

    symbol: str
    depth: int
    for_s: float
    as_json: bool


async def _watch(settings: Settings, url: str | None, asked: _Asked) -> Exit:
    try:
        async with open_interrupts() as stop:
            with stop:
                async with open_source(settings, url) as address:
                    await _Watching(address, asked).run()
    except Exception as error:
        return complain(error)
    return Exit.DONE


@asynccontextmanager
async def open_source(settings: Settings, url: str | None) -> AsyncIterator[str]:
    """Give the address to listen at: the one named, the settings', or that of an exchange, if need be of its own."""
    if url is not None or settings.venue != "embedded":
        yield url or settings.kraken.ws_url
        return
    running = await running_address(settings.directory)
    if running is not None:
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="watch-") as place:
        directory = Path(place)
        sim = await prepared_sim(settings, directory)
        async with open_exchange(sim, market_chance(settings), 0, directory) as listening:
            yield listening.addresses["ws_url"]


class _Watching:
    """One look at one symbol, until nobody looks any more."""

    def __init__(self, address: str, asked: _Asked) -> None:
        self._address, self._asked, self._output = address, asked, Output()
        self._picture = Picture(asked.symbol, address)
        self._scope = trio.CancelScope()
        self._drawn = self._output.is_terminal and not asked.as_json

    async def run(self) -> None:
        """Show until cancelled or until the reader has gone. Raises VenueRefused, VenueUnavailable."""
        bus, depth = MarketBus(), self._asked.depth
        clock, chance = SystemClock(), SystemChance()
        async with open_market(self._address, bus, wire=TcpWire(), clock=clock, chance=chance) as link:
            market = MarketData(link, bus, MarketSettings())
            name = link.topic("book", self._asked.symbol, depth).symbol
            with self._scope:
                self._scope.deadline = trio.current_time() + self._asked.for_s
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._books, market, name, name="watch/books")
                    nursery.start_soon(self._trades, market, name, name="watch/trades")
                    if self._drawn:
                        nursery.start_soon(self._tickers, market, name, name="watch/tickers")
                        nursery.start_soon(self._redraw, market, name="watch/screen")

    async def _books(self, market: MarketData, symbol: str) -> None:
        async with market.books(symbol, depth=self._asked.depth) as books:
            async for latest in books:
                self._picture.book = latest.value
                if not self._drawn:
                    line = book_line(latest.value, latest.skipped)
                    self._say(line, "book", {"skipped": latest.skipped, **_members(latest.value)})

    async def _trades(self, market: MarketData, symbol: str) -> None:
        while True:
            async with market.trades(symbol) as trades:
                async for trade in trades:
                    self._picture.trades.append(FELL_BEHIND if isinstance(trade, CutOff) else trade)
                    if self._drawn:
                        continue
                    if isinstance(trade, CutOff):
                        self._say(FELL_BEHIND, "cut_off", {"given": trade.given})
                    else:
                        self._say(trade_line(trade), "trade", _members(trade))

    async def _tickers(self, market: MarketData, symbol: str) -> None:
        async with market.tickers(symbol) as tickers:
            async for latest in tickers:
                self._picture.ticker = latest.value

    async def _redraw(self, market: MarketData) -> None:
        console = self._output.console
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(self._picture.draw(_first(market.freshness()), console), refresh=True)
                await trio.sleep(REDRAW_S)

    def _say(self, line: str, kind: str, members: dict[str, Any]) -> None:
        if self._asked.as_json:
            self._output.json({"type": kind, **members})
        else:
            self._output.text(line + "\n")
        if self._output.closed:
            self._scope.cancel("nobody reads any more")


def _members(value: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(value)


def _first(found: tuple[Freshness, ...]) -> Freshness | None:
    return next(iter(found), None)
