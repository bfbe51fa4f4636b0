"""Ties a running engine to its pulse, its fence and its lease."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import JournalError
from engine.journal.journal import Journal
from engine.net.link import COMPLETE
from engine.runtime.fence import Fence
from engine.runtime.pulse import Heart, Pulse, PulseSlot, PulseState
from engine.runtime.services import Services
from engine.seams.processes import own_mark
from engine.values.time import rfc3339

STOOD_STILL = "STOOD_STILL"
"""Cause of the halt that follows a standstill: what was priced before it is out of date."""


class VitalSigns:
    """One engine's: begun once its services stand, ended with a last word before the journal is let go.

    ``slot`` None: nobody watches from outside, as in a world of tests; the fence then counts no age.
    """

    def __init__(self, fence: Fence, slot: PulseSlot | None) -> None:
        self._fence, self._slot, self._mark = fence, slot, own_mark()
        self._heart: Heart | None = None

    def begin(self, services: Services, service_nursery: trio.Nursery) -> None:
        """Beat from here on; nothing was sent before. Building the services may have taken long: that counts not."""
        if self._slot is None:
            return
        self._heart = Heart(
            self._slot,
            self._fence,
            lambda *beat: self._pulse(services, *beat),
            lambda why: services.alarms.occurred("PULSE_NOT_WRITTEN", "pulse", why),
        )
        journal = services.journal

        def stood_still(seconds: float) -> None:
            services.trading.halt(
                STOOD_STILL, f"this process stood still for {seconds:.1f} s: stopped, suspended, or its disk hung"
            )

        journal.guard = self._fence.require
        self._fence.arm(lambda: self._lease_lost(journal), services.settings.pulse_bound_s, stood_still)
        service_nursery.start_soon(self._fence.watch, name="lease/watch")
        service_nursery.start_soon(self._heart.run, name="pulse")

    @asynccontextmanager
    async def last_word(self) -> AsyncIterator[None]:
        """Say at the block's end how the engine ended, while the lease is still held."""
        state: PulseState = "failed"
        try:
            yield
            state = "ended"
        finally:
            self._fence.disarm()
            if self._heart is not None:
                await self._heart.last(state)

    def _lease_lost(self, journal: Journal) -> str:
        why = "" if journal.lease is None else journal.lease.lost()
        if why:
            journal.failed = JournalError("it is another process' now")  # its end must not write what is uncommitted
        return why

    def _pulse(self, services: Services, state: PulseState, beat: int, stamp_ns: int) -> Pulse:
        identity = services.journal.identity
        return Pulse(
            state=state,
            mark=self._mark,
            host=os.uname().nodename,
            beat=beat,
            uptime_ns=stamp_ns,
            at=rfc3339(services.clock.now_ns(), 3),
            bound_s=services.settings.pulse_bound_s,
            venue=identity.venue,
            account=identity.account,
            mode=identity.mode,
            brackets=len({handle.signal_id for handle in services.desk.live.values()}),
            away=tuple(one.name for one in services.link.links() if one.state not in COMPLETE),
            trading=services.trading.view().state,
        )
