"""The verb ``top``: the running engine at a glance, in a terminal, until q."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter
from rich.live import Live
from rich.text import Text

from engine.cli.asking import Config, DataDir, directory_of, show_refusal
from engine.cli.complaints import complain
from engine.cli.exits import Exit
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output
from engine.cli.top.fold import fold
from engine.cli.top.keyboard import single_keys, wait_quit
from engine.cli.top.screen import draw
from engine.control.board import Board
from engine.control.board_table import BOARD, BOARD_STREAM
from engine.control.client import open_client
from engine.control.refusal import Refusal, no_engine
from engine.errors import ConfigError
from engine.seams.clock import SystemClock

REDRAW_S = 0.25
AGAIN_S = 1.0
"""How long after a lost engine it is looked for again: one that is started anew shows up by itself."""
LINES_AT_ONCE = 200


def top(
    *,
    once: Annotated[bool, Parameter(help="Print one picture and end; needs no terminal.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> Exit:
    """Show the running engine live: alarms, brackets with their cover, orders, positions, links, budgets, halts.

    q or Ctrl-C ends it; the engine does not notice. An engine that ends is waited for.

    Example: python -m engine top
    """
    directory = directory_of(data_dir, config)
    try:
        if once:
            return trio.run(_once, directory)
        if not (sys.stdin.isatty() and sys.stdout.isatty()) or Output().console.is_dumb_terminal:
            raise ConfigError("top needs a terminal: use top --once, or status, orders and brackets with --json")
        return trio.run(partial(_watch, directory))
    except Refusal as refusal:
        return show_refusal(Output(), refusal, as_json=False)
    except Exception as error:  # nurseries wrap it
        return complain(error)


async def _once(directory: Path) -> Exit:
    output = Output()
    async with open_client(directory) as client:
        if client is None:
            raise no_engine(str(directory))
        board: Board = await client.call(BOARD, {})
    for line in draw(board, "", output.width, LINES_AT_ONCE, SystemClock().now_ns() // 1_000_000)[:-1]:
        output.line(line)
    return Exit.DONE


async def _watch(directory: Path) -> Exit:
    async with open_interrupts() as stop:
        with stop, single_keys(sys.stdin.fileno()):
            await _Top(directory).run()
    return Exit.DONE


class _Top:
    """One look at one engine, over its restarts."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._output = directory, Output()
        self._board: Board | None = None
        self._said = ""

    async def run(self) -> None:
        """Show until q."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, name="top/board")
            nursery.start_soon(self._redraw, name="top/screen")
            await wait_quit(sys.stdin.fileno())
            nursery.cancel_scope.cancel("a person wants no more")

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
                self._said = "the engine has ended; waiting for the next"
            except* Refusal as group:
                (refusal, *_) = group.exceptions
                self._said = f"{refusal}; waiting"
            await trio.sleep(AGAIN_S)

    async def _read(self) -> None:
        async with open_client(self._directory) as client:
            if client is None:
                raise no_engine(str(self._directory))
            async with client.stream(BOARD_STREAM, {}) as frames:
                async for frame in frames:
                    self._board, self._said = fold(self._board, frame), ""

    async def _redraw(self) -> None:
        console, clock = self._output.console, SystemClock()
        with Live(console=console, auto_refresh=False, screen=True, redirect_stdout=False) as live:
            while True:
                width, height = console.size
                lines = draw(self._board, self._said, width, height, clock.now_ns() // 1_000_000)
                live.update(Text("\n").join(lines), refresh=True)
                await trio.sleep(REDRAW_S)
