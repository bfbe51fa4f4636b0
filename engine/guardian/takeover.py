"""Taking over: the guardian becomes the one writer of the dead engine's journal, closes everything, and proves it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from engine.errors import ConfigError, EngineError, JournalBusy
from engine.guardian.sight import Sight
from engine.journal.journal import Journal
from engine.journal.lease import Claim, hold_lease, read_holder, withdraw_claim, write_claim
from engine.journal.opening import open_sound_journal, read_journal
from engine.journal.reader import JournalReader
from engine.orders.events import OrderEvent
from engine.risk.trading_state import TRADING_ROW, TradingEvent, TradingState
from engine.runtime.close_report import CloseReport
from engine.runtime.fence import Fence
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.pulse import Pulse, PulseSlot
from engine.runtime.settings import EngineSettings
from engine.seams.clock import Clock
from engine.seams.processes import CannotKill, Processes, ProcessMark, own_mark
from engine.values.time import rfc3339
from engine.venue.protocol import Venue, VenueIdentity

log = structlog.get_logger()

GUARDIAN_ROW: Final = "guardian"
"""The journal's kind for TakenOver. It belongs to no signal and to no order."""
GUARDIAN: Final = "GUARDIAN"
"""Cause of the halt that a takeover leaves: the next engine starts with entries kept back until somebody resumes."""
LEASE_BOUND_S: Final = 10.0
"""How long the lease may take to come free: a process that was killed is buried in milliseconds, one that ends on a
claim needs a beat and its links' farewell."""
CLAIM_GRACE_S: Final = 3.0
"""What a process that runs, though it does not beat, gets to end by itself before it is killed."""
LOOK_EVERY_S: Final = 0.1
ROWS_BACK: Final = 50_000
"""How far back a row with the venue's id of an order is looked for."""

OpenVenue = Callable[[VenueIdentity, Fence, str], AbstractAsyncContextManager[Venue]]
"""Gives the venue for the account of a journal. The last is an order_id that its key must be able to see."""


class TakenOver(msgspec.Struct, frozen=True):
    """A guardian became the writer of this journal. ``killed``: the engine's process still stood there."""

    by: ProcessMark
    of: ProcessMark
    why: str
    policy: str
    killed: bool

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        how = "killed it and took over" if self.killed else "took over"
        return f"guardian {self.by.pid}, policy {self.policy}, {how}: {self.why}"


class StoodDown(EngineError):
    """The lease was not taken, and nothing was sent: says why. Harmless where the engine lives again."""


class Takeover:
    """One try. ``look`` reads the pulse anew; ``slot`` is where the guardian beats itself while it closes."""

    def __init__(
        self,
        settings: EngineSettings,
        open_venue: OpenVenue,
        processes: Processes,
        clock: Clock,
        *,
        policy: str,
        may_kill: bool,
        look: Callable[[], Pulse | None],
        slot: PulseSlot,
        fence: Callable[[], Fence] = Fence,
    ) -> None:
        assert settings.data_dir is not None  # noqa: S101 - a guardian is made for a data directory
        self._settings, self._directory = settings, settings.data_dir
        self._open_venue, self._processes, self._clock = open_venue, processes, clock
        self._policy, self._may_kill, self._look, self._slot, self._fence = policy, may_kill, look, slot, fence
        self._killed = False

    @property
    def _journal(self) -> Path:
        return self._directory / JOURNAL_FILE

    @property
    def _lock(self) -> Path:
        return self._journal.with_name(self._journal.name + ".lock")

    async def run(self, sight: Sight) -> CloseReport:
        """Take the lease of the engine seen dead, close everything, and return the proof.

        Raises StoodDown (nothing was done), and whatever opening an engine raises: nothing is held then any more.
        """
        pulse = sight.pulse
        if pulse is None:
            raise StoodDown("there is no pulse, so nobody knows whose lease to take")
        with contextlib.ExitStack() as held:
            journal = await self._take(held, pulse, sight)
            order_id = newest_order_id(journal)
            self._note(journal, pulse, sight)
            await journal.sync()
            fence = self._fence()
            async with self._open_venue(journal.identity, fence, order_id) as venue:
                if venue.identity != journal.identity:
                    raise ConfigError(
                        f"the key is for account {venue.identity.account}, the journal belongs to"
                        f" {journal.identity.account}: give the guardian a key of its own, or the engine's"
                    )
                return await self._close(venue, journal, fence, sight)

    async def _close(self, venue: Venue, journal: Journal, fence: Fence, sight: Sight) -> CloseReport:
        settings = msgspec.structs.replace(self._settings, on_stop="detach")
        async with open_engine(
            settings, venue, journal=journal, clock=self._clock, fence=fence, pulse=self._slot
        ) as engine:
            return await engine.close(everything=True, reason=f"guardian: {sight.text}")

    async def _take(self, held: contextlib.ExitStack, pulse: Pulse, sight: Sight) -> Journal:
        """Hold the journal's lease and the key's: claimed, waited for, and at the end killed for."""
        now_ns = self._clock.now_ns()
        write_claim(self._lock, Claim(pulse.mark, f"guardian {own_mark().pid}", sight.text, rfc3339(now_ns, 0)))
        began_s = trio.current_time()
        try:
            while True:
                self._require_dead(pulse)
                try:
                    return held.enter_context(self._opened())
                except JournalBusy as busy:
                    waited_s = trio.current_time() - began_s
                    if waited_s > LEASE_BOUND_S:
                        raise StoodDown(f"the lease did not come free in {LEASE_BOUND_S:g} s: {busy}") from None
                    self._press(pulse, busy, waited_s)
                await trio.sleep(LOOK_EVERY_S)
        finally:
            withdraw_claim(self._lock)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Journal]:
        with read_journal(self._journal) as reader:
            identity = reader.identity
        durability, key_lock = self._settings.durability, self._key_lock(identity.account)
        with contextlib.ExitStack() as held:
            journal = held.enter_context(
                open_sound_journal(self._journal, identity, self._clock, durability=durability)
            )
            if key_lock is not None:
                held.enter_context(
                    hold_lease(
                        key_lock,
                        what=f"API key {identity.account}",
                        data_dir=self._directory,
                        now_ns=self._clock.now_ns(),
                    )
                )
            yield journal

    def _key_lock(self, account: str) -> Path | None:
        lease_dir = self._settings.lease_dir
        if lease_dir is None:
            return None
        lease_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return lease_dir / f"{account}.lock"

    def _require_dead(self, pulse: Pulse) -> None:
        """Raise StoodDown when anybody has beaten since: between the sight and this moment lies time."""
        now = self._look()
        if now is None or (now.mark, now.beat, now.state) != (pulse.mark, pulse.beat, pulse.state):
            raise StoodDown("an engine beats there again")

    def _press(self, pulse: Pulse, busy: JournalBusy, waited_s: float) -> None:
        """Look who holds the lease. Only the very process whose own pulse is stale may be killed for it."""
        holder = read_holder(self._lock)
        if holder is None or holder.mark != pulse.mark:
            raise StoodDown(f"another process is the writer: {busy}")
        if self._killed or not self._may_kill:
            return
        if self._processes.fate(pulse.mark) == "runs" and waited_s < CLAIM_GRACE_S:
            return  # one that can still look ends by itself, and says goodbye to the venue
        try:
            self._processes.kill(pulse.mark)
        except CannotKill as error:
            raise StoodDown(f"the lease is held, and its holder could not be ended: {error}") from error
        self._killed = True
        log.critical("guardian.killed", pid=pulse.mark.pid, why="it held the lease and did not beat")

    def _note(self, journal: Journal, pulse: Pulse, sight: Sight) -> None:
        """Write down who took over, and halt: whoever starts next must look before it enters anything."""
        now_ns = self._clock.now_ns()
        taken = TakenOver(own_mark(), pulse.mark, sight.text, self._policy, self._killed)
        row = journal.append(GUARDIAN_ROW, taken, ts_ns=now_ns)
        latch = TradingState.replayed(row.decode(TradingEvent) for row in journal.rows(kind=TRADING_ROW, signal_id=""))
        reason = f"a guardian took over and closes everything: {sight.text}"
        event = latch.halt(GUARDIAN, reason, now_ns)
        if event is not None:  # None: nobody has resumed since the last one
            journal.append(TRADING_ROW, event, ts_ns=now_ns, causation_id=row)
        log.critical("guardian.took_over", of=pulse.mark.pid, killed=self._killed, why=sight.text)


def newest_order_id(journal: JournalReader) -> str:
    """Return the venue's id of the order that was last heard of, "" when none was."""
    newest = ""
    for row in journal.rows(after=max(0, journal.head[0] - ROWS_BACK), kind="order"):
        newest = row.decode(OrderEvent).order_id or newest
    return newest
