"""An exchange and a venue without an engine, for tests that open the engine themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from engine.journal.journal import Journal
from engine.journal.opening import seeded_journal
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import VirtualWire, open_virtual_wire
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.seams.disk import Disk
from engine.sim import Exchange, SimSettings

HOST, PORT = "kraken.sim", 443


class Place:
    """A simulated Kraken on a virtual wire and a disk. ``open`` runs an engine there."""

    def __init__(self, wire: VirtualWire) -> None:
        self.wire, self.clock, self.chance, self.disk = wire, VirtualClock(), SeededChance(3), Disk()
        self.exchange = Exchange(SimSettings(), self.clock, self.chance)
        wire.listen(HOST, PORT, self.exchange.serve)

    def venue(self, **changes: Any) -> KrakenVenue:
        """The production adapter, pointed at this exchange."""
        settings = KrakenSettings(
            api_key=Secret(self.exchange.api_key),
            api_secret=Secret(self.exchange.api_secret),
            mode="simulated",
            plain_host=HOST,
            rest_url=f"http://{HOST}:{PORT}",
            ws_url=f"ws://{HOST}:{PORT}/v2",
            ws_auth_url=f"ws://{HOST}:{PORT}/v2",
        )
        settings = msgspec.structs.replace(settings, **changes)
        return KrakenVenue(settings, wire=self.wire, clock=self.clock, chance=self.chance, nonces=MemoryNonceStore())

    def journal(self) -> Journal:
        """The journal on this disk. The caller closes it."""
        return seeded_journal(self.disk, self.venue().identity, self.clock)

    def open(
        self, journal: Journal | None, settings: EngineSettings | None = None, **changes: Any
    ) -> AbstractAsyncContextManager[Engine]:
        """An engine on this venue and journal."""
        return open_engine(
            settings or EngineSettings(),
            self.venue(**changes),
            journal=journal,
            clock=self.clock,
            chance=self.chance,
        )


@asynccontextmanager
async def _open_place() -> AsyncIterator[Place]:
    async with open_virtual_wire(SeededChance(3).stream("wire")) as wire:
        place = Place(wire)
        async with place.exchange.running():
            yield place


@pytest.fixture
def open_place() -> Callable[[], AbstractAsyncContextManager[Place]]:
    """Open a place on virtual time."""
    return _open_place
