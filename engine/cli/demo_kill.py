"""The demo with a real SIGKILL: exchange and engine are processes of their own, this one only watches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import trio

import engine
from engine.cli.demo_proof import EXCHANGE
from engine.cli.demo_scenes import data
from engine.cli.demo_show import LOOK_EVERY_S, DemoShow
from engine.cli.exits import Exit
from engine.errors import JournalError
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.orders.events import OrderEvent
from engine.runtime.opening import JOURNAL_FILE

KILL_AT_FILL = 2
DEAD_FOR_S = 3.0
"""Longer than the third seller waits."""
READY_S = 20.0
SIGNALS, MARKET = "signal.jsonl", "market.toml"


async def play_kill(show: DemoShow) -> Exit:
    """Let an engine live, kill it, tell what it left, start the next one; return the code of that one."""
    directory = show.directory
    (directory / MARKET).write_text(data("demo_market.toml"), encoding="utf-8")
    (directory / SIGNALS).write_text(data("demo_signal.jsonl"), encoding="utf-8")
    async with trio.open_nursery() as nursery:
        env = await _start_exchange(nursery, directory)
        first = await _start_engine(nursery, directory, env)
        await _follow(show, lambda journal: _fills(journal) >= KILL_AT_FILL or first.poll() is not None)
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await _tell_death(show, first.pid)
        await trio.sleep(DEAD_FOR_S)
        second = await _start_engine(nursery, directory, env)
        show.heading("Started again on the same journal: replay, ask the venue, protect, go on")
        await _follow(show, lambda _: second.poll() is not None)
        nursery.cancel_scope.cancel("the bracket has ended")
    code = second.returncode
    return Exit.DONE if code == Exit.REFUSED else Exit(code or 0)  # what was proved not sent belongs to the story


async def _tell_death(show: DemoShow, pid: int) -> None:
    show.heading(f"SIGKILL: process {pid} is dead. What its journal alone proves, by `recover`")
    told = await trio.run_process(
        [*_COMMAND, "recover", "--data-dir", str(show.directory)],
        cwd=show.directory,
        env=_environment(),
        capture_stdout=True,
        check=False,
    )
    show.text(told.stdout.decode())


_COMMAND = (sys.executable, "-m", "engine")


class _Ready(msgspec.Struct):
    """What an engine needs of the exchange's ready line; that line may tell more."""

    rest: str
    ws: str
    ws_auth: str
    api_key: str
    api_secret: str


def _environment() -> dict[str, str]:
    """Nobody's settings count here; the package is found wherever this one was."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ENGINE_")}
    found = str(Path(engine.__file__).parents[1])
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (found, kept.get("PYTHONPATH"))))}


async def _start_exchange(nursery: trio.Nursery, directory: Path) -> dict[str, str]:
    """Start the exchange; return what tells an engine where it is."""
    arguments = ["--data-dir", str(directory / EXCHANGE), "--market", f"script:{directory / MARKET}"]
    quiet = {"stderr": subprocess.DEVNULL, "check": False}
    run = partial(trio.run_process, stdout=subprocess.PIPE, cwd=directory, env=_environment(), **quiet)
    process: trio.Process = await nursery.start(run, [*_COMMAND, "exchange", *arguments])
    assert process.stdout is not None  # noqa: S101 - asked for a pipe
    line = b""
    with trio.fail_after(READY_S):
        while not line.endswith(b"\n") and (more := await process.stdout.receive_some(4096)):
            line += more
    ready = msgspec.json.decode(line, type=_Ready)
    return {
        "ENGINE_VENUE": "simulated",
        "ENGINE_API_KEY": ready.api_key,
        "ENGINE_API_SECRET": ready.api_secret,
        "ENGINE_KRAKEN__REST_URL": ready.rest,
        "ENGINE_KRAKEN__WS_URL": ready.ws,
        "ENGINE_KRAKEN__WS_AUTH_URL": ready.ws_auth,
        "ENGINE_ENGINE__VISIBILITY_LAG_BROKEN_S": "3",  # the REST of this exchange does not lag by a minute
    }


async def _start_engine(nursery: trio.Nursery, directory: Path, env: dict[str, str]) -> trio.Process:
    arguments = ["--signals", SIGNALS, "--until-idle", "--json", "--data-dir", str(directory), "--log-level", "error"]
    run = partial(
        trio.run_process, stdout=subprocess.DEVNULL, check=False, cwd=directory, env={**_environment(), **env}
    )
    process: trio.Process = await nursery.start(run, [*_COMMAND, "run", *arguments])
    return process


async def _follow(show: DemoShow, done: Callable[[JournalReader], bool]) -> None:
    """Tell the journal's rows while another process writes them, until ``done``."""
    ended = False
    while not ended:
        try:
            with read_journal(show.directory / JOURNAL_FILE) as journal:
                ended = done(journal)
                show.tell(journal, journal.head[0])
        except JournalError:
            pass  # it is not there yet
        await trio.sleep(LOOK_EVERY_S)


def _fills(journal: JournalReader) -> int:
    return sum(row.decode(OrderEvent).fill is not None for row in journal.rows(kind="order"))
