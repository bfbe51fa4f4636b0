"""Signals as lines of JSON: read from a file, a pipe or a terminal, and handed to the engine as they come."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from engine.errors import ConfigError
from engine.orders.signal import Signal, SignalFault, parse_signal
from engine.runtime.engine import Engine
from engine.runtime.intake import Submitted
from engine.runtime.summary import FaultSummary
from engine.seams.stdin import read_chunks

log = structlog.get_logger()

LINE_BYTES_MAX = 16 * 1024
"""A signal is a few hundred bytes; a longer line is a fault and is not kept in memory."""
UNDER_WAY_MAX = 64
"""Signals being judged at a time: each may wait for its symbol's first book."""


def open_signals(source: str) -> int:
    """Return a descriptor to read signals from; ``-`` is standard input. Raises ConfigError."""
    if source == "-":
        return sys.stdin.fileno()
    try:
        # O_NONBLOCK matters to a named pipe alone: opening one must not wait for its writer
        handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if Path(source).is_dir():
            os.close(handle)
            raise IsADirectoryError
    except OSError as error:
        raise ConfigError(
            f"cannot read signals from {source}: {error.strerror or 'it is a directory'};"
            " --signals wants a .jsonl file, or - for standard input"
        ) from error
    return handle


async def read_lines(descriptor: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yield (number, line) of every line that is not blank. A line that is too long comes cut, to be faulted."""
    number, rest = 1, b""
    async for chunk in read_chunks(descriptor):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield number, line
            number += 1
        rest = rest[: LINE_BYTES_MAX + 1]
    if rest.strip():
        yield number, rest


def parse_line(line: bytes) -> Signal:
    """Read one line. Raises SignalFault."""
    if len(line) > LINE_BYTES_MAX:
        raise SignalFault([f"longer than {LINE_BYTES_MAX} bytes"])
    try:
        return parse_signal(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SignalFault([f"not UTF-8: byte {error.start + 1} of the line"]) from None


@dataclass
class SignalLine:
    """One well-formed line and what the engine said to it; None until it has."""

    signal: Signal
    submitted: Submitted | None = None

    @property
    def denial(self) -> str | None:
        """Why it was refused, as ``CODE: text``."""
        said = self.submitted
        return f"{said.code}: {said.reason}" if said is not None and said.status == "denied" else None


class SignalLines:
    """Submits lines to an engine and remembers what became of each."""

    def __init__(self, engine: Engine) -> None:
        self.faults: list[FaultSummary] = []
        self._engine = engine
        self._lines: list[SignalLine] = []
        self._contents: set[Signal] = set()
        self._last: dict[str, trio.Event] = {}

    @property
    def taken(self) -> list[SignalLine]:
        """Every well-formed line that was not a repeat, in the order of the input."""
        return [line for line in self._lines if line.submitted is None or line.submitted.status != "repeat"]

    def remarks(self, source: str) -> list[str]:
        """Say what a user would otherwise wonder about: a source without a signal, signals that did nothing again."""
        repeated = [line.signal.signal_id for line in self._lines if line not in self.taken]
        if not self._lines and not self.faults:
            return [f"no signal came from {'standard input' if source == '-' else source}"]
        return [
            f"signal {signal_id[:8]}: known already, nothing was done again; a new one needs its own signal_id"
            for signal_id in repeated
        ]

    async def feed(self, descriptor: int) -> None:
        """Submit every line until the end of the input, and return when the last has been judged."""
        room = trio.Semaphore(UNDER_WAY_MAX)
        async with trio.open_nursery() as submit_nursery:
            async for number, text in read_lines(descriptor):
                signal = self._parsed(number, text)
                if signal is None:
                    continue
                if signal in self._contents:
                    log.info("signal.repeat", line=number, signal_id=signal.signal_id)
                    continue
                self._contents.add(signal)
                line = SignalLine(signal)
                self._lines.append(line)
                await room.acquire()
                before, done = self._queue(signal)
                submit_nursery.start_soon(self._submit, line, before, done, room, name=f"submit/line-{number}")

    def _parsed(self, number: int, text: bytes) -> Signal | None:
        try:
            return parse_line(text)
        except SignalFault as fault:
            self.faults.append(FaultSummary(number, tuple(fault.errors)))
            log.warning("signal.malformed", line=number, errors=fault.errors)
            return None

    def _queue(self, signal: Signal) -> tuple[list[trio.Event], trio.Event]:
        """Stand behind the last line of the same symbol and the same id: those are judged in the input's order."""
        done = trio.Event()
        keys = (signal.symbol, signal.signal_id)
        before = [self._last[key] for key in keys if key in self._last]
        self._last.update(dict.fromkeys(keys, done))
        return before, done

    async def _submit(self, line: SignalLine, before: list[trio.Event], done: trio.Event, room: trio.Semaphore) -> None:
        try:
            for event in before:
                await event.wait()
            line.submitted = await self._engine.submit(line.signal)
        finally:
            done.set()
            room.release()
