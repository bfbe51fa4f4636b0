"""What dashboard viewers cost an execution report: fills beside none, one and ten of them, in turn, in one run.

``python -m tests.bench.viewers ADDRESS TOKEN`` is the viewers' own process: for each number on its standard input it
keeps so many streams of the board open, and answers once every one of them has been told something.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from engine.control.server import open_control
from engine.control.web_listener import WebSettings
from tests.bench.figures import Section, against, spread
from tests.bench.peer import open_peer, symbol
from tests.bench.rig import open_subject, signal_line
from tests.bench.updates import Feed

ORDERS, ACCOUNT = 50, "process"
MANY = 10
ROUNDS, BLOCK, WARM_UP = 3, 80, 40
SETTLE_S = 0.15
"""After viewers have come or gone: what their coming costs, such as the snapshot, is not what is asked here. All in all
it stays within the seconds for which the link does without the heartbeats that the peer holds back."""
FILLS = WARM_UP + ROUNDS * BLOCK * 3
COST_MOST = 1.05
"""The success figure: ten viewers may cost an execution report five parts in a hundred."""


class Viewers:
    """The viewers' process."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process

    async def be(self, count: int) -> None:
        """Have so many of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        await self._process.stdin.send_all(b"%d\n" % count)
        if not await self._process.stdout.receive_some():
            raise RuntimeError("the viewers have gone")
        await trio.sleep(SETTLE_S)


@asynccontextmanager
async def open_viewers(address: str, token: str) -> AsyncIterator[Viewers]:
    """Run the viewers' process while the block stands."""
    command = [sys.executable, "-m", "tests.bench.viewers", address, token]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        yield Viewers(process)
        nursery.cancel_scope.cancel()


async def measure(directory: Path) -> list[Section]:
    """Feed recorded fills to an engine while its board is looked at by more and more."""
    async with (
        open_peer(ORDERS, [ACCOUNT]) as peer,
        open_control(directory, web=WebSettings(port=0)) as control,
        open_subject(peer, ACCOUNT, directory, "process") as subject,
    ):
        control.attach(subject.engine)
        for pair in range(ORDERS):
            await subject.open(signal_line(pair))
        feed = Feed(peer, subject, ACCOUNT, ACCOUNT)
        await peer.ask("record", account=ACCOUNT, pairs=list(range(ORDERS)), fills=FILLS)
        await trio.sleep(SETTLE_S)
        if control.access is None:
            raise RuntimeError("the door stands on no port")
        async with open_viewers(control.access.url, control.access.token) as viewers:
            await feed.paced(WARM_UP)
            times: dict[int, list[float]] = {0: [], 1: [], MANY: []}
            for _ in range(ROUNDS):
                for count, found in times.items():
                    await viewers.be(count)
                    found += await feed.paced(BLOCK)
    many, one, none = (spread(f"{count} viewers", times[count]) for count in (MANY, 1, 0))
    figures = against(many, one, none)
    ratio = many.p50 / none.p50
    said = "met" if ratio < COST_MOST else "MISSED"
    note = f"ten viewers cost the median {100 * (ratio - 1):+.1f} % (limit {100 * (COST_MOST - 1):.0f} %: {said})"
    return [Section("Execution frame → report, beside viewers of the dashboard", figures, [note])]


async def _look(address: str, token: str, told: trio.Event) -> None:
    """Read one stream for ever."""
    host, _, port = address.removeprefix("http://").partition(":")
    head = (
        f"GET /api/board/stream?symbol={symbol(0)} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(head.encode())
        heard = b""
        while part := await stream.receive_some():
            heard = b"" if told.is_set() else heard + part
            if b'"kind":"snapshot"' in heard:
                told.set()
    raise RuntimeError("the engine closed a stream")


async def _serve(address: str, token: str) -> None:
    """Keep as many viewers as each line says."""
    scopes: list[trio.CancelScope] = []
    async with trio.open_nursery() as nursery:
        async for line in trio.wrap_file(sys.stdin):
            while len(scopes) > int(line):
                scopes.pop().cancel()
            while len(scopes) < int(line):
                scopes.append(await nursery.start(_begin, address, token))
            print("ready", flush=True)
        nursery.cancel_scope.cancel()


async def _begin(address: str, token: str, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    told = trio.Event()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_look, address, token, told)
            await told.wait()
            task_status.started(scope)


if __name__ == "__main__":
    trio.run(_serve, sys.argv[1], sys.argv[2])
