"""Where a plan asks for market data and for names: addresses that need no key."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import trio

from engine.cli.exchanges import open_apart, running_address
from engine.config import Settings
from engine.errors import VenueError
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.queries import Queries
from engine.kraken.rest import open_rest
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.net.wire import TcpWire
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.values.instrument import Instrument

NAMES_BOUND_S = 5.0


class Addresses(NamedTuple):
    """The public stream, and REST where it is known."""

    ws_url: str
    rest_url: str | None


@asynccontextmanager
async def open_addresses(settings: Settings, url: str | None) -> AsyncIterator[Addresses]:
    """Give the address named, the settings', or that of an exchange: the running one, else one made for this block."""
    if url is not None:
        yield Addresses(url, None)
        return
    if settings.venue != "embedded":
        yield Addresses(settings.kraken.ws_url, settings.kraken.rest_url)
        return
    running = await running_address(settings.directory)
    if running is not None:
        yield Addresses(running, "http" + running.removeprefix("ws").removesuffix("/v2"))
        return
    with tempfile.TemporaryDirectory(prefix="plan-") as place:
        async with open_apart(settings, Path(place)) as kraken:
            yield Addresses(kraken.ws_url, kraken.rest_url)


async def rest_name(rest_url: str | None, instrument: Instrument | None) -> str | None:
    """Ask AssetPairs for REST's name of a market; None when nobody answers in time: the plan then says so."""
    if rest_url is None or instrument is None:
        return None
    settings = KrakenSettings(api_key=Secret(""), api_secret=Secret(""), rest_url=rest_url)
    symbols, clock = Symbols(), SystemClock()
    symbols.learn_instruments([instrument])
    try:
        with trio.fail_after(NAMES_BOUND_S):
            async with open_rest(settings, TcpWire(), clock, SystemChance(), MemoryNonceStore()) as rest:
                await Queries(rest, symbols, clock, VenueTime()).learn_pairs()
    except (trio.TooSlowError, VenueError):
        return None
    return symbols.rest_name(instrument.symbol)
