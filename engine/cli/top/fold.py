"""The board as it stands: the last snapshot, and every change since folded in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

from engine.control.board import Board, BoardBook, BoardChange, BoardFrame

ACTIVITY_MOST = 50


class _Row(Protocol):
    @property
    def changed_ms(self) -> int: ...


Row = TypeVar("Row", bound=_Row)


def fold(board: Board | None, frame: BoardFrame) -> Board | None:
    """Return the board after one more frame; a change before any snapshot, or of a market, changes nothing."""
    match frame:
        case Board():
            return frame
        case BoardChange() if board is not None:
            return _changed(board, frame)
        case BoardBook() | BoardChange():
            return board


def _changed(board: Board, change: BoardChange) -> Board:
    orders = {one.cl_ord_id: one for one in board.orders} | {one.cl_ord_id: one for one in change.orders}
    brackets = {one.signal_id: one for one in board.brackets} | {one.signal_id: one for one in change.brackets}
    return msgspec.structs.replace(
        board,
        number=change.number,
        offset=change.offset,
        at_ms=change.at_ms,
        orders=_without(orders, change.orders_gone),
        brackets=_without(brackets, change.brackets_gone),
        activity=(board.activity + change.activity)[-ACTIVITY_MOST:],
        trading=change.trading or board.trading,
        alarms=board.alarms if change.alarms is None else change.alarms,
        money=change.money or board.money,
        health=change.health or board.health,
    )


def _without(rows: dict[str, Row], gone: Iterable[str]) -> tuple[Row, ...]:
    left = set(gone)
    return tuple(row for name, row in rows.items() if name not in left)
