"""A journal to look at: its rows, its owner, its proof."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import JournalCorrupt
from engine.journal.chain import Verification, verify_chain
from engine.journal.header import Header
from engine.journal.row import GENESIS, Row
from engine.journal.store import RowStore, Selection
from engine.venue.protocol import VenueIdentity


class JournalReader:
    """Reads a journal that another process may be writing: every call sees the rows committed up to then."""

    def __init__(self, store: RowStore, header: Header) -> None:
        self._store = store
        self._header = header

    @property
    def identity(self) -> VenueIdentity:
        """Return whose journal this is, by its first row."""
        return self._header.identity

    @property
    def head(self) -> tuple[int, str]:
        """Return sequence number and hash of the newest row."""
        last = self._store.last()
        return (0, GENESIS) if last is None else (last.seq, last.hash)

    def rows(
        self,
        *,
        after: int = 0,
        signal_id: str | None = None,
        cl_ord_id: str | None = None,
        kind: str | None = None,
    ) -> Iterator[Row]:
        """Yield the rows behind ``after`` that match, oldest first, up to the head at the time of the call.

        Raises JournalCorrupt at a row that cannot be read; whether the rows fit together, only verify() tells.
        """
        upto, _ = self.head
        return self._store.rows(Selection(after, upto, signal_id, cl_ord_id, kind))

    def verify(self) -> Verification:
        """Walk the whole chain, then look at the container.

        Raises JournalCorrupt with the first bad row; row 0 stands for the container itself, when every row is sound.
        """
        seq, head_hash = self.head
        found = verify_chain(self._store.rows(Selection(after=0, upto=seq)))
        if (found.rows, found.head_hash) != (seq, head_hash):
            raise JournalCorrupt(f"the journal ends at row {found.rows}, its head is row {seq}", found.rows + 1)
        self._store.check()
        return found

    def close(self) -> None:
        """Let go of the file. Closing twice is fine."""
        self._store.close()
