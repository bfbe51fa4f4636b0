"""Start to ready: a fresh process up to an open engine on the embedded exchange, and open_engine alone.

``python -m tests.bench.start DIRECTORY`` is the process that is started; it prints where its time went.
"""

from __future__ import annotations

import subprocess
import sys
import time

_BEGUN_S = time.perf_counter()

from collections.abc import AsyncIterator  # noqa: E402
from contextlib import asynccontextmanager  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402

import msgspec  # noqa: E402
import trio  # noqa: E402

from engine.kraken.nonce_file import FileNonceStore  # noqa: E402
from engine.kraken.settings import KrakenSettings, Secret  # noqa: E402
from engine.kraken.venue import KrakenVenue  # noqa: E402
from engine.net.wire import TcpWire  # noqa: E402
from engine.runtime.engine import Engine  # noqa: E402
from engine.runtime.opening import open_engine  # noqa: E402
from engine.runtime.settings import EngineSettings  # noqa: E402
from engine.seams.chance import Chance, SystemChance  # noqa: E402
from engine.seams.clock import SystemClock  # noqa: E402
from engine.sim import Exchange, SimSettings  # noqa: E402
from tests.bench import floor  # noqa: E402
from tests.bench.figures import Section, against, amount, quantile, spread  # noqa: E402
from tests.bench.rig import quiet  # noqa: E402

_IMPORTED_S = time.perf_counter()

PROCESSES, OPENS = 5, 12
PAUSE_S = 0.05
"""Between openings; the engine before closes meanwhile."""


class Parts(msgspec.Struct):
    """Where a starting process spent its seconds."""

    imports: float
    exchange: float
    engine: float


@asynccontextmanager
async def embedded(
    settings: SimSettings | None = None, chance: Chance | None = None
) -> AsyncIterator[tuple[Exchange, int]]:
    """Run the exchange in this process, on loopback TCP; by a seeded ``chance`` its API key is the same each time."""
    exchange = Exchange(settings or SimSettings(), SystemClock(), chance or SystemChance())
    async with exchange.running(), trio.open_nursery() as nursery:
        yield exchange, await nursery.start(exchange.serve_tcp)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def opened(exchange: Exchange, port: int, directory: Path) -> AsyncIterator[Engine]:
    """Open an engine on it with a journal and a nonce mark in ``directory``."""
    address = f"127.0.0.1:{port}"
    settings = KrakenSettings(
        api_key=Secret(exchange.api_key),
        api_secret=Secret(exchange.api_secret),
        mode="simulated",
        rest_url=f"http://{address}",
        ws_url=f"ws://{address}/v2",
        ws_auth_url=f"ws://{address}/v2",
    )
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    clock, chance = SystemClock(), SystemChance()
    nonces = FileNonceStore(directory / "nonce")
    venue = KrakenVenue(settings, wire=TcpWire(), clock=clock, chance=chance, nonces=nonces)
    async with open_engine(EngineSettings(data_dir=directory), venue, clock=clock, chance=chance) as engine:
        yield engine


async def _child(directory: Path) -> None:
    quiet()
    async with embedded() as (exchange, port):
        served_s = time.perf_counter()
        async with opened(exchange, port, directory):
            ready_s = time.perf_counter()
            parts = Parts(_IMPORTED_S - _BEGUN_S, served_s - _IMPORTED_S, ready_s - served_s)
            sys.stdout.buffer.write(msgspec.json.encode(parts) + b"\n")
            sys.stdout.buffer.flush()


async def _time_process(module: str, argument: Path) -> tuple[float, bytes]:
    """Start a process and return the seconds to its first line, and the line."""
    async with trio.open_nursery() as nursery:
        started_s = time.perf_counter()
        command = [sys.executable, "-m", module, str(argument)]
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE))
        line = b""
        while not line.endswith(b"\n"):
            line += await process.stdout.receive_some(4096)
        took_s = time.perf_counter() - started_s
        nursery.cancel_scope.cancel()  # its end is not measured
    return took_s, line


async def _time_open(exchange: Exchange, port: int, directory: Path, task_status: trio.TaskStatus[float]) -> None:
    started_s = time.perf_counter()
    async with opened(exchange, port, directory):
        task_status.started(time.perf_counter() - started_s)


async def _time_floor(exchange: Exchange, port: int, directory: Path) -> float:
    """Token, two connections, both subscribed up to their snapshots, an SQLite file with a first row."""
    started_s = time.perf_counter()
    journal = floor.PlainJournal(directory / "floor.sqlite", "power")
    journal.write(b"{}")
    token = await floor.websocket_token(port, exchange.api_key, exchange.api_secret)
    public, private = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
    async with floor.open_client(public) as instruments, floor.open_client(private) as executions:
        params = {"channel": "instrument", "snapshot": True}
        await instruments.send_message(msgspec.json.encode({"method": "subscribe", "params": params}).decode())
        while floor.frame_of(await instruments.get_message()).channel != "instrument":
            pass
        await floor.subscribe(executions, token)
        took_s = time.perf_counter() - started_s
    journal.close()
    return took_s


async def measure(directory: Path) -> list[Section]:
    """Start fresh processes in turn, then open engines in this one."""
    ready: list[float] = []
    base: list[float] = []
    parts: list[Parts] = []
    for turn in range(-1, PROCESSES):  # the first fills the page cache
        took_s, said = await _time_process("tests.bench.start", directory / f"process{turn}")
        floor_s, _ = await _time_process("tests.bench.floor", directory / f"process{turn}.sqlite")
        if turn >= 0:
            ready.append(took_s)
            base.append(floor_s)
            parts.append(msgspec.json.decode(said, type=Parts))
    opens: list[float] = []
    floors: list[float] = []
    async with embedded() as (exchange, port), trio.open_nursery() as closing:
        for turn in range(-2, OPENS):
            place = directory / f"open{turn}"
            took_s = await closing.start(_time_open, exchange, port, place)
            await trio.sleep(PAUSE_S)
            floor_s = await _time_floor(exchange, port, place)
            await trio.sleep(PAUSE_S)
            if turn >= 0:
                opens.append(took_s)
                floors.append(floor_s)
    imports, served, engine = (
        amount(quantile([getattr(one, name) for one in parts], 0.5), "s") for name in Parts.__struct_fields__
    )
    return [
        Section(
            "Start to ready: embedded exchange over loopback TCP, journal in durability power",
            [
                *against(spread("process start → engine open", ready), spread("floor process", base)),
                *against(spread("open_engine in a warm process", opens), spread("floor: token, two streams", floors)),
            ],
            [f"of the process: imports {imports}, exchange {served}, open_engine {engine}, the rest is Python itself"],
        )
    ]


if __name__ == "__main__":
    trio.run(_child, Path(sys.argv[1]))
