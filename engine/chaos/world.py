"""The world: the production engine and the simulated exchange on virtual time and a virtual wire."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, closing

import msgspec
import trio

from engine.chaos.process import Process
from engine.errors import JournalBusy
from engine.journal.journal import Journal
from engine.journal.opening import sound_seeded_journal
from engine.kraken.nonce import MemoryNonceStore, NonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import VirtualWire, Wire, open_virtual_wire
from engine.runtime.engine import Engine
from engine.runtime.halt_watch import HaltCheck
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.seams.disk import Disk
from engine.sim import Exchange, SimSettings
from engine.venue.protocol import Venue

HOST = "kraken.sim"
PORT = 443
STREAM_S = 80.0
"""A stream is back within the longest pause between two tries (60 s) and a handshake."""


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


class World:
    """All parts of one run. ``exchange.house`` moves the market, ``exchange.truth`` knows what really happened.

    ``clock`` is that of the engine's machine: the exchange has one of its own, so that no step of the one moves the
    other.

    ``engine`` and ``journal`` belong to the process that runs now; after ``kill`` and ``boot`` they are new ones.
    """

    def __init__(
        self,
        seed: int | str,
        wire: VirtualWire,
        settings: EngineSettings,
        sim: SimSettings,
        process_nursery: trio.Nursery,
        venue_changes: dict[str, object],
    ) -> None:
        self.seed, self.wire, self.settings = seed, wire, settings
        self.chance, self.clock, self.trace, self.disk = SeededChance(seed), VirtualClock(), WireTrace(), Disk()
        self.exchange = Exchange(sim, VirtualClock(), self.chance)
        self.nonces = MemoryNonceStore()
        self.lives = 0
        self.stopping_since_s: float | None = None
        """Since when an orderly end is under way."""
        self.halt_check: HaltCheck | None = None
        """Given to the engine at its next ``boot``."""
        self.forgives: Callable[[BaseException], bool] = lambda _: False
        """Asked about the error that a running engine ended with; see Process."""
        self._venue_changes, self._nursery = venue_changes, process_nursery
        self._power = self.chance.stream("power")
        self._process: Process | None = None
        self.engine: Engine
        self.journal: Journal

    async def boot(self) -> Engine | None:
        """Start an engine process on this disk and exchange; returns when it accepts signals, None if killed before."""
        self._process = self._new_process(self._chance_of_life(), self._open_journal)
        self.lives += 1
        born: tuple[Engine, Journal] | None = await self._nursery.start(self._process.run)
        if born is None:
            return None
        self.engine, self.journal = born
        return self.engine

    async def boot_beside(self) -> str:
        """Start one more engine on this disk, as somebody does who forgets the first; returns the words of its refusal.

        "" where nobody refuses it, or only once it has opened a connection: then it is killed at once.
        """
        second = self._new_process(SeededChance(f"{self.seed}/beside"), self._open_beside)
        try:
            await self._nursery.start(second.run)
        except JournalBusy as error:
            return "" if second.connections else str(error)
        second.kill()
        return ""

    @property
    def running(self) -> bool:
        """Whether an engine process lives that has not ended by itself."""
        return self._process is not None and not self._process.ended.is_set()

    async def wait_ended(self) -> None:
        """Return when no process runs: killed, ended by itself, or stopped."""
        if self._process is not None:
            await self._process.gone.wait()

    async def stop(self) -> None:
        """End the process in order."""
        if self._process is None:
            return
        self.stopping_since_s = trio.current_time()
        try:
            await self._process.stop()
        finally:
            self.stopping_since_s = None

    def kill(self, *, power_loss: bool = False) -> None:
        """Kill the process; with ``power_loss`` rows written and not synced may be gone too."""
        if self._process is not None:
            self._process.kill()
        self.disk.power_loss(self._power) if power_loss else self.disk.process_kill()
        self._process = None

    def fingerprint(self) -> tuple[int, str, str]:
        """Rows, chain head and wire hash: equal for equal seeds, to the byte."""
        rows, head = self.journal.head
        return rows, head, self.trace.digest

    def _new_process(
        self, chance: SeededChance, open_journal: Callable[[Venue], AbstractContextManager[Journal]]
    ) -> Process:
        return Process(
            self.wire,
            self._make_venue,
            open_journal,
            self.settings,
            self.clock,
            chance,
            self.halt_check,
            lambda error: self.forgives(error),
        )

    def _chance_of_life(self) -> SeededChance:
        return SeededChance(self.seed if self.lives == 0 else f"{self.seed}/life{self.lives}")

    def _make_venue(self, wire: Wire) -> KrakenVenue:
        return venue_of(self.exchange, wire, self.clock, self.chance, self.nonces, **self._venue_changes)

    def _open_journal(self, venue: Venue) -> AbstractContextManager[Journal]:
        return closing(sound_seeded_journal(self.disk, venue.identity, self.clock))

    def _open_beside(self, venue: Venue) -> AbstractContextManager[Journal]:
        if not self.running:
            raise JournalBusy("the first has just ended, and whoever keeps it running is about to start the next")
        return self._open_journal(venue)


def venue_of(
    exchange: Exchange, wire: Wire, clock: VirtualClock, chance: SeededChance, nonces: NonceStore, **changes: object
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
    return KrakenVenue(settings, wire=wire, clock=clock, chance=chance, nonces=nonces)


@asynccontextmanager
async def open_world(
    seed: int | str = 0,
    *,
    sim: SimSettings | None = None,
    settings: EngineSettings | None = None,
    latency_s: float = 0.01,
    prepare: Callable[[World], None] | None = None,
    **venue_changes: object,
) -> AsyncIterator[World]:
    """Run engine and exchange together while the block stands. Needs trio's MockClock with autojump.

    Everything depends on ``seed`` and the arguments alone when the run stands inside ``deterministic(seed)``.
    ``venue_changes`` are members of KrakenSettings; ``prepare`` is called before the first engine boots. Leaving the
    block stops the engine in order.
    """
    async with open_virtual_wire(SeededChance(seed).stream("wire"), latency_s) as wire, trio.open_nursery() as nursery:
        world = World(seed, wire, settings or EngineSettings(), sim or SimSettings(), nursery, venue_changes)
        wire.observers.append(world.trace)
        wire.listen(HOST, PORT, world.exchange.serve)
        async with world.exchange.running():
            if prepare is not None:
                prepare(world)
            await world.boot()
            try:
                yield world
            finally:
                with trio.CancelScope(shield=True):  # bounded by the engine's own shutdown bound
                    await world.stop()
