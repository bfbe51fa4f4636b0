"""The token that every private request carries (§5.5)."""

from __future__ import annotations

import math

import trio

from engine.kraken.queries import Queries
from engine.kraken.settings import Secret

RENEW_S = 13 * 60
"""Kraken takes a token for 15 minutes; afterwards only a private subscription made with it keeps it alive."""


class WsToken:
    """The token of the present connection. A held one (a private subscription stands) does not age."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._token = Secret("")
        self._born_s = -math.inf
        self._used = True
        self._failed = False
        self.held = False

    def reveal(self) -> str:
        """Return the token's text as it is. Never log it."""
        self._used = True
        return self._token.reveal()

    async def renew(self) -> None:
        """Have a fresh one for a new connection: one that nobody has seen yet will do. Raises what a query raises."""
        self.held = False
        if self._used or self._old:
            await self._fetch()

    async def _fetch(self) -> None:
        asked_s, again, self._failed = trio.current_time(), self._failed, True
        self._token = await self._queries.websockets_token(again=again)
        self._failed = False
        self._born_s, self._used = asked_s, False  # its age counts from before the venue made it

    @property
    def _old(self) -> bool:
        return trio.current_time() - self._born_s >= RENEW_S

    async def current(self) -> str:
        """Return the token's text, of a fresh one when it would soon be too old and nothing holds it alive."""
        if not self.held and self._old:
            await self._fetch()
        return self.reveal()
