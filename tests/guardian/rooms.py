"""A dead engine's place on virtual time: exchange, journal on the real disk, pulse in memory, processes that obey."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import trio

from engine.guardian.sight import Sight
from engine.guardian.stand_in import StandIn
from engine.guardian.takeover import Takeover
from engine.journal.lease import Lease, hold_lease, read_claim
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.settings import KrakenSettings, Secret
from engine.kraken.venue import KrakenVenue
from engine.net.wire import VirtualWire, open_virtual_wire
from engine.orders.signal import parse_signal
from engine.runtime.fence import Fence
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.pulse import Pulse
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.seams.processes import CannotKill, Fate, ProcessMark, own_mark
from engine.seams.uptime import VirtualUptime
from engine.sim import Exchange, SimSettings
from engine.sim.settings import KeySpec
from engine.venue.protocol import Venue, VenueIdentity

HOST, PORT = "kraken.sim", 443
SIGNAL = (
    '{"signal_id":"12345678-1234-4678-8234-567812345678","symbol":"BTC/USD","side":"buy","order_type":"market",'
    '"order_qty":"0.02","stop_loss":{"trigger_price":"49000.0"},"take_profit":{"price":"51000.0"}}'
)


class MemorySlot:
    """Where a pulse lies, for whoever looks."""

    def __init__(self) -> None:
        self.pulse: Pulse | None = None

    async def put(self, pulse: Pulse) -> None:
        self.pulse = pulse

    def look(self) -> Pulse | None:
        return self.pulse


class Stalled:
    """The engine's process as a guardian sees it: it holds the lease until it is killed, or ends on a claim."""

    def __init__(self, lock: Path, fate: Fate = "stopped") -> None:
        self._lock, self._fate = lock, fate
        self._held = contextlib.ExitStack()
        self.lease: Lease = self._held.enter_context(hold_lease(lock))
        self.killed: list[ProcessMark] = []
        self.claimed = False
        self.cannot = ""

    def fate(self, mark: ProcessMark) -> Fate:
        return self._fate

    def kill(self, mark: ProcessMark) -> None:
        if self.cannot:
            raise CannotKill(self.cannot)
        claim = read_claim(self._lock)
        self.claimed = claim is not None and claim.of == mark
        self.killed.append(mark)
        self.let_go()

    def let_go(self) -> None:
        """End: the kernel takes the lock back."""
        self._held.close()


class Room:
    """A simulated Kraken with three keys, two of them of one account."""

    def __init__(self, wire: VirtualWire, directory: Path) -> None:
        self.wire, self.clock, self.chance = wire, VirtualClock(), SeededChance(3)
        keys = (KeySpec(name="guardian"), KeySpec(name="stranger", account="other"))
        funds = {"USD": Decimal(1000)}
        sim = SimSettings(accounts={**SimSettings().accounts, "other": funds}, more_keys=keys)
        self.exchange = Exchange(sim, self.clock, self.chance)
        self.settings = EngineSettings(data_dir=directory)
        self.lock = directory / f"{JOURNAL_FILE}.lock"
        self.slot = MemorySlot()
        wire.listen(HOST, PORT, self.exchange.serve)
        for side, price in (("buy", 49990), ("sell", 50000)):
            self.exchange.house.quote("BTC/USD", side, Decimal(price), Decimal(1))

    def venue(self, key: str = "client") -> KrakenVenue:
        """The production adapter with one of the keys."""
        public, secret = self.exchange.credentials(key)
        settings = KrakenSettings(
            api_key=Secret(public),
            api_secret=Secret(secret),
            mode="simulated",
            plain_host=HOST,
            rest_url=f"http://{HOST}:{PORT}",
            ws_url=f"ws://{HOST}:{PORT}/v2",
            ws_auth_url=f"ws://{HOST}:{PORT}/v2",
            open_timeout_s=5,
        )
        return KrakenVenue(settings, wire=self.wire, clock=self.clock, chance=self.chance, nonces=MemoryNonceStore())

    async def live(self) -> Pulse:
        """Let an engine buy, cover and end, and leave behind what a killed one leaves: a pulse that says running."""
        opened = open_engine(
            self.settings,
            self.venue(),
            clock=self.clock,
            chance=self.chance,
            fence=Fence(VirtualUptime()),
            pulse=self.slot,
        )
        async with opened as engine:
            await engine.submit(parse_signal(SIGNAL))
            await trio.sleep(5)
        assert self.stops() == 1
        assert self.slot.pulse is not None
        self.slot.pulse = msgspec.structs.replace(self.slot.pulse, state="running")
        return self.slot.pulse

    def takeover(self, processes: Stalled, key: str = "guardian", *, may_kill: bool = True) -> Takeover:
        """A guardian's try, with one of the keys."""

        @asynccontextmanager
        async def open_venue(identity: VenueIdentity, fence: Fence, order_id: str) -> AsyncIterator[Venue]:
            yield StandIn(self.venue(key), identity.account, self.venue().mark_key, order_id)

        return Takeover(
            self.settings,
            open_venue,
            processes,
            self.clock,
            policy="close",
            may_kill=may_kill,
            look=self.slot.look,
            slot=self.slot,
            fence=lambda: Fence(VirtualUptime()),
        )

    @contextlib.contextmanager
    def stalled(self, fate: Fate = "stopped") -> Iterator[Stalled]:
        """Let the engine's process, this one, hold its lease."""
        processes = Stalled(self.lock, fate)
        try:
            yield processes
        finally:
            processes.let_go()

    def sight(self, pulse: Pulse) -> Sight:
        """What a guardian has seen before it acts."""
        assert pulse.mark == own_mark()
        return Sight("still", 20, "stopped", pulse)

    def stops(self) -> int:
        """How many stops rest, by the exchange's word."""
        return sum(order.is_open and "stop" in order.order_type for order in self.exchange.truth.orders.values())

    def sells(self) -> int:
        """How many fills have sold."""
        return sum(self.exchange.truth.orders[one.order_id].side == "sell" for one in self.exchange.truth.trades)


@asynccontextmanager
async def open_room(directory: Path) -> AsyncIterator[Room]:
    """Run the exchange while the block stands."""
    async with open_virtual_wire(SeededChance(3).stream("wire")) as wire:
        room = Room(wire, directory)
        async with room.exchange.running():
            yield room
