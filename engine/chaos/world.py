"""The world: the production engine and the simulated exchange on virtual time and a virtual wire."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from engine.journal.journal import Journal
from engine.journal.opening import seeded_journal
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import VirtualWire, open_virtual_wire
from engine.runtime.engine import Engine, open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.seams.disk import Disk
from engine.sim import Exchange, SimSettings

HOST = "kraken.sim"
PORT = 443


class WireTrace:
    """A running hash over every byte on every connection, with the end that sent it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0

    def __call__(self, name: str, data: bytes) -> None:
        self._hash.update(f"{name}:{len(data)}:".encode())
        self._hash.update(data)
        self.bytes += len(data)

    @property
    def digest(self) -> str:
        """Hash of all bytes so far."""
        return self._hash.hexdigest()


@dataclass
class World:
    """All parts of one run. ``exchange.house`` moves the market, ``exchange.truth`` knows what really happened."""

    seed: int | str
    engine: Engine
    exchange: Exchange
    wire: VirtualWire
    clock: VirtualClock
    chance: SeededChance
    journal: Journal
    trace: WireTrace
    settings: EngineSettings
    venue: KrakenVenue = field(repr=False)

    def fingerprint(self) -> tuple[int, str, str]:
        """Rows, chain head and wire hash: equal for equal seeds, to the byte."""
        rows, head = self.journal.head
        return rows, head, self.trace.digest


def venue_of(
    exchange: Exchange, wire: VirtualWire, clock: VirtualClock, chance: SeededChance, **changes: object
) -> KrakenVenue:
    """Point the production adapter at a simulated exchange on the virtual wire."""
    settings = KrakenSettings(
        api_key=Secret(exchange.api_key),
        api_secret=Secret(exchange.api_secret),
        mode="simulated",
        plain_host=HOST,
        rest_url=f"http://{HOST}:{PORT}",
        ws_url=f"ws://{HOST}:{PORT}/v2",
        ws_auth_url=f"ws://{HOST}:{PORT}/v2",
    )
    settings = msgspec.structs.replace(settings, **changes)
    return KrakenVenue(settings, wire=wire, clock=clock, chance=chance, nonces=MemoryNonceStore())


@asynccontextmanager
async def open_world(
    seed: int | str = 0,
    *,
    sim: SimSettings | None = None,
    settings: EngineSettings | None = None,
    latency_s: float = 0.01,
    **venue_changes: object,
) -> AsyncIterator[World]:
    """Run engine and exchange together while the block stands. Needs trio's MockClock with autojump.

    Everything depends on ``seed`` and the arguments alone when the run stands inside ``deterministic(seed)``.
    ``venue_changes`` are members of KrakenSettings.
    """
    chance, clock, trace = SeededChance(seed), VirtualClock(), WireTrace()
    exchange = Exchange(sim or SimSettings(), clock, chance)
    settings = settings or EngineSettings()
    async with open_virtual_wire(chance.stream("wire"), latency_s) as wire:
        wire.observers.append(trace)
        wire.listen(HOST, PORT, exchange.serve)
        venue = venue_of(exchange, wire, clock, chance, **venue_changes)
        journal = seeded_journal(Disk(), venue.identity, clock)
        async with (
            exchange.running(),
            open_engine(settings, venue, journal=journal, clock=clock, chance=chance) as engine,
        ):
            yield World(seed, engine, exchange, wire, clock, chance, journal, trace, settings, venue)
