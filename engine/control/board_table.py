"""The verbs of the dashboard: everything at one moment, and a stream of what changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from engine.control.board import Board, BoardFrame
from engine.control.board_feed import BoardFeed
from engine.control.command import Arguments, Command, Parameter
from engine.control.desk import Desk
from engine.control.refusal import no_engine

_TOLD = {0: "told", 2: "the command line is no good", 6: "no engine runs"}


async def show_board(desk: Desk, arguments: Arguments) -> Board:  # noqa: ARG001 - one shape for all verbs
    """Return everything the dashboard shows, now."""
    return await _feed(desk).snapshot()


async def follow_board(desk: Desk, arguments: Arguments) -> AsyncGenerator[msgspec.Raw, None]:
    """Yield a snapshot, then what changes, until the engine ends."""
    symbol = arguments.get("symbol")
    async with aclosing(_feed(desk).follow(None if symbol is None else str(symbol))) as frames:
        async for frame in frames:
            yield frame


def _feed(desk: Desk) -> BoardFeed:
    if desk.engine is None:
        raise no_engine("this journal")
    if desk.board is None:
        desk.board = BoardFeed(desk.engine, desk.started_s)
    return desk.board


BOARD = Command(
    name="board",
    method="GET",
    path="/api/board",
    doc="Show everything at one moment: orders, brackets, positions, profit, links, budgets, alarms, halts.",
    result=Board,
    exits=_TOLD,
    needs_engine=True,
    on_command_line=False,
    answer=show_board,
)
BOARD_STREAM = Command(
    name="board-stream",
    method="GET",
    path="/api/board/stream",
    doc="Give the same, then what changes, at most five times a second; a slow reader gets it whole again.",
    parameters=(Parameter(name="symbol", doc="also the book and the trades of this market, such as BTC/USD"),),
    result=BoardFrame,
    exits=_TOLD,
    needs_engine=True,
    on_command_line=False,
    stream=follow_board,
)

BOARDS: tuple[Command, ...] = (BOARD, BOARD_STREAM)
