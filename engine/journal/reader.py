"""A journal to look at: its rows, its owner, its proof."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import JournalCorrupt
from engine.journal.chain import Verification, next_in_chain, verify_chain
from engine.journal.header import Header
from engine.journal.row import GENESIS, Row
from engine.journal.snapshot import (
    OF_NO_SIGNAL,
    SNAPSHOT,
    SUSPECT,
    Footing,
    Strand,
    read_snapshot,
)
from engine.journal.store import RowStore, Selection
from engine.venue.protocol import VenueIdentity


class JournalReader:
    """Reads a journal that another process may be writing: every call sees the rows committed up to then."""

    def __init__(self, store: RowStore, header: Header) -> None:
        self._store = store
        self._header = header
        self.footing = Footing()
        """What ``live_rows`` leaves out; from the first row on until ``find_footing`` or ``stand_on`` was called."""
        self._unproved = 0

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
        upto: int | None = None,
        signal_id: str | None = None,
        cl_ord_id: str | None = None,
        kind: str | None = None,
    ) -> Iterator[Row]:
        """Yield the rows behind ``after`` that match, oldest first, up to ``upto`` or the head at the time of the call.

        Raises JournalCorrupt at a row that cannot be read; whether the rows fit together, only verify() tells. A row
        that the start has left unproved is compared with its hash and the one before it.
        """
        if upto is None:
            upto, _ = self.head
        found = self._store.rows(Selection(after, upto, signal_id, cl_ord_id, kind))
        return found if after >= self._unproved else self._fitting(found)

    def newest(self, kind: str) -> Row | None:
        """Return the newest row of a kind among those of no signal, found without reading the others."""
        found = self._store.newest(kind)
        return None if found is None else next(self._fitting(iter((found,))))

    def live_rows(self, kind: str | None = None) -> Iterator[Row]:
        """Yield the rows of signals from which a start replays, oldest first: all of them, or what a snapshot left.

        Then these are the rows of the signals it names, and every row behind it, those of no signal included.
        """
        snapshot = self.footing.snapshot
        if snapshot is None:
            yield from self.rows(kind=kind)
            return
        names = snapshot.strands.keys() - {OF_NO_SIGNAL}
        kept = [row for name in names for row in self.rows(upto=snapshot.upto, signal_id=name, kind=kind)]
        yield from sorted(kept, key=lambda row: row.seq)
        yield from self.rows(after=snapshot.upto, kind=kind)

    def find_footing(self) -> Footing:
        """Prove what a start needs: from the newest snapshot on, or, where it is not to be believed, everything.

        Raises JournalCorrupt as ``verify`` does. Rows that a snapshot leaves out are not looked at.
        """
        refused, self._unproved = "", 0  # what is read here is proved here
        try:
            found = self.newest(SNAPSHOT)
            if found is not None:
                return self.stand_on(self._proved(found))
        except JournalCorrupt as fault:
            refused = str(fault)
        rows = self.verify().rows
        return self.stand_on(Footing(rows, rows, refused=refused))

    def stand_on(self, footing: Footing) -> Footing:
        """Let ``live_rows`` leave out what this footing does, which was found on this very journal; returns it."""
        self.footing = footing
        self._unproved = footing.snapshot.upto if footing.snapshot is not None else 0
        return footing

    def all_proved(self) -> None:
        """Take note that the rows which the footing left unproved have been walked."""
        self._unproved = 0

    def _fitting(self, rows: Iterator[Row]) -> Iterator[Row]:
        before: Row | None = None
        for row in rows:
            if 1 < row.seq <= self._unproved:
                if before is None or before.seq != row.seq - 1:
                    before = next(self._store.rows(Selection(row.seq - 2, row.seq - 1)), None)
                if before is None:
                    raise JournalCorrupt(f"journal row {row.seq - 1} is missing", row.seq - 1)
                next_in_chain(row.seq - 1, before.hash, row)
            before = row
            yield row

    def _proved(self, found: Row) -> Footing:
        """Return the footing on the snapshot in this row. Raises JournalCorrupt where anything speaks against it."""
        snapshot, doubt = read_snapshot(found), self.newest(SUSPECT)
        if doubt is not None and doubt.seq > found.seq:
            raise JournalCorrupt(f"row {doubt.seq} says that rows before the snapshot are damaged", found.seq)
        head_seq, head_hash = self.head
        seq, head = snapshot.upto, snapshot.hash
        base = next(self.rows(after=seq - 1, upto=seq), None)
        if base is None or base.hash != head:
            raise JournalCorrupt(f"the snapshot in row {found.seq} does not fit row {seq} of the chain", found.seq)
        for row in self.rows(after=seq, upto=head_seq):
            seq, head = next_in_chain(seq, head, row)
        if (seq, head) != (head_seq, head_hash):
            raise JournalCorrupt(f"the journal ends at row {seq}, its head is row {head_seq}", seq + 1)
        for name, strand in snapshot.strands.items():
            # What is replayed must fit its place as well. Of no signal there are thousands, and of the few that are
            # read it shows then.
            self._unproved = snapshot.upto if name else 0
            if Strand().extended(self.rows(upto=snapshot.upto, signal_id=name)) != strand:
                named = f"signal {name}" if name else "no signal"
                raise JournalCorrupt(f"the rows of {named} do not fit the snapshot in row {found.seq}", found.seq)
        return Footing(head_seq, head_seq - snapshot.upto, snapshot)

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
