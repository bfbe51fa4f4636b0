"""The pulse: a small file renewed each second, by which another process sees that this engine's loop still turns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec
import trio

from engine.runtime.fence import Fence
from engine.seams.processes import ProcessMark
from engine.seams.threads import run_small

PULSE_FILE: Final = "pulse"
"""Its name in the data directory."""
BEAT_S: Final = 1.0
LAST_BEAT_S: Final = 1.0
"""How long the last word may take on a disk that hangs; without it the engine counts as killed."""

PulseState = Literal["running", "ended", "failed"]


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says. ``uptime_ns`` is the machine's time since boot, sleep included, when the beat was made.

    ``ended``: in order, and what protection there is rests on the venue as the settings want it. ``failed``: by an
    error. A process that is killed leaves ``running``. ``bound_s`` is the age at which the engine itself looks whether
    it was replaced. ``brackets`` have not ended, ``away`` are streams that are not complete.
    """

    state: PulseState
    mark: ProcessMark
    host: str
    beat: int
    uptime_ns: int
    at: str
    bound_s: float
    venue: str
    account: str
    mode: str
    brackets: int = 0
    away: tuple[str, ...] = ()
    trading: str = "ACTIVE"


class PulseSlot(Protocol):
    """Where the pulse is left."""

    async def put(self, pulse: Pulse) -> None:
        """Replace what lies there. Raises OSError."""
        ...


class FileSlot:
    """A file, written in a thread: neither a full nor a hanging disk holds up the loop. Never synced: it dies with the
    machine, and so does the engine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, pulse: Pulse) -> None:
        """See PulseSlot. A reader finds the old or the new one whole: it is one rename."""
        text = msgspec.json.encode(pulse) + b"\n"
        await run_small(lambda: self._write(text))

    def _write(self, text: bytes) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, text)
        finally:
            os.close(handle)
        fresh.replace(self._path)


def read_pulse(path: Path) -> Pulse | None:
    """Return what lies there, None when nothing does. Raises ValueError for a file that is no pulse, OSError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(text, type=Pulse)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is no pulse: {error}") from error


class Heart:
    """Beats until cancelled, and looks at the lease with each beat. ``tell`` makes a pulse of this moment; ``failed``
    is told why one could not be written, once until one is again.

    A beat counts for the fence only once it lies in its slot, with the time at which it was made: the engine never
    thinks its pulse fresher than others see it.
    """

    def __init__(
        self,
        slot: PulseSlot,
        fence: Fence,
        tell: Callable[[PulseState, int, int], Pulse],
        failed: Callable[[str], object],
    ) -> None:
        self._slot, self._fence, self._tell, self._on_failure = slot, fence, tell, failed
        self._beats = 0
        self._failed = False

    async def run(self) -> None:
        """Beat once a second. A beat that cannot be written is told once, and tried again with the next."""
        while True:
            stamp_ns = self._fence.uptime.now_ns()  # first of all: a stop from here on makes this beat an old one
            self._fence.passes()  # before the beat, which would hide a standstill from everybody
            self._fence.check()
            await self._beat("running", stamp_ns)
            await trio.sleep(BEAT_S)

    async def last(self, state: PulseState) -> None:
        """Say how it ended; nothing when the lease is another's: then the pulse is too."""
        if self._fence.why:
            return
        with trio.move_on_after(LAST_BEAT_S, shield=True):
            await self._beat(state, self._fence.uptime.now_ns())

    async def _beat(self, state: PulseState, stamp_ns: int) -> None:
        self._beats += 1
        try:
            await self._slot.put(self._tell(state, self._beats, stamp_ns))
        except OSError as error:
            if not self._failed:
                self._on_failure(str(error))
            self._failed = True
            return
        self._failed = False
        self._fence.beaten(stamp_ns)
