"""The gauge of protection: quantity held without a sure stop, times seconds, by bracket and in total."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.bracket_events import Policy
from engine.orders.brackets import Bracket
from engine.values.money import ZERO, Qty


class BracketCover(msgspec.Struct, frozen=True):
    """One living bracket: ``uncovered`` base units now, ``uncovered_qty_s`` base units times seconds so far."""

    signal_id: str
    symbol: str
    state: str
    uncovered: Qty
    uncovered_qty_s: Decimal


class CoverView(msgspec.Struct, frozen=True):
    """``total_qty_s`` by base asset, of brackets that live or have ended since the engine started.

    Past ``bound_s`` of bare quantity a bracket alarms (NAKED) and ``action`` is taken.
    """

    bound_s: float
    action: Literal["alert", "close"]
    brackets: tuple[BracketCover, ...]
    total_qty_s: dict[str, Decimal]


class CoverGauge:
    """Keeps what ended brackets have come to."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._ended: dict[str, Decimal] = defaultdict(Decimal)

    def ended(self, bracket: Bracket) -> None:
        """Add a bracket that has ended."""
        self._ended[bracket.instrument.base] += bracket.uncovered_qty_s

    def view(self, living: Iterable[Bracket], now_ns: int) -> CoverView:
        """Return the gauge as of now."""
        totals, rows = dict(self._ended), []
        for one in living:
            gauge = one.gauge(now_ns)
            totals[one.instrument.base] = totals.get(one.instrument.base, ZERO) + gauge
            rows.append(BracketCover(one.signal.signal_id, one.instrument.symbol, one.state, one.uncovered, gauge))
        return CoverView(self._policy.cover_bound_s, self._policy.naked_action, tuple(rows), totals)
