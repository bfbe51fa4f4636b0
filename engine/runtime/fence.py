"""The fence: whoever stood still finds out before anything leaves, and a process that was replaced sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import structlog
import trio

from engine.errors import LeaseLost
from engine.seams.uptime import SystemUptime, Uptime
from engine.values.time import NS

log = structlog.get_logger()

_Look = Literal["fresh", "stood still", "lost"]


class Fence:
    """Asked before every byte to the venue, every decision to send, and every row.

    As long as the engine's own pulse is younger than the bound that is one look at a clock. When it is older, this
    process was stopped, or the machine slept, or the pulse's disk hangs: then the lease is looked at first. Lost: the
    fence is shut for good and ``lost`` is set. Held: entries are halted, and it goes on.

    One is made before the wire, for the wire asks it; the engine arms it once it holds its journal.
    """

    def __init__(self, uptime: Uptime | None = None) -> None:
        self.uptime = uptime or SystemUptime()
        self.lost = trio.Event()
        self.why = ""
        self.standstills = 0
        self._armed = False
        self._bound_ns = self._seen_ns = 0
        self._lease_lost: Callable[[], str] = str
        self._on_standstill: Callable[[float], object] = _nobody

    def arm(self, lease_lost: Callable[[], str], bound_s: float, on_standstill: Callable[[float], object]) -> None:
        """Begin. ``lease_lost`` says why the lease is not ours any more, "" while it is; nothing in them blocks.

        ``on_standstill`` is called with the seconds that the pulse was old, once for each time, before anything leaves.
        """
        self._lease_lost, self._on_standstill = lease_lost, on_standstill
        self._bound_ns, self._seen_ns, self._armed = round(bound_s * NS), self.uptime.now_ns(), True

    def disarm(self) -> None:
        """End with the journal: its lease is given up in order. A fence that is shut stays so."""
        self._armed = False

    def beaten(self, stamp_ns: int) -> None:
        """Learn that a pulse of this stamp (``uptime``) lies where others see it."""
        self._seen_ns = max(self._seen_ns, stamp_ns)

    def check(self) -> None:
        """Look at the lease whatever the pulse's age."""
        if self._armed and not self.lost.is_set():
            self._look_at_lease()

    def passes(self) -> bool:
        """Tell whether this process may decide to send: False when its lease is lost. Halts entries as it must."""
        return self._look() != "lost"

    def lets_out(self) -> bool:
        """Tell whether bytes composed before this moment may leave: not those from before a standstill."""
        return self._look() == "fresh"

    def require(self) -> None:
        """Raise LeaseLost unless this process may still write."""
        if not self.passes():
            raise LeaseLost(self.why)

    async def watch(self) -> None:
        """Wait until the lease is lost, then raise LeaseLost."""
        await self.lost.wait()
        raise LeaseLost(self.why)

    def _look(self) -> _Look:
        if self.lost.is_set():
            return "lost"
        if not self._armed:
            return "fresh"
        now_ns = self.uptime.now_ns()
        old_ns = now_ns - self._seen_ns
        if old_ns <= self._bound_ns:
            return "fresh"
        self._seen_ns = now_ns  # before anybody is told: what they do asks again
        self._look_at_lease()
        if self.lost.is_set():
            return "lost"
        self.standstills += 1
        log.error("engine.stood_still", seconds=round(old_ns / NS, 1), bound_s=self._bound_ns / NS)
        self._on_standstill(old_ns / NS)
        return "stood still"

    def _look_at_lease(self) -> None:
        why = self._lease_lost()
        if why:
            self.why = f"this engine is not the one that writes any more: {why}"
            log.critical("lease.lost", alarm="LEASE_LOST", why=why)
            self.lost.set()


def _nobody(seconds: float) -> None:
    """Stand in until somebody is told of standstills."""
