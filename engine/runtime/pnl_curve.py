"""The profit of a running engine over time, as points: for a curve, never for a decision. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.runtime.money_views import Pnl
from engine.values.time import NS

POINTS_MOST = 2048
"""A curve wider than any screen; where it is full every second point goes and the step doubles."""
STEP_NS = 5 * NS


class PnlPoint(msgspec.Struct, frozen=True):
    """Profit since the first fill in ``quote`` units, after fees; ``unrealized`` None where a price was missing."""

    ts_ns: int
    quote: str
    realized: Decimal
    unrealized: Decimal | None


class PnlCurve:
    """Keeps at most POINTS_MOST points for each quote currency, from the start of the engine on."""

    def __init__(self) -> None:
        self._points: dict[str, list[PnlPoint]] = {}
        self._step_ns = STEP_NS
        self._next_ns = 0

    def due(self, now_ns: int) -> bool:
        """Tell whether a point is wanted."""
        return now_ns >= self._next_ns

    def take(self, pnl: Pnl, now_ns: int) -> None:
        """Add a point for each quote currency that anything was ever traded in."""
        self._next_ns = now_ns + self._step_ns
        for row in pnl.rows:
            points = self._points.setdefault(row.quote, [])
            points.append(PnlPoint(now_ns, row.quote, row.realized, row.unrealized))
        if any(len(points) >= POINTS_MOST for points in self._points.values()):
            self._thin()

    def _thin(self) -> None:
        self._step_ns *= 2
        for points in self._points.values():
            del points[1:-1:2]  # the first and the newest stay

    def points(self, after_ns: int = 0) -> tuple[PnlPoint, ...]:
        """Return the points behind a moment, by quote currency, oldest first."""
        return tuple(one for points in self._points.values() for one in points if one.ts_ns > after_ns)
