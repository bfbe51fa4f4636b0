"""What a journal needs of the thing that keeps its rows. Two keep them: SQLite, and the simulated disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec

from engine.journal.row import Row

Durability = Literal["power", "process"]
"""What a committed row survives: loss of power, or only the end of the process."""


class Selection(msgspec.Struct, frozen=True):
    """Which rows are wanted. ``after`` is exclusive, ``upto`` inclusive; None = any.

    ``signal_id`` "" wants the rows that belong to no signal.
    """

    after: int
    upto: int
    signal_id: str | None = None
    cl_ord_id: str | None = None
    kind: str | None = None

    def takes(self, row: Row) -> bool:
        """Tell whether ``row`` is one of them."""
        return (
            self.after < row.seq <= self.upto
            and self.signal_id in (None, row.signal_id)
            and self.cl_ord_id in (None, row.cl_ord_id)
            and self.kind in (None, row.kind)
        )


class RowStore(Protocol):
    """Keeps sealed rows in order. Nothing in it knows the chain.

    Every method blocks until it is done and raises JournalError when the medium fails, JournalCorrupt when what it
    reads cannot be a row. After a failed write the caller writes no more.
    """

    def insert(self, row: Row) -> None:
        """Add a row behind the last one, into the open transaction."""
        ...

    def commit(self) -> None:
        """Make every inserted row as durable as the store was opened to be."""
        ...

    def checkpoint(self) -> None:
        """Do the housekeeping that commits put off. Nothing may be inserted and uncommitted."""
        ...

    async def checkpoint_aside(self) -> bool:
        """As checkpoint, while rows are inserted and committed: neither waits for it. False: a part is put off."""
        ...

    def last(self) -> Row | None:
        """Return the newest row, committed or not."""
        ...

    def newest(self, kind: str) -> Row | None:
        """Return the newest row of a kind among those of no signal, committed or not, without reading the others."""
        ...

    def rows(self, wanted: Selection) -> Iterator[Row]:
        """Yield rows in order, uncommitted ones too. The caller may insert while it reads."""
        ...

    def check(self) -> None:
        """Look for damage that the rows themselves do not show (indexes, page structure)."""
        ...

    def close(self) -> None:
        """Let go. What was not committed is dropped."""
        ...
