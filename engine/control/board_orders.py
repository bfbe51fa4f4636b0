"""The orders on the board: every living one, and the last that have ended. Only what was reported on is looked at."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import trio

from engine.control.board import BoardOrder, order_row
from engine.journal.reader import JournalReader
from engine.orders.events import ExecutionReport
from engine.orders.replay import rebuild_orders
from engine.orders.view import OrderView
from engine.runtime.engine import Engine
from engine.runtime.history import accepted_signal, facts_of, last_rows

ENDED_MOST: Final = 500
"""Ended orders that stay on the board; older ones are in the journal."""
ENDED_AT_FIRST: Final = 100
"""Ended orders read from the journal when the board is first looked at: about a tenth of a second, in pieces."""
ROWS_AT_ONCE: Final = 16
"""Rows made before other tasks run: a fraction of a millisecond."""
REBUILT_AT_ONCE: Final = 8
"""Orders folded from the journal in one step, about a millisecond each; the rest waits for the next step."""


class OrderRows:
    """Rows by cl_ord_id. ``step`` says what has changed since it was last asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.rows: dict[str, BoardOrder] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._dirty: dict[str, tuple[str, str]] = {}
        self._strategies: dict[str, str] = {}

    async def seed(self) -> None:
        """Take everything that lives and the last that have ended. Other tasks run in between."""
        journal = self._engine.journal
        for row in await last_rows(journal, "intent", ENDED_AT_FIRST):
            cl_ord_id, signal_id = row.cl_ord_id, row.signal_id
            view = self._engine.services.desk.last_view(cl_ord_id) or rebuilt(journal, cl_ord_id)
            strategy_id = accepted_signal(journal, signal_id).strategy_id
            self._put(order_row(signal_id, strategy_id, view))
            await trio.lowlevel.checkpoint()
        for bracket in self._engine.active():
            for view in bracket.orders:
                self._put(order_row(bracket.signal.signal_id, bracket.signal.strategy_id, view))
            await trio.lowlevel.checkpoint()
        self._forget()

    def note(self, report: ExecutionReport) -> None:
        """Look at this order in the next step."""
        if report.cl_ord_id:
            self._dirty[report.cl_ord_id] = (report.signal_id, report.strategy_id)

    async def step(self) -> tuple[list[BoardOrder], list[str]]:
        """Return the rows that have changed, and the names of those that are no longer shown.

        Other tasks run in between. The caller lets nobody else in meanwhile, and does not let it be cancelled.
        """
        changed: list[BoardOrder] = []
        waiting: dict[str, tuple[str, str]] = {}
        folded = 0
        for number, (cl_ord_id, (signal_id, strategy_id)) in enumerate(self._dirty.items(), 1):
            if number % ROWS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            view = self._engine.services.desk.last_view(cl_ord_id)
            if view is None and folded == REBUILT_AT_ONCE:
                waiting[cl_ord_id] = (signal_id, strategy_id)
                continue
            if view is None:
                view, folded = rebuilt(self._engine.journal, cl_ord_id), folded + 1
            row = order_row(signal_id, strategy_id, view)
            if row != self.rows.get(cl_ord_id):
                self._put(row)
                changed.append(row)
        self._dirty = waiting
        gone = self._forget()
        return [row for row in changed if row.cl_ord_id in self.rows], gone

    def _put(self, row: BoardOrder) -> None:
        self.rows[row.cl_ord_id] = row
        if row.ended:
            self._ended[row.cl_ord_id] = None
        else:
            self._ended.pop(row.cl_ord_id, None)  # refused or canceled, and yet it lives

    def _forget(self) -> list[str]:
        gone: list[str] = []
        while len(self._ended) > ENDED_MOST:
            cl_ord_id, _ = self._ended.popitem(last=False)
            del self.rows[cl_ord_id]
            gone.append(cl_ord_id)
        return gone


def rebuilt(journal: JournalReader, cl_ord_id: str) -> OrderView:
    """Fold an order from its rows."""
    return rebuild_orders(facts_of(journal, cl_ord_id=cl_ord_id))[cl_ord_id].view()
