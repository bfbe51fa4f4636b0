"""What an algorithm tells of itself when it has ended."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class ChildResult(msgspec.Struct, frozen=True):
    """One child: what it asked for and what of that traded, in base units. ``settled`` False: more may still trade."""

    signal_id: str
    order_qty: Decimal
    cum_qty: Decimal
    settled: bool
    reason: str = ""


class AlgoResult(msgspec.Struct, frozen=True):
    """How a parent ended. ``state`` is its machine's: complete, short (time or budget over) or stopped (``reason``).

    Quantities in base units, ``avg_px`` in quote per base (0 when nothing traded). ``points`` is what was spent of the
    venue's counter by its children and re-prices. ``walk`` is its way through its machine: from, event, to.
    """

    signal_id: str
    state: str
    reason: str
    order_qty: Decimal
    cum_qty: Decimal
    avg_px: Decimal
    points: int
    reprices: int
    children: tuple[ChildResult, ...]
    walk: tuple[tuple[str, str, str], ...]
