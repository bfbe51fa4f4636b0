"""Kraken spot behind ``engine.venue.protocol``: one object that opens, and the link it gives."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import ConfigError, VenueError
from engine.kraken.link import KrakenLink
from engine.kraken.nonce import NonceStore
from engine.kraken.rest import open_rest
from engine.kraken.settings import KrakenSettings, Secret
from engine.net.budget import RollingBudget
from engine.net.wire import Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock, SteadyClock
from engine.venue.protocol import (
    VenueIdentity,
    VenueLink,
    VenueSink,
)


class KrakenVenue:
    """Kraken, configured and not yet connected. Raises ConfigError for settings that must not be used."""

    def __init__(
        self,
        settings: KrakenSettings,
        *,
        wire: Wire,
        clock: Clock,
        chance: Chance,
        nonces: NonceStore,
        query_nonces: NonceStore | None = None,
    ) -> None:
        settings.check()
        self._settings, self._wire, self._clock, self._chance = settings, wire, clock, chance
        self._nonces, self._query_nonces = nonces, query_nonces
        policy = settings.link
        self._dialling = RollingBudget(policy.connections_most, policy.connections_within_s)

    @property
    def identity(self) -> VenueIdentity:
        """Say which account this is, by a hash of the API key."""
        digest = hashlib.sha256(self._settings.api_key.reveal().encode("utf-8")).hexdigest()
        return VenueIdentity(venue="kraken", account=digest[:16], mode=self._settings.mode)

    @property
    def mark_key(self) -> bytes:
        """Key of the mark inside our order ids, derived from the API secret and useless for signing."""
        return _mark_key(self._settings.api_secret)

    @property
    def former_mark_keys(self) -> tuple[bytes, ...]:
        """Those of the secrets of before."""
        return tuple(_mark_key(secret) for secret in self._settings.former_secrets)

    @asynccontextmanager
    async def open(self, sink: VenueSink) -> AsyncIterator[VenueLink]:
        """Connect; see Venue.open. Errors of the block come out as an exception group (a nursery holds the links)."""
        failure: VenueError | ConfigError | None = None
        async with open_rest(
            self._settings, self._wire, self._clock, self._chance, self._nonces, self._query_nonces
        ) as rest:
            link = KrakenLink(
                self._settings,
                sink,
                rest,
                wire=self._wire,
                clock=SteadyClock(self._clock),  # a step of the machine's clock would set deadlines wrong by as much
                chance=self._chance,
                dialling=self._dialling,  # Kraken counts attempts by address, however often we open
            )
            async with trio.open_nursery() as link_nursery:
                failure = await link.start(link_nursery)
                if failure is None:
                    yield link
                link_nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


def _mark_key(secret: Secret) -> bytes:
    return hmac.digest(secret.reveal().encode("ascii"), b"cl_ord_id mark", hashlib.sha256)
