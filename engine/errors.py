"""Every error of the engine.

::

    EngineError
    ├── ConfigError            fix the file, the option or the key; nothing was started
    ├── VenueError
    │   ├── VenueRefused       a definite no to a query (never used for an order: a reject is a value)
    │   ├── VenueUnavailable   it never left: nothing reached the venue
    │   ├── OutcomeUnknown     it may have happened: ask before repeating
    │   └── VenueProtocolError the venue broke its contract; the connection is resynchronised
    ├── OrderInvariantError    we broke ours; the engine stops
    ├── LeaseLost              another process writes for this account now; the engine stops without a further byte
    └── JournalError           the journal cannot be trusted or written; the engine stops
        ├── JournalBusy        another process holds it
        └── JournalCorrupt     its chain is broken; names the first bad row

A denial (we refused) and a reject (the venue refused) are values, never exceptions.
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of all errors the engine raises on purpose."""


class ConfigError(EngineError):
    """A setting, option, key or signal file cannot be used as it is. Says what to change."""


class VenueError(EngineError):
    """Something between us and the venue."""


class VenueRefused(VenueError):
    """The venue answered a query with a definite no. Never used for an order."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class VenueUnavailable(VenueError):
    """The request never left: connection refused, not connected, TLS failed, limiter closed."""


class OutcomeUnknown(VenueError):
    """The request was written and no answer proves what became of it."""


class VenueProtocolError(VenueError):
    """The venue sent something its documentation rules out (sequence gap, bad checksum, missing field)."""


class TooMany(EngineError):
    """A question has a longer answer than its asker has room for."""


class OrderInvariantError(EngineError):
    """Our own bookkeeping contradicts itself. Names the order and the numbers."""


class LeaseLost(EngineError):
    """This process is not the one that may order any more. It writes neither to the venue nor into the journal."""


class JournalError(EngineError):
    """The journal cannot be read, written or trusted."""


class JournalBusy(JournalError):
    """Another process holds the journal."""


class JournalCorrupt(JournalError):
    """A row does not fit the chain. ``row`` is the first bad sequence number."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row
