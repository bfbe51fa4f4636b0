"""Our fills as far as the private stream has told them, and the hole that a reconnect may leave. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from engine.orders.reports import Fill, OrderReport
from engine.values.time import NS

KEPT = 10_000
SNAPSHOT_TRADES = 50
"""A snapshot shows the last fifty: with fewer there are no others."""
MARGIN_NS = 5 * NS
"""REST cuts times to 0.1 ms, and a fill may be told a moment after it was made."""
OVERLAP = 20
"""A list that begins with so many known fills, and holds the last known, need not reach back any further."""
_INSIDE = 4
"""A list ends so many fills above the snapshot's oldest: it holds that one even if the venue leaves out the end."""


class Hole(NamedTuple):
    """Fills that nobody has told us may lie between two that we know.

    ``since_ns`` is before all of them. ``older`` is the last fill known before the connection went (None: there was
    none), ``newer`` the oldest that the new snapshot shows (None: it shows none), ``until`` a shown one a little later.
    """

    since_ns: int
    older: str | None
    newer: str | None
    until: str | None = None

    def bridged_from(self, exec_ids: set[str]) -> bool:
        """Tell whether a list of fills reaches back to what was known before."""
        return self.older is None or self.older in exec_ids

    def bridged_to(self, exec_ids: set[str]) -> bool:
        """Tell whether it reaches up to what the snapshot shows, so that it lags behind no more than that."""
        return self.newer is None or self.newer in exec_ids


class FillMemory:
    """Which fills were heard of. The anchor, the last one before which none is missing, moves only while complete."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._newest: tuple[int, str] | None = None
        self._anchor: tuple[int, str] | None = None
        self._lost_ns: int | None = None
        self._complete = False

    def knows(self, fill: Fill) -> bool:
        """Tell whether a fill was heard of before."""
        return self.heard(fill.exec_id)

    def heard(self, exec_id: str) -> bool:
        """Tell the same of a fill of which only the id is known."""
        return exec_id in self._seen

    def joins(self, hole: Hole, found: Sequence[OrderReport]) -> bool:
        """Tell whether fills read backwards, oldest first here, already reach what was known before the hole."""
        ids = {report.fill.exec_id for report in found if report.fill is not None}
        early = [report.fill for report in found[:OVERLAP] if report.fill is not None]
        return hole.older in ids and len(early) == OVERLAP and all(self.knows(fill) for fill in early)

    def hear(self, fill: Fill) -> bool:
        """Take a fill and tell whether it is new."""
        new = fill.exec_id not in self._seen
        self._seen[fill.exec_id] = None
        self._seen.move_to_end(fill.exec_id)
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        if self._newest is None or fill.ts_ns >= self._newest[0]:
            self._newest = (fill.ts_ns, fill.exec_id)
        if self._complete:
            self._anchor = self._newest
        return new

    def complete(self) -> None:
        """No fill is missing up to now."""
        self._complete, self._anchor = True, self._newest

    def lose(self, heard_ns: int) -> None:
        """The stream is away; it was last heard at ``heard_ns`` (venue time)."""
        if self._complete:
            self._complete, self._lost_ns = False, heard_ns

    def hole(self, trades: Sequence[OrderReport]) -> Hole | None:
        """Compare a new snapshot's trades with what is known. None: nothing can be missing.

        The first snapshot of all leaves no hole here: what was before it is a matter of recovery.
        """
        if self._lost_ns is None:
            return None
        shown = sorted((trade.fill for trade in trades if trade.fill is not None), key=lambda fill: fill.ts_ns)
        oldest = shown[0] if shown else None
        newer = oldest.exec_id if oldest is not None else None
        until = shown[: _INSIDE + 1][-1].exec_id if shown else None
        if self._anchor is not None:
            at_ns, exec_id = self._anchor
            known = any(fill.exec_id == exec_id for fill in shown)
            return None if known else Hole(at_ns - MARGIN_NS, exec_id, newer, until)
        since_ns = self._lost_ns - MARGIN_NS
        if oldest is None or len(shown) < SNAPSHOT_TRADES or oldest.ts_ns < since_ns:
            return None
        return Hole(since_ns, None, newer, until)


def shown_since_ns(trades: Sequence[OrderReport]) -> tuple[int, str | None]:
    """Return from which moment (venue time) a snapshot shows every fill, 0 when there are no others; and its oldest."""
    oldest = min((trade.fill for trade in trades if trade.fill is not None), key=lambda fill: fill.ts_ns, default=None)
    if oldest is None:
        return 0, None
    shown = sum(trade.fill is not None for trade in trades)
    return (oldest.ts_ns + 1 if shown >= SNAPSHOT_TRADES else 0), oldest.exec_id
