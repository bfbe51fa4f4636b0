"""Frozen pictures of the running engine, for people and programs."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.brackets import Bracket
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.values.money import Qty


class BracketView(msgspec.Struct, frozen=True):
    """One bracket now. ``uncovered_qty_s`` is the gauge: uncovered base units times seconds so far."""

    signal: Signal
    state: str
    exposure: Decimal
    uncovered: Qty
    uncovered_qty_s: Decimal
    orders: tuple[OrderView, ...]


class SignalView(msgspec.Struct, frozen=True):
    """One signal that came: its verdict, and its bracket, living or ended. ``code`` and ``reason``: of a denial."""

    signal: Signal
    status: Literal["accepted", "denied"]
    code: str = ""
    reason: str = ""
    bracket: BracketView | None = None


def bracket_view(bracket: Bracket) -> BracketView:
    """Copy a bracket."""
    return BracketView(
        signal=bracket.signal,
        state=bracket.state,
        exposure=bracket.exposure,
        uncovered=bracket.uncovered,
        uncovered_qty_s=bracket.uncovered_qty_s,
        orders=tuple(bracket.orders.values()),
    )
