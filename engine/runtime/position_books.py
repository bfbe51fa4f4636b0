"""Holds the book of every market in which a position is left: without it no loss there could be seen."""

from __future__ import annotations

from typing import Final

import structlog

from engine.errors import ConfigError, VenueRefused
from engine.market.topics import Topic
from engine.runtime.account_desk import AccountDesk
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

HOLDER: Final = "position"


class PositionBooks:
    """A position outlives its bracket: taken over, or left by an earlier process. Its market is watched until it ends.

    ``wanted`` False holds nothing: no limit looks at losses.
    """

    def __init__(self, accounts: AccountDesk, link: VenueLink, *, wanted: bool) -> None:
        self._accounts, self._link, self.wanted = accounts, link, wanted
        self._held: dict[str, Topic | None] = {}  # None: the venue does not list it now; that was told once

    def look(self) -> None:
        """Hold the books that are missing, release those of markets without a position."""
        symbols = self._accounts.held() if self.wanted else set()
        for symbol in sorted(symbols):
            if self._held.get(symbol) is None:
                self._held[symbol] = self._hold(symbol)
        for symbol in sorted(self._held.keys() - symbols):
            topic = self._held.pop(symbol)
            if topic is not None:
                self._link.release(topic, HOLDER)

    def _hold(self, symbol: str) -> Topic | None:
        try:
            topic = self._link.topic("book", symbol)
            self._link.hold(topic, HOLDER)
        except (VenueRefused, ConfigError) as error:
            if symbol not in self._held:
                log.warning("position.without_book", symbol=symbol, why=str(error))
            return None
        return topic
