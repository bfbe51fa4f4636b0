"""The engine's account, reached by the guardian's own key: the journal stays the engine's, and so does the mark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from engine.errors import ConfigError, VenueRefused
from engine.venue.protocol import Venue, VenueIdentity, VenueLink, VenueSink

log = structlog.get_logger()


class StandIn:
    """A venue that opens with one key and answers for another of the same account.

    ``account`` is the hash of the engine's key, as its journal has it in its first row. ``mark_key`` is the engine's:
    without it the guardian would take the engine's orders for a stranger's. ``order_id``, an order of the engine's
    that the venue knows, proves before anything is sent that both keys belong to one account.
    """

    def __init__(self, venue: Venue, account: str, mark_key: bytes, order_id: str = "") -> None:
        self._venue, self._account, self._mark_key, self._order_id = venue, account, mark_key, order_id

    @property
    def identity(self) -> VenueIdentity:
        """Say whose account this is: the engine's."""
        own = self._venue.identity
        return VenueIdentity(venue=own.venue, account=self._account, mode=own.mode)

    @property
    def mark_key(self) -> bytes:
        """The engine's: orders that the guardian sends are the engine's orders."""
        return self._mark_key

    @property
    def former_mark_keys(self) -> tuple[bytes, ...]:
        """Those of the engine's earlier secrets, as far as they were given."""
        return self._venue.former_mark_keys

    def open(self, sink: VenueSink) -> AbstractAsyncContextManager[VenueLink]:
        """See Venue. Raises ConfigError as well: the key is another account's."""
        return self._open(sink)

    @asynccontextmanager
    async def _open(self, sink: VenueSink) -> AsyncIterator[VenueLink]:
        foreign = False
        async with self._venue.open(sink) as link:
            foreign = not await self._is_same_account(link)
            if not foreign:
                yield link
        if foreign:
            raise ConfigError(
                f"the guardian's key cannot see order {self._order_id} of the engine's journal: it is another"
                " account's key, or lacks a permission; make a second key of the engine's account"
            )

    async def _is_same_account(self, link: VenueLink) -> bool:
        if not self._order_id:
            log.warning("guardian.account_unproven", why="the journal names no order that the venue has ever known")
            return True
        try:
            return any(found.order_id == self._order_id for found in await link.query_orders([self._order_id]))
        except VenueRefused:
            return False
