"""What a process before this one asked of the venue, as its journal tells: the venue's counters may still hold it."""

from __future__ import annotations

import msgspec

from engine.orders.commands import Request
from engine.orders.reports import Outcome


class Earlier(msgspec.Struct, frozen=True):
    """One request that may have reached the venue. Moments are venue time (ns), by that process's reckoning.

    It left at ``sent_ns`` or later, and the venue counted it by ``counted_ns``: when its answer came or, without one,
    when its deadline passed. What an amend or a cancel changes was created or last amended by ``born_ns``. ``outcome``
    and ``code`` are its answer's; UNKNOWN where none was journalled.
    """

    request: Request
    sent_ns: int
    counted_ns: int
    born_ns: int
    outcome: Outcome = Outcome.UNKNOWN
    code: str = ""
