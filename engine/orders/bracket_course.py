"""A bracket's course through its machine, told to the journal event by event."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import msgspec

from engine.errors import OrderInvariantError
from engine.orders.bracket_events import BracketEvent
from engine.orders.bracket_machine import BRACKET_ENDED, BRACKET_ROWS, MOVE_TO
from engine.orders.exit_terms import STILL, Moved
from engine.orders.machine import fire
from engine.orders.plans import Phase
from engine.values.money import NO_QTY, Qty


class Latch(msgspec.Struct, frozen=True):
    """What a bracket has decided for good, as its events keep it: the members are BracketEvent's."""

    closing: str = ""
    close_all: bool = False
    childless_qty: Qty = NO_QTY
    unwanted: str = ""


class Conclusion(msgspec.Struct, frozen=True):
    """Where a plan sees a bracket and why; ``alarm`` names what a person must look at. Base units, UTC nanoseconds."""

    phase: Phase
    ts_ns: int
    exposure: Decimal
    uncovered: Qty
    uncovered_qty_s: Decimal
    latch: Latch
    why: str
    alarm: str


def _phase(state: str) -> Phase:
    return cast("Phase", state)  # every target in BRACKET_ROWS is one


class BracketCourse:
    """``state`` is where it stands, ``walk`` how it came there: (from, move, to). ``told`` is the journal's latch."""

    def __init__(self, signal_id: str) -> None:
        self._signal_id = signal_id
        self.state: Phase = "entering"
        self.walk: list[tuple[str, str, str]] = []
        self.told = Latch()

    def follow(self, seen: Conclusion, moves: list[Moved]) -> list[BracketEvent]:
        """Go where a plan sees the bracket; returns the events, first those of the exits' ``moves`` since the last."""
        events = [self._event("", seen, moved.by, "", moved) for moved in moves]
        if self.state in BRACKET_ENDED and seen.phase not in ("entering", *BRACKET_ENDED):
            events.append(self._event("reopen", seen, "the venue had more to say", ""))
        if not self._stays(seen.phase):
            events.append(self._event(MOVE_TO[seen.phase], seen, seen.why, seen.alarm))
        if not events and self.told != seen.latch:
            events.append(self._event("", seen, seen.why, seen.alarm))
        self.told = seen.latch
        return events

    def _stays(self, phase: Phase) -> bool:
        stays = phase == self.state or self.state in BRACKET_ENDED or (self.state == "naked" and phase == "covering")
        # nothing leads back: exits whose entry's fill is not in the journal have ended, and the entry still rests
        return stays or phase == "entering"

    def _event(self, move: str, seen: Conclusion, why: str, alarm: str, moved: Moved = STILL) -> BracketEvent:
        before = self.state
        if move:
            self.state = _phase(fire(BRACKET_ROWS, self.state, move))
            self.walk.append((before, move, self.state))
        return BracketEvent(
            move=move,
            from_state=before,
            to_state=self.state,
            ts_ns=seen.ts_ns,
            exposure=seen.exposure,
            uncovered=seen.uncovered,
            why=why,
            alarm=alarm,
            closing=seen.latch.closing,
            close_all=seen.latch.close_all,
            moved=moved.by,
            stop=moved.stop,
            target=moved.target,
            place=moved.place,
            uncovered_qty_s=seen.uncovered_qty_s,
            childless_qty=seen.latch.childless_qty,
            unwanted=seen.latch.unwanted,
        )

    def replay(self, event: BracketEvent) -> None:
        """Make a journalled move. Raises OrderInvariantError when it does not fit where the bracket stands."""
        if event.from_state != self.state:
            raise OrderInvariantError(
                f"bracket {self._signal_id}: {event.move!r} starts in {event.from_state}, not in {self.state}"
            )
        if event.move:
            self.state = _phase(fire(BRACKET_ROWS, self.state, event.move))
            self.walk.append((event.from_state, event.move, event.to_state))
        self.told = Latch(event.closing, event.close_all, event.childless_qty, event.unwanted)
