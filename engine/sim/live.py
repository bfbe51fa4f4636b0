"""A live market: a public feed elsewhere drives the books, for paper trading on real prices.

While the source is away the market stands still: nothing moves, and the exchange is in ``cancel_only``, so that nobody
trades on prices of before. It comes back with complete books and only then is online again.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import trio

from engine.net.wire import Wire
from engine.sim.core import Core
from engine.sim.mirror import Mirror
from engine.sim.settings import LiveMarket
from engine.sim.source import (
    Pauses,
    Request,
    SourceLost,
    SourceRefused,
    address_of,
    book_again,
    follow,
    subscriptions,
)
from engine.sim.source_frames import Frame
from engine.sim.source_state import SourceState

_WHOLE_S = 15.0  # for the connection and every snapshot; frames come each second, so that it is noticed


class LiveSource:
    """Follows one source for ever, whatever becomes of it."""

    def __init__(self, core: Core, spec: LiveMarket, wire: Wire, rng: Random, state: SourceState) -> None:
        self._core, self._spec, self._wire, self._state = core, spec, wire, state
        self._address = address_of(spec.url)
        self._mirror = Mirror(core, spec.symbols, spec.depth, state)
        self._pauses = Pauses(rng)
        self._closed = False  # the mode is ours to take back
        self._whole_by = 0.0  # by when every book must be complete

    async def run(self) -> None:
        """Follow until cancelled; connections are tried again without end, with bounded pauses."""
        self._state.begin(self._spec.url)
        self._close()
        while True:
            began = trio.current_time()
            self._state.connections += 1
            self._whole_by = began + _WHOLE_S
            try:
                await follow(self._wire, self._address, subscriptions(self._spec.symbols, self._spec.depth), self._take)
                why = "it ended"
            except (SourceLost, SourceRefused, ValueError) as error:
                why = str(error)
            self._mirror.forget()
            self._close()
            self._state.become("away", why)
            await trio.sleep(self._pauses.next_s(trio.current_time() - began))

    def _take(self, frame: Frame, _: str) -> Sequence[Request]:
        lost = self._mirror.take(frame) if frame.channel in ("book", "trade") else []
        now = trio.current_time()
        if self._mirror.whole:
            self._open()
            self._whole_by = now + _WHOLE_S
        elif lost:
            self._close()
            self._state.become("away", f"the books of {', '.join(lost)} are asked for anew")
        elif now > self._whole_by:
            raise SourceLost(f"its books were not complete within {_WHOLE_S:.0f} s")
        return [request for symbol in lost for request in book_again(symbol, self._spec.depth)]

    def _close(self) -> None:
        if self._core.status == "online":
            self._closed = True
            self._core.set_status("cancel_only")

    def _open(self) -> None:
        self._state.become("moving")
        if self._closed:
            self._closed = False
            if self._core.status == "cancel_only":
                self._core.set_status("online")
