"""The verb ``record``: a public feed written down, for ``exchange --market replay:FILE``."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from engine.cli.complaints import complain
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.output import talk
from engine.errors import ConfigError, VenueUnavailable
from engine.net.wire import TcpWire
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import (
    DEPTHS,
    KRAKEN_URL,
    Address,
    Header,
    NotARecording,
    Recorder,
    Recording,
    SourceLost,
    SourceRefused,
    address_of,
    open_recording,
)

SYNC_S = 1.0
PROGRESS_S = 10.0
DEFAULT_SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD")


def record(
    *,
    out: Annotated[Path, Parameter(help="File to write; one that is there is gone on with.")],
    url: Annotated[str, Parameter(help="A public WebSocket v2.")] = KRAKEN_URL,
    symbol: Annotated[list[str] | None, Parameter(help="Default: BTC/USD, ETH/USD, SOL/USD; may be repeated.")] = None,
    depth: Annotated[int, Parameter(help="Levels of the books: 10, 25, 100, 500 or 1000.")] = 100,
    for_s: Annotated[float | None, Parameter(name="--for", help="End after this many seconds.")] = None,
) -> Exit:
    """Write the public books and trades of some markets into a file, until Ctrl-C. Needs no key.

    One JSON line a frame. Lost connections are made again; what is missing then is noted in the file.

    Example: python -m engine record --out btc.jsonl --symbol BTC/USD --for 3600
    """
    if depth not in DEPTHS:
        raise ConfigError(f"--depth is one of {', '.join(map(str, DEPTHS))}, not {depth}")
    if for_s is not None and not for_s > 0:
        raise ConfigError(f"--for is a number of seconds above 0, not {for_s:g}")
    try:
        address = address_of(url)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    symbols = list(dict.fromkeys(symbol or DEFAULT_SYMBOLS))
    header = Header(url=url, symbols=symbols, depth=depth, ns=0, instruments=msgspec.Raw(b"{}"))
    return trio.run(partial(_record, out.expanduser(), address, header, math.inf if for_s is None else for_s))


async def _record(out: Path, address: Address, header: Header, for_s: float) -> Exit:
    try:
        with open_recording(out) as (recording, there):
            if there is not None and (there.symbols, there.depth) != (header.symbols, header.depth):
                shown = ", ".join(there.symbols)
                raise ConfigError(f"{out} holds {shown} at depth {there.depth}: record the same, or into another file")
            recorder = Recorder(
                recording,
                wire=TcpWire(),
                address=address,
                clock=SystemClock(),
                rng=SystemChance().stream("record"),
                header=there or header,
                begun=there is not None,
                tell=talk,
            )
            async with open_interrupts() as stop:
                with stop, trio.move_on_after(for_s):
                    await _run(recorder, recording)
            talk(f"recorded {recording.frames} frames, {_size(recording)} into {out}")
    except Exception as error:
        return complain(_spoken(error, out, header.url))
    return Exit.DONE


async def _run(recorder: Recorder, recording: Recording) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep, recording, name="sync")
        await recorder.run()


async def _keep(recording: Recording) -> None:
    """Put on the disk what was written, each second, and say now and then how much it is."""
    seconds = 0.0
    while True:
        await trio.sleep(SYNC_S)
        recording.sync()
        seconds += SYNC_S
        if seconds % PROGRESS_S == 0:
            talk(f"{seconds:.0f} s: {recording.frames} frames, {_size(recording)}")


def _size(recording: Recording) -> str:
    return f"{recording.bytes / 1e6:.1f} MB"


def _spoken(error: BaseException, out: Path, url: str) -> BaseException:
    """Say in this program's words what ended a recording; anything unforeseen stays as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case SourceLost():
            return VenueUnavailable(f"cannot reach {url}: {error}")
        case SourceRefused():
            return ConfigError(f"{url} cannot be recorded: {error}")
        case OSError():
            return ConfigError(f"cannot write {out}: {error.strerror or error}")
        case NotARecording():
            return ConfigError(f"{out}: {error}")
    return error
