"""Memory of a live bracket with its entry order, at 1 000 of them. Each figure comes from a process of its own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import tracemalloc
from functools import partial
from pathlib import Path

import msgspec
import trio

from tests.bench import floor
from tests.bench.figures import Figure, Section, against
from tests.bench.peer import open_peer
from tests.bench.rig import EngineSubject, open_subject, quiet, signal_line

ORDERS, TRACED_ORDERS, PAIRS = 1_000, 300, 50  # 80 open orders a pair, three slots a bracket: 26 fit
WARM_UP = PAIRS
FIGURES = (
    ("rss", "B", "plain", "resident memory"),
    ("traced", "B", "traced", "allocated by Python (tracemalloc)"),
    ("objects", "", "plain", "objects the collector walks"),
)


class Usage(msgspec.Struct):
    """What one more live order costs."""

    rss: float
    objects: float
    traced: float


def _now() -> Usage:
    gc.collect()
    gc.collect()
    pages = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True, text=True)
    return Usage(int(pages.stdout) * 1024, len(gc.get_objects()), tracemalloc.get_traced_memory()[0])


def _each(before: Usage, after: Usage, orders: int) -> Usage:
    return Usage(*((getattr(after, name) - getattr(before, name)) / orders for name in Usage.__struct_fields__))


async def of_engine(orders: int, *, traced: bool) -> Usage:
    """Hold brackets open on a real engine."""
    quiet()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "a"
        async with open_peer(PAIRS, ["a"]) as peer, open_subject(peer, "a", place, "process") as subject:
            if traced:
                tracemalloc.start()
            await _open_orders(subject, WARM_UP)
            before = _now()
            await _open_orders(subject, orders)
            if len(subject.engine.active()) != WARM_UP + orders:
                raise RuntimeError("not all brackets are open")
            return _each(before, _now(), orders)


async def _open_orders(subject: EngineSubject, count: int) -> None:
    for turn in range(count):
        await subject.open(signal_line(turn % PAIRS))
    await trio.sleep(0.3)  # until the last answer is digested
    subject.subscriber.seen_s.clear()


async def of_floor(orders: int, *, traced: bool) -> Usage:
    """Hold the floor's orders open."""
    if traced:
        tracemalloc.start()
    async with trio.open_nursery() as nursery:
        live = floor.Orders(nursery)
        for number in range(WARM_UP):
            live.open(number)
        await trio.sleep(0.1)
        before = _now()
        for number in range(WARM_UP, WARM_UP + orders):
            live.open(number)
        await trio.sleep(0.1)
        usage = _each(before, _now(), orders)
        nursery.cancel_scope.cancel()
    return usage


async def measure(_directory: Path) -> list[Section]:
    """Ask four processes: engine and floor, once plain and once traced (tracing takes memory of its own)."""
    found: dict[tuple[str, str], Usage] = {}

    async def ask(whom: str, how: str) -> None:
        command = [sys.executable, "-m", "tests.bench.memory", whom, how]
        done = await trio.run_process(command, capture_stdout=True)
        found[whom, how] = msgspec.json.decode(done.stdout, type=Usage)

    async with trio.open_nursery() as nursery:
        for how in ("plain", "traced"):
            for whom in ("engine", "floor"):
                nursery.start_soon(ask, whom, how)
    figures = []
    for name, unit, how, title in FIGURES:
        count = ORDERS if how == "plain" else TRACED_ORDERS
        ours, base = (Figure(title, unit, count, getattr(found[who, how], name)) for who in ("engine", "floor"))
        base.name = "floor: a record, an inbox, a task"
        figures += against(ours, base)
    return [Section(f"Memory of a live bracket with its entry order, at {ORDERS:,}", figures)]


if __name__ == "__main__":
    asked = {"engine": of_engine, "floor": of_floor}[sys.argv[1]]
    traced = sys.argv[2] == "traced"
    usage = trio.run(partial(asked, TRACED_ORDERS if traced else ORDERS, traced=traced))
    sys.stdout.buffer.write(msgspec.json.encode(usage))
