"""Plays recorded frames on the market, at the times at which they came or faster."""

from __future__ import annotations

import trio

from engine.sim.core import Core
from engine.sim.mirror import Mirror
from engine.sim.numbers import NS
from engine.sim.recording import Line, read_header, read_lines
from engine.sim.settings import ReplayMarket
from engine.sim.source_frames import decode_frame
from engine.sim.source_state import SourceState

_GAP_S = 1.0  # the most that passes on either side of a hole, however long the recorder was away
_AT_ONCE = 256  # frames taken before others get a turn, when the speed leaves no pause between them


class ReplayPlayer:
    """Plays one recording from its beginning to its end; then the market stands still."""

    def __init__(self, core: Core, spec: ReplayMarket, state: SourceState) -> None:
        self._core, self._spec, self._state = core, spec, state

    async def run(self) -> None:
        """Play. What is wrong with the file ends it, and is told."""
        self._state.begin(str(self._spec.file))
        try:
            header = read_header(self._spec.file)
            mirror = Mirror(self._core, header.symbols, header.depth, self._state)
            await self._play(mirror)
            self._state.become("ended")
        except (OSError, ValueError) as error:
            self._state.become("ended", str(error))

    async def _play(self, mirror: Mirror) -> None:
        start, elapsed_ns, last_ns, at_gap = trio.current_time(), 0, -1, False
        for number, line in enumerate(read_lines(self._spec.file)):
            step_ns = max(0, line.ns - last_ns) if last_ns >= 0 else 0  # a clock set back costs no time
            if at_gap or line.gap is not None:
                step_ns = min(step_ns, round(_GAP_S * NS))
            elapsed_ns, last_ns, at_gap = elapsed_ns + step_ns, line.ns, line.gap is not None
            due = start + elapsed_ns / NS / self._spec.speed
            if due > trio.current_time():
                await trio.sleep_until(due)
            elif number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            self._take(mirror, line)

    def _take(self, mirror: Mirror, line: Line) -> None:
        if line.gap is not None:
            mirror.forget()
            self._state.become("away", line.gap)
        else:
            mirror.take(decode_frame(line.frame))
            if mirror.whole:
                self._state.become("moving")
