"""Writes a public feed down, over lost connections, until it is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import trio

from engine.net.wire import Wire
from engine.seams.clock import Clock
from engine.sim.listing import listing_of
from engine.sim.recording import Header, Recording
from engine.sim.source import (
    INSTRUMENTS,
    Address,
    Pauses,
    Request,
    SourceLost,
    book_again,
    follow,
    subscriptions,
)
from engine.sim.source_book import Mismatch, SourceBook
from engine.sim.source_frames import Frame, book_rows, instrument_data

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Recorder:
    """Records the books and trades of some symbols. A book whose checksum is wrong is asked for anew."""

    def __init__(
        self,
        recording: Recording,
        *,
        wire: Wire,
        address: Address,
        clock: Clock,
        rng: Random,
        header: Header,
        begun: bool,
        tell: Callable[[str], None],
    ) -> None:
        """``header`` says what to record; ``begun``: it is the one that the recording has already."""
        self._recording, self._wire, self._address, self._clock = recording, wire, address, clock
        self._header, self._begun, self._tell = header, begun, tell
        self._pauses = Pauses(rng)
        self._books = {symbol: SourceBook(symbol, header.depth) for symbol in header.symbols}
        self._heard = False

    async def run(self) -> None:
        """Record until cancelled. Raises SourceLost when the source cannot be reached at first, SourceRefused when it
        has not what is to be recorded, and OSError when the file cannot be written.
        """
        if self._begun:
            self._recording.gap(self._clock.now_ns(), "the recorder was off")
        while True:
            began = trio.current_time()
            asked = self._feeds() if self._begun else [INSTRUMENTS]
            try:
                await follow(self._wire, self._address, asked, self._take)
            except SourceLost as lost:
                if not self._heard:
                    raise
                self._recording.gap(self._clock.now_ns(), str(lost))
                self._tell(f"lost the source ({lost}), connecting again")
            for book in self._books.values():
                book.forget()
            await trio.sleep(self._pauses.next_s(trio.current_time() - began))

    def _take(self, frame: Frame, text: str) -> Sequence[Request]:
        if frame.channel == "instrument" and frame.type == "snapshot" and not self._begun:
            self._begin(instrument_data(frame))
            return self._feeds()
        if frame.channel not in ("book", "trade") or not self._begun:
            return ()
        self._heard = True
        self._recording.frame(self._clock.now_ns(), text)
        return self._checked(frame) if frame.channel == "book" else ()

    def _feeds(self) -> list[Request]:
        return subscriptions(self._header.symbols, self._header.depth)

    def _begin(self, data: dict[str, Any]) -> None:
        """Write the header, with the instruments of what is recorded alone; only then may frames come."""
        symbols = self._header.symbols
        listing_of(data, symbols)
        pairs = [row for row in data["pairs"] if row.get("symbol") in symbols]
        named = {row[side] for row in pairs for side in ("base", "quote")}
        assets = [row for row in data.get("assets", ()) if row.get("id") in named]
        instruments = msgspec.Raw(_encode({"assets": assets, "pairs": pairs}))
        now_ns = self._clock.now_ns()
        self._recording.begin(msgspec.structs.replace(self._header, ns=now_ns, instruments=instruments))
        self._begun = True

    def _checked(self, frame: Frame) -> list[Request]:
        again: list[Request] = []
        for row in book_rows(frame):
            book = self._books.get(row.symbol)
            try:
                if book is not None:
                    book.take(row, snapshot=frame.type == "snapshot")
            except Mismatch as mismatch:
                self._tell(str(mismatch))
                again += book_again(row.symbol, self._header.depth)
        return again
