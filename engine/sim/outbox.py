"""What one WebSocket connection sends: a bounded queue, and what faults make of single frames."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from engine.sim.faults import FrameVerdict
from engine.sim.gate import Gate
from engine.sim.hub import encode

UPGRADE_CLOSE = (1001, "CloudFlare WebSocket proxy restarting")
_CHECKSUM = re.compile(rb'"checksum":(\d+)')
_STRANGER = encode({"channel": "x_unknown", "type": "update", "data": [{"x": 1}], "sequence": 1})


class Outbox:
    """Frames on their way out. ``end`` is called with (code, reason) to close, ``kill`` to break the connection."""

    def __init__(self, frames: int, gate: Gate, end: Callable[[int, str], None], kill: Callable[[], None]) -> None:
        self._in, self.frames = trio.open_memory_channel[bytes](frames)
        self._gate, self._end, self._kill = gate, end, kill
        self._swapped: dict[str, bytes] = {}
        self._answering = 0
        self._held: list[Callable[[], None]] = []

    def close(self) -> None:
        """Take nothing more."""
        self._in.close()

    def send(self, text: bytes) -> None:
        """Queue a written frame, or give the connection up when its reader is too slow.

        Beyond the bound a shut gate swallows frames instead: a half-open server closes nothing.
        """
        try:
            self._in.send_nowait(text)
        except trio.WouldBlock:
            if not self._gate.is_shut:
                self._end(1008, "slow consumer")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the connection has ended; its late answers have nowhere to go

    def send_private(self, send: Callable[[], None]) -> None:
        """Send a private frame now, or after the answer that is being prepared."""
        if self._answering:
            self._held.append(send)
        else:
            send()

    @contextmanager
    def answer_first(self, *, wanted: bool) -> Iterator[None]:
        """Keep private frames back while the block prepares an answer, if that is wanted."""
        if not wanted:
            yield
            return
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering:
                held, self._held = self._held, []
                for send in held:
                    send()

    def send_judged(self, channel: str, text: bytes, verdict: FrameVerdict) -> None:
        """Queue a frame of a channel as a fault wants it."""
        match verdict:
            case "kill":
                self._kill()
            case "close":
                self._end(*UPGRADE_CLOSE)
            case "drop" | "lose":
                pass
            case "swap":
                self._let_go(channel)
                self._swapped[channel] = text
                return
            case "stall":
                self._gate.shut(math.inf)
                self.send(text)
            case "strange":
                self.send(_STRANGER)
                self.send(estranged(text))
            case "corrupt":
                self.send(_CHECKSUM.sub(_wrong, text))
            case "duplicate":
                self.send(text)
                self.send(text)
            case _:
                self.send(text)
        self._let_go(channel)

    def let_all_go(self) -> None:
        """Send the frames that wait for a successor; a quiet second is as good."""
        for channel in list(self._swapped):
            self._let_go(channel)

    def _let_go(self, channel: str) -> None:
        held = self._swapped.pop(channel, None)
        if held is not None:
            self.send(held)


def _wrong(found: re.Match[bytes]) -> bytes:
    return b'"checksum":%d' % ((int(found[1]) + 1) % (1 << 32))


def estranged(text: bytes) -> bytes:
    """Add a member nobody knows to a JSON object, and to the first row of its data."""
    if not text.startswith(b"{") or text == b"{}":
        return text
    text = b'{"x_member":{"deep":[1,null]},' + text[1:]
    return text.replace(b'"data":[{', b'"data":[{"x_field":"new",', 1)
