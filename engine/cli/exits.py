"""Exit codes, and which error ends in which."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from engine.errors import ConfigError, EngineError, JournalError, LeaseLost, VenueError, VenueRefused


class Exit(IntEnum):
    """What the exit code of every verb means. A forced end is 128 plus the signal's number."""

    DONE = 0
    OTHER = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    JOURNAL = 5
    NO_ENGINE = 6
    LEASE_LOST = 7


FORCED = 128
KEY_ERRORS = ("EAPI:", "EGeneral:Permission denied")
"""What the venue says of a key that is wrong, spoilt or may do too little: the user must mend it."""


def exit_of(error: BaseException) -> Exit:
    """Return the code for an error; of a group the gravest counts: lease, journal, settings, venue, anything else."""
    codes = {_code(leaf) for leaf in leaves(error)}
    for code in (Exit.LEASE_LOST, Exit.JOURNAL, Exit.USAGE, Exit.REFUSED, Exit.UNREACHABLE):
        if code in codes:
            return code
    return Exit.OTHER


def _code(error: BaseException) -> Exit:
    match error:
        case LeaseLost():
            return Exit.LEASE_LOST
        case JournalError():
            return Exit.JOURNAL
        case ConfigError():
            return Exit.USAGE
        case VenueRefused(errors=errors):
            return Exit.USAGE if any(text.startswith(KEY_ERRORS) for text in errors) else Exit.REFUSED
        case VenueError():
            return Exit.UNREACHABLE
        case _:
            return Exit.OTHER


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors inside nested groups; an error that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


def sentences(error: BaseException) -> list[str]:
    """Say each error on purpose once, without a traceback; empty when something unforeseen is among them."""
    parts = list(leaves(error))
    if not all(isinstance(part, EngineError) for part in parts):
        return []
    return list(dict.fromkeys(str(part) or type(part).__name__ for part in parts))
