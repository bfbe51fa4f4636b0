"""Recordings of public frames: written whole, torn by a crash, gone on with, and played."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from engine.net.wire import VirtualWire, open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import (
    Exchange,
    Header,
    NotARecording,
    Recorder,
    ReplayMarket,
    ScriptedFaults,
    SimSettings,
    SourceLost,
    SyntheticMarket,
    address_of,
    listing_of,
    open_recording,
    read_header,
)
from engine.sim.recording import read_lines

URL, BTC = "ws://source.test/v2", "BTC/USD"
MARKET = SyntheticMarket(symbol=BTC, start_price=Decimal(50_000), refresh_s=1.0, taker_every_s=1e6)
"""It moves at whole seconds: a recording that ends between two of them holds all of it."""


@asynccontextmanager
async def open_feed(seed: int = 1) -> AsyncIterator[tuple[Exchange, VirtualWire]]:
    async with open_virtual_wire(random.Random(seed)) as wire:
        source = Exchange(SimSettings(synthetic=(MARKET,)), VirtualClock(), SeededChance(seed))
        wire.listen("source.test", 80, source.serve)
        async with source.running():
            yield source, wire


async def record(wire: VirtualWire, file: Path, seconds: float) -> list[str]:
    said: list[str] = []
    with open_recording(file) as (recording, there):
        header = Header(url=URL, symbols=[BTC], depth=10, ns=0, instruments=msgspec.Raw(b"{}"))
        with trio.move_on_after(seconds):
            await Recorder(
                recording,
                wire=wire,
                address=address_of(URL),
                clock=VirtualClock(),
                rng=random.Random(1),
                header=there or header,
                begun=there is not None,
                tell=said.append,
            ).run()
    return said


@asynccontextmanager
async def open_replay(file: Path, speed: float = 1.0) -> AsyncIterator[Exchange]:
    settings = replace(SimSettings(), replay=ReplayMarket(file=file, speed=speed))
    exchange = Exchange(settings, VirtualClock(), SeededChance(1))
    async with exchange.running():
        yield exchange


async def ended(exchange: Exchange) -> None:
    """Wait for the end of a replay, to the hundredth of a second."""
    with trio.fail_after(3600):
        while exchange.source.standing != "ended":  # noqa: ASYNC110 - the exchange tells a person, not a task
            await trio.sleep(0.01)


async def test_what_was_recorded_is_played_at_its_times(tmp_path: Path, autojump_clock: Any) -> None:
    """The last book is the source's last, after as long as the recording took, or a tenth of it at ten times."""
    file = tmp_path / "btc.jsonl"
    async with open_feed() as (source, wire):
        await record(wire, file, 30.5)
        last = source.truth.levels(BTC)
    for speed in (1.0, 10.0):
        began = trio.current_time()
        async with open_replay(file, speed) as exchange:
            await ended(exchange)
            assert 28 / speed < trio.current_time() - began < 31 / speed
            assert exchange.truth.levels(BTC) == last
            assert (exchange.source.why, exchange.source.mismatches) == ("", 0)
    header = read_header(file)
    assert listing_of(header.listed(), header.symbols).pairs == SimSettings().pairs[:1]


async def test_a_torn_line_costs_itself_alone(tmp_path: Path, autojump_clock: Any) -> None:
    """A crash in the middle of a line: it is left out when read, cut off when gone on with, and the hole is noted."""
    file = tmp_path / "btc.jsonl"
    async with open_feed() as (_, wire):
        await record(wire, file, 10)
        whole = len(list(read_lines(file)))
        with file.open("ab") as end:
            end.write(b'{"ns": 17672')
        assert len(list(read_lines(file))) == whole
        await trio.sleep(1000)
        await record(wire, file, 10)
        lines = list(read_lines(file))
        assert [number for number, line in enumerate(lines) if line.gap] == [whole]
        assert lines[whole].gap == "the recorder was off"
    began = trio.current_time()
    async with open_replay(file) as exchange:
        await ended(exchange)
    assert trio.current_time() - began < 25


async def test_a_lost_connection_is_a_gap_and_is_made_again(tmp_path: Path, autojump_clock: Any) -> None:
    """The frames behind it begin with a snapshot."""
    file = tmp_path / "btc.jsonl"
    async with open_feed() as (source, wire), trio.open_nursery() as nursery:
        nursery.start_soon(record, wire, file, 30)
        await trio.sleep(10)
        source.kick(1001, "going away")
    lines = list(read_lines(file))
    (gap,) = [number for number, line in enumerate(lines) if line.gap]
    assert "1001" in (lines[gap].gap or "")
    assert b'"snapshot"' in bytes(lines[gap + 1].frame)


async def test_a_book_with_a_wrong_checksum_is_recorded_anew(tmp_path: Path, autojump_clock: Any) -> None:
    """The replay heals by the snapshot that the recorder asked for."""
    file = tmp_path / "btc.jsonl"
    async with open_feed() as (source, wire):
        source.faults = ScriptedFaults().at_frame("book", 5, "drop")
        said = await record(wire, file, 20.5)
        last = source.truth.levels(BTC)
    assert "checksum" in said[0]
    async with open_replay(file, 100) as exchange:
        await ended(exchange)
        assert (exchange.truth.levels(BTC), exchange.source.mismatches) == (last, 1)


async def test_without_a_source_nothing_is_begun(tmp_path: Path, autojump_clock: Any) -> None:
    """The first connection fails: SourceLost, and the file stays empty."""
    file = tmp_path / "btc.jsonl"
    async with open_virtual_wire(random.Random(1)) as wire:
        with pytest.raises(SourceLost):
            await record(wire, file, 30)
    assert file.read_bytes() == b""


@pytest.mark.parametrize(
    "text", ["hello\n", "{}\n", '{"recording": 2, "url": "", "symbols": [], "depth": 10, "ns": 0}\n']
)
def test_a_file_that_is_no_recording_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    """And it is not written to."""
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(NotARecording), open_recording(file):
        pass
    assert file.read_text() == text


async def test_a_line_that_cannot_be_read_ends_the_replay_and_is_named(tmp_path: Path, autojump_clock: Any) -> None:
    """The market stands still; the exchange goes on."""
    file = tmp_path / "btc.jsonl"
    async with open_feed() as (_, wire):
        await record(wire, file, 5)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:4], b"broken\n", *lines[4:]]))
    async with open_replay(file) as exchange:
        await trio.sleep(10)
        assert exchange.source.standing == "ended"
        assert exchange.source.why.startswith("line 5: ")
