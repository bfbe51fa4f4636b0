"""The first row: which schema, whose journal, since when."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.errors import JournalCorrupt, JournalError
from engine.journal.chain import verify_chain
from engine.journal.row import GENESIS, HEADER, Row, canonical_body, sealed
from engine.journal.store import RowStore, Selection
from engine.values.time import rfc3339
from engine.venue.protocol import VenueIdentity

SCHEMA = 1
"""What this code writes. Raising it needs a migration from every older number."""


class Header(msgspec.Struct, frozen=True):
    """Body of the first row. ``created`` is RFC3339; ``account`` is a hash of the API key, never the key."""

    schema: int
    venue: str
    account: str
    mode: Literal["live", "simulated"]
    created: str

    @property
    def identity(self) -> VenueIdentity:
        """Return whose journal this is."""
        return VenueIdentity(venue=self.venue, account=self.account, mode=self.mode)


class _SchemaOnly(msgspec.Struct):
    schema: int


def header_row(identity: VenueIdentity, ts_ns: int) -> Row:
    """Return the first row of a new journal."""
    header = Header(SCHEMA, identity.venue, identity.account, identity.mode, rfc3339(ts_ns))
    row = Row(1, ts_ns, HEADER, "", "", 0, canonical_body(header), hash="")
    return sealed(GENESIS, row)


def read_header(store: RowStore) -> Header:
    """Return the header of an existing journal.

    An empty journal is corrupt, not new: a new one never becomes visible without its header. Raises JournalError for a
    schema newer than this code, judged before anything else in the row is read.
    """
    rows = list(store.rows(Selection(after=0, upto=1)))
    verify_chain(rows)  # or a flipped bit would read as somebody else's journal
    (row,) = rows
    try:
        schema = row.decode(_SchemaOnly).schema
        if schema > SCHEMA:
            raise JournalError(f"the journal has schema {schema}; this engine knows up to {SCHEMA}: use a newer one")
        return row.decode(Header)
    except msgspec.DecodeError as error:
        raise JournalCorrupt(f"the journal's header cannot be read: {error}", 1) from error


def require_owner(header: Header, identity: VenueIdentity) -> None:
    """Raise JournalError unless the journal belongs to ``identity``."""
    if header.identity != identity:
        raise JournalError(f"the journal belongs to {_spoken(header.identity)}, not to {_spoken(identity)}")


def _spoken(identity: VenueIdentity) -> str:
    return f"{identity.venue} account {identity.account} ({identity.mode})"
