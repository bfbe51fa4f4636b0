"""Faults that wait for a request or a frame: armed by the weather, fired by the exchange, counted when they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import trio

from engine.sim.faults import CLEAR, EVERY, Action, FrameVerdict, Pending, Phase, Transport, Verdict


@dataclass
class _Charge:
    """Meets requests (or frames) of these names until ``until_s``; ``left`` is how many more."""

    kind: str
    names: tuple[str, ...]
    until_s: float
    left: int
    action: Action | None = None
    frame: FrameVerdict = "send"
    transport: Transport | None = None

    def meets(self, name: str, transport: Transport | None = None) -> bool:
        return self.transport in (None, transport) and (name in self.names or EVERY in self.names)


class Charges:
    """The exchange's ``Faults`` of a run. ``struck`` is told the kind each time one has met something.

    ``on_sent`` is told the channel of every frame that goes unharmed.
    """

    def __init__(self, struck: Callable[[str], None]) -> None:
        self._struck = struck
        self.on_sent: Callable[[str], object] = _nobody
        self._requests: list[_Charge] = []
        self._frames: list[_Charge] = []
        self._pending = Pending()
        self._waiting: dict[int, str] = {}

    def arm_request(
        self,
        kind: str,
        names: tuple[str, ...],
        action: Action,
        *,
        for_s: float,
        times: int = 1,
        transport: Transport | None = None,
    ) -> None:
        """Meet the next requests of these names, for a while."""
        until_s = trio.current_time() + for_s
        self._requests.append(_Charge(kind, names, until_s, times, action=action, transport=transport))

    def arm_frames(
        self, kind: str, channels: tuple[str, ...], verdict: FrameVerdict, *, for_s: float, times: int = 1
    ) -> None:
        """Meet the next frames of these channels, for a while."""
        self._frames.append(_Charge(kind, channels, trio.current_time() + for_s, times, frame=verdict))

    def clear(self) -> None:
        """Disarm everything."""
        self._requests.clear()
        self._frames.clear()

    async def on_request(self, transport: Transport, method: str, phase: Phase, number: int) -> Verdict:
        """Judge a request in one phase; see ``Faults``."""
        if phase == "after":
            if number in self._waiting:
                self._struck(self._waiting.pop(number))
            return self._pending.end(number)
        charge = _next(self._requests, method, transport)
        if charge is None or charge.action is None:
            return CLEAR
        if charge.action.phase == "before":
            self._struck(charge.kind)
        else:
            self._waiting[number] = charge.kind
        return self._pending.begin(number, [charge.action])

    def on_frame(self, channel: str) -> FrameVerdict:
        """Judge a frame; see ``Faults``."""
        charge = _next(self._frames, channel, None) if self._frames else None
        if charge is None:
            self.on_sent(channel)
            return "send"
        self._struck(charge.kind)
        return charge.frame


def _nobody(channel: str) -> None:
    """Stand in until somebody listens."""


def _next(charges: list[_Charge], name: str, transport: Transport | None) -> _Charge | None:
    """Take the first charge that meets this, and one of its times; those that are over go."""
    now_s = trio.current_time()
    charges[:] = [one for one in charges if one.left > 0 and one.until_s > now_s]
    for charge in charges:
        if charge.meets(name, transport):
            charge.left -= 1
            return charge
    return None
