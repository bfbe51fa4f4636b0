"""Kraken's public stream alone: market data without a key, an account or REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from engine.errors import ConfigError, VenueUnavailable
from engine.kraken.public_link import PublicLink
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.net.budget import RollingBudget
from engine.net.http import verified_tls
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.venue.protocol import MarketSink

OPEN_BOUND_S = 10.0
"""Until the instruments are known: a few tries to connect."""


@asynccontextmanager
async def open_market(
    ws_url: str, sink: MarketSink, *, wire: Wire, clock: Clock, chance: Chance, book_depth: int = 10
) -> AsyncIterator[PublicLink]:
    """Give the public stream at an address; it reconnects by itself until the block ends.

    Markets are known by their v2 names (BTC/USD) only. Raises ConfigError for what is no such address and
    VenueUnavailable when nobody answers there in time.
    """
    _check(ws_url)
    settings = KrakenSettings(api_key=Secret(""), api_secret=Secret(""), ws_url=ws_url, book_depth=book_depth)
    policy = settings.link
    link = PublicLink(
        settings,
        sink,
        wire=wire,
        tls=verified_tls(None) if ws_url.startswith("wss:") else None,
        clock=clock,
        chance=chance,
        symbols=Symbols(),
        budget=RollingBudget(policy.connections_most, policy.connections_within_s),
        venue_time=VenueTime(),
    )
    async with trio.open_nursery() as link_nursery:
        link_nursery.start_soon(link.run, name="link/public")
        with trio.move_on_after(OPEN_BOUND_S) as bound:
            await link.known.wait()
        if not bound.cancelled_caught:
            yield link
        link_nursery.cancel_scope.cancel()
    if bound.cancelled_caught:
        raise VenueUnavailable(f"no market data from {ws_url} in {OPEN_BOUND_S:g} s: {link.why}")


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is not an address: {error}") from error
    if parts.scheme not in ("ws", "wss") or not host or parts.username or parts.query or parts.fragment:
        raise ConfigError(f"{url!r} must look like wss://host[:port]/…, without user, query or fragment")
