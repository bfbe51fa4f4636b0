"""Recordings of public frames: one JSON line each, appended whole, so that a crash costs at most the last line.

    {"recording": 1, "url": "wss://...", "symbols": ["BTC/USD"], "depth": 100, "ns": 1790000000000000000,
     "instruments": {"assets": [...], "pairs": [...]}}
    {"ns": 1790000000000120000, "frame": {"channel": "book", "type": "snapshot", ...}}
    {"ns": 1790000004000000000, "gap": "nothing was heard for 10 s"}

``ns`` is when the recorder heard it (UTC nanoseconds). Behind a gap the first frames are snapshots again. A recorder
that goes on with a file cuts a torn last line off and begins with a gap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from engine.sim.source_frames import decode_frame, instrument_data

VERSION = 1
_encode = msgspec.json.Encoder().encode
_MOST_LINE = 1 << 25


class NotARecording(ValueError):
    """The file, or a line of it, is no recording that this program knows."""


class Header(msgspec.Struct, kw_only=True):
    """The first line. ``instruments`` is the data of the source's instrument snapshot, for its symbols alone."""

    recording: int = VERSION
    url: str
    symbols: list[str]
    depth: int
    ns: int
    instruments: msgspec.Raw

    def listed(self) -> dict[str, Any]:
        """Return the instruments as ``listing_of`` takes them. Raises ValueError."""
        return instrument_data(decode_frame(b'{"data":' + bytes(self.instruments) + b"}"))


class Line(msgspec.Struct, kw_only=True):
    """A further line: a frame, or why there is a hole."""

    ns: int
    frame: msgspec.Raw = msgspec.Raw()
    gap: str | None = None


_header = msgspec.json.Decoder(Header)
_line = msgspec.json.Decoder(Line)


class Recording:
    """An open recording; every line is written by one call, the disk is told now and then by ``sync``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.frames = self.bytes = 0

    def begin(self, header: Header) -> None:
        """Write the first line. Raises OSError."""
        self._write(header)
        self.sync()

    def frame(self, ns: int, text: str) -> None:
        """Append a frame. Raises OSError."""
        self._write({"ns": ns, "frame": msgspec.Raw(text.encode())})
        self.frames += 1

    def gap(self, ns: int, why: str) -> None:
        """Note that frames are missing from here to the next. Raises OSError."""
        self._write({"ns": ns, "gap": why})

    def sync(self) -> None:
        """Make what was written survive a loss of power. Raises OSError."""
        os.fsync(self._descriptor)

    def _write(self, row: Header | dict[str, object]) -> None:
        data = _encode(row) + b"\n"
        self.bytes += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]


@contextmanager
def open_recording(path: Path) -> Iterator[tuple[Recording, Header | None]]:
    """Open a file to append to, made when it is not there; give it with the header it has, None for an empty one.

    Raises OSError, and NotARecording.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.ftruncate(descriptor, _whole_bytes(descriptor))
        first = _first_line(path)
        yield Recording(descriptor), _read_header(first) if first else None
    finally:
        os.fsync(descriptor)
        os.close(descriptor)


def _whole_bytes(descriptor: int) -> int:
    """Return the length of the file without a torn last line."""
    size, block = os.fstat(descriptor).st_size, 1 << 16
    end = size
    while end > 0:
        start = max(0, end - block)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    if size > _MOST_LINE:
        raise NotARecording("it is no recording: it has no lines")
    return 0


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(_MOST_LINE)


def _read_header(line: bytes) -> Header:
    try:
        header = _header.decode(line)
    except msgspec.DecodeError as error:
        raise NotARecording(f"it is no recording: line 1: {error}") from error
    if header.recording != VERSION:
        raise NotARecording(f"it is a recording of version {header.recording}, this program knows {VERSION}")
    return header


def read_header(path: Path) -> Header:
    """Return a recording's first line. Raises OSError and NotARecording."""
    return _read_header(_first_line(path))


def read_lines(path: Path) -> Iterator[Line]:
    """Read the lines behind the header, one by one; a torn last line is left out. Raises OSError and NotARecording."""
    with path.open("rb") as file:
        _read_header(file.readline(_MOST_LINE))
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                return
            try:
                yield _line.decode(line)
            except msgspec.DecodeError as error:
                raise NotARecording(f"line {number}: {error}") from error
