"""Every code that a person or a program may meet, with what to do about it. A test holds it against the code."""

from __future__ import annotations

import difflib
from typing import Final

from engine.cli.catalogue.denials import ENTRY_DENIALS, EXIT_DENIALS, NOT_SENT
from engine.cli.catalogue.doors import DOOR, EXITS
from engine.cli.catalogue.entry import KINDS, ErrorEntry
from engine.cli.catalogue.keys import KEYS
from engine.cli.catalogue.states import HALTS, HOLDS, NOT_FLAT
from engine.cli.catalogue.venue import DOUBTS, OF_OURS, VENUE
from engine.kraken.errors import rule_of
from engine.runtime.alarm_codes import CODES

__all__ = ["CATALOGUE", "KINDS", "ErrorEntry", "find", "nearest"]

ALARMS: Final = tuple(
    ErrorEntry(
        "alarm",
        code,
        known.level,
        known.ends,
        "ends by itself when its cause does" if known.ends else "stands until it is acknowledged",
        known.what_to_do,
    )
    for code, known in CODES.items()
)
"""From the alarm desk's own table; ``retryable`` is here: it may end by itself."""

CATALOGUE: Final[tuple[ErrorEntry, ...]] = (
    *(*EXITS, *DOOR, *ENTRY_DENIALS, *EXIT_DENIALS, *NOT_SENT, *HOLDS, *HALTS, *NOT_FLAT),
    *(*DOUBTS, *VENUE, *OF_OURS, *KEYS, *ALARMS),
)


def find(code: str) -> tuple[ErrorEntry, ...]:
    """Return what is known of a code, or of a text of the venue, under every kind; letters in any case."""
    said = rule_of(code)
    wanted = said.code if said is not None else code.strip().upper()
    return tuple(one for one in CATALOGUE if one.code == wanted or _covers(one.code, wanted))


def nearest(code: str) -> list[str]:
    """Return up to five codes that look like this one."""
    codes = list(dict.fromkeys(one.code for one in CATALOGUE))
    wanted = code.strip().upper()
    parts = [one for one in codes if wanted and wanted in one]
    return list(dict.fromkeys(parts + difflib.get_close_matches(wanted, codes, 5)))[:5]


def _covers(pattern: str, code: str) -> bool:
    return pattern.endswith("*") and code.startswith(pattern[:-1])
