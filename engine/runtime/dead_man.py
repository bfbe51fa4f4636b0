"""Kraken's dead man's switch, armed only while entries rest and nothing of ours is held or protected.

It cancels every order of the account when it fires, stops included: what it must never meet is a stop of ours. So it is
disarmed, and that confirmed, before the first one is sent; and a start disarms what an earlier process left armed.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog
import trio

from engine.errors import VenueError
from engine.journal.journal import Journal
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.order_desk import OrderDesk
from engine.seams.clock import Clock
from engine.values.money import ZERO
from engine.venue.protocol import VenueLink

log = structlog.get_logger()

DEAD_MAN_ROW: Final = "dead_man"
"""The journal's kind for SwitchMoved. It belongs to no signal and to no order."""
LOOK_S: Final = 1.0
RENEWALS: Final = 4
"""So often within its time-out it is armed anew."""
WAY_BOUND_S: Final = 2.0
"""How long a stop may wait for the disarming. Seldom more than one answer: it goes off as soon as an entry fills."""
START_BOUND_S: Final = 5.0


class SwitchMoved(msgspec.Struct, frozen=True):
    """It was about to be armed (and may be), or certainly is off. ``timeout_s`` is 0 for off."""

    timeout_s: int
    why: str

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        return f"{f'armed for {self.timeout_s} s' if self.timeout_s else 'off'}: {self.why}"


class DeadManSwitch:
    """``timeout_s`` None: never armed; what an earlier process has armed is disarmed all the same."""

    def __init__(
        self,
        journal: Journal,
        link: VenueLink,
        desk: OrderDesk,
        clock: Clock,
        alarms: AlarmDesk,
        timeout_s: int | None,
    ) -> None:
        self._journal, self._link, self._desk, self._clock = journal, link, desk, clock
        self._alarms, self._timeout_s = alarms, timeout_s
        self._one_at_a_time = trio.Lock()
        self._renewed_s = 0.0
        last = journal.newest(DEAD_MAN_ROW)
        self.armed = last is not None and bool(last.decode(SwitchMoved).timeout_s)
        """Whether it may be armed at the venue."""

    @property
    def has_work(self) -> bool:
        """Whether it is to be armed, or still to be disarmed."""
        return self._timeout_s is not None or self.armed

    async def begin(self) -> None:
        """Disarm what an earlier process left armed, before anything is sent: it would take our stops."""
        if self.armed:
            await self._let_go("a new start", START_BOUND_S)

    async def run(self) -> None:
        """Arm, renew and disarm as entries come and go, until cancelled."""
        while self.has_work:
            wanted = self._timeout_s is not None and self._only_entries_rest()
            if wanted and (not self.armed or self._is_due()):
                await self._arm()
            elif self.armed and not wanted:
                await self._let_go("no entry rests alone", WAY_BOUND_S)
            await trio.sleep(LOOK_S)

    async def make_way(self) -> None:
        """Return once it is disarmed, at once where it is: protection is about to be sent.

        A venue that does not answer in time does not keep the stop back: it is sent, and disarming goes on.
        """
        if self.armed:
            await self._let_go("protection is about to be sent", WAY_BOUND_S)

    async def end(self) -> None:
        """Disarm at an orderly end: entries have ended, and nobody would renew it."""
        if self.armed:
            await self._let_go("the engine ends", WAY_BOUND_S)

    def _is_due(self) -> bool:
        assert self._timeout_s is not None  # noqa: S101 - armed by us, so there is a time-out
        return trio.current_time() - self._renewed_s >= self._timeout_s / RENEWALS

    def _only_entries_rest(self) -> bool:
        """Tell whether an entry rests, and nothing else lives and nothing is held that soon will be protected."""
        views = [handle.view for handle in self._desk.live.values()]
        entries = [view for view in views if view.role == "entry"]
        if any(view.role != "entry" and not view.ended for view in views):
            return False
        if any(view.done_qty > ZERO or view.spec.conditional is not None for view in entries):
            return False
        return any(not view.ended and view.order_id is not None for view in entries)

    async def _arm(self) -> None:
        assert self._timeout_s is not None  # noqa: S101 - asked before
        with trio.move_on_after(WAY_BOUND_S):
            async with self._one_at_a_time:
                if not self._only_entries_rest():
                    return  # a fill came while the last question was out
                if not self.armed:
                    self._note(self._timeout_s, "entries rest, and no protection does")
                    self.armed = True  # from here on it may be, whatever becomes of the request
                    await self._journal.sync()
                try:
                    await self._link.cancel_all_after(self._timeout_s)
                    self._renewed_s = trio.current_time()
                except VenueError as error:
                    log.warning("dead_man.not_armed", why=str(error))

    async def _let_go(self, why: str, bound_s: float) -> None:
        with trio.move_on_after(bound_s):
            async with self._one_at_a_time:
                if not self.armed:
                    return
                try:
                    await self._link.cancel_all_after(0)
                except VenueError as error:
                    self._stays(str(error))
                    return
                self.armed = False
                self._note(0, why)
                return
        self._stays(f"no answer in {bound_s:g} s")

    def _stays(self, why: str) -> None:
        self._alarms.occurred("DEAD_MAN_STAYS", "account", f"it may still be armed: {why}")

    def _note(self, timeout_s: int, why: str) -> None:
        self._journal.append(DEAD_MAN_ROW, SwitchMoved(timeout_s, why), ts_ns=self._clock.now_ns())
        log.info("dead_man.moved", armed=bool(timeout_s), timeout_s=timeout_s, why=why)
