"""What a guardian concludes from looks at a pulse. Pure: never from one look, nor from time that it slept through."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from engine.guardian.policy import MARGIN_S
from engine.runtime.pulse import Pulse
from engine.seams.processes import Fate
from engine.values.time import NS

SLEPT_S: Final = 5.0
"""A guardian whose own looks lie so far apart was stopped itself: it begins to count anew."""

Health = Literal["absent", "unreadable", "ended", "beating", "silent", "failed", "gone", "still"]


class Sight(msgspec.Struct, frozen=True):
    """One look. ``silent_s``: how long no new beat came while we watched; ``fate`` is the process', as far as is known.

    ``beating`` and ``silent`` (for less than the bound) are an engine at work, ``ended`` one that ended in order.
    ``failed`` ended by an error, ``gone`` was killed or its machine, ``still`` lives and has not beaten for the bound.
    """

    health: Health
    silent_s: float = 0.0
    fate: Fate = "unknown"
    pulse: Pulse | None = None
    fault: str = ""

    @property
    def dead(self) -> bool:
        """Nobody watches targets, covers fills or takes commands."""
        return self.health in ("failed", "gone", "still")

    @property
    def text(self) -> str:
        """Say it in a sentence."""
        pulse = self.pulse
        if pulse is None:
            return f"the pulse cannot be read: {self.fault}" if self.fault else "no engine has ever beaten here"
        whose = f"engine {pulse.mark.pid} on {pulse.host}"
        last = f"its last beat was at {pulse.at}"
        match self.health:
            case "ended":
                return f"{whose} ended in order at {pulse.at}"
            case "failed":
                return f"{whose} ended by an error at {pulse.at}"
            case "gone":
                return f"{whose} is gone without a word: {last}"
            case "still":
                how = " (it is stopped)" if self.fate == "stopped" else ""
                return f"{whose} lives and has not beaten for {self.silent_s:.0f} s{how}: {last}"
            case _:
                away = f", without its {' and '.join(pulse.away)} stream" if pulse.away else ""
                return f"{whose} beats, {pulse.brackets} brackets, trading {pulse.trading}{away}: {last}"


class Watcher:
    """Turns looks into sights. ``stale_after_s`` is never less than what the engine needs to find out by itself."""

    def __init__(self, stale_after_s: float) -> None:
        self._stale_after_s = stale_after_s
        self._beat: tuple[object, int, str] | None = None
        self._since_s = self._looked_s = 0.0

    def bound_s(self, pulse: Pulse) -> float:
        """Return after how long without a beat this engine counts as dead."""
        return max(self._stale_after_s, pulse.bound_s + MARGIN_S)

    def look(self, pulse: Pulse | None, fate: Fate, now_s: float, fault: str = "") -> Sight:
        """Take one look at ``now_s``: seconds of a clock that stands still while this process does, or not."""
        if pulse is None:
            self._beat = None
            return Sight("unreadable" if fault else "absent", fault=fault)
        beat = (pulse.mark, pulse.beat, pulse.state)
        if beat != self._beat or now_s - self._looked_s > SLEPT_S:
            self._beat, self._since_s = beat, now_s
        self._looked_s = now_s
        return judged(pulse, fate, now_s - self._since_s, self.bound_s(pulse))


def judged(pulse: Pulse, fate: Fate, silent_s: float, bound_s: float) -> Sight:
    """Conclude from a pulse that has not changed for ``silent_s``."""
    health: Health
    if pulse.state != "running":
        health = "ended" if pulse.state == "ended" else "failed"
    elif fate == "gone":
        health = "gone"
    elif silent_s >= bound_s:
        health = "still"
    else:
        health = "silent" if silent_s > MARGIN_S else "beating"
    return Sight(health, silent_s, fate, pulse)


def judged_once(pulse: Pulse, fate: Fate, uptime_ns: int, boot_id: str, stale_after_s: float) -> Sight:
    """Conclude from a single look, by the beat's own time: for a check that ends at once and does nothing."""
    if boot_id and pulse.mark.boot_id != boot_id:
        return judged(pulse, "gone", 0.0, stale_after_s)
    age_s = max(0.0, (uptime_ns - pulse.uptime_ns) / NS)
    return judged(pulse, fate, age_s, max(stale_after_s, pulse.bound_s + MARGIN_S))
