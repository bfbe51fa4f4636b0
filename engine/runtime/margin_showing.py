"""Joins what the venue tells of margin to the positions of our books."""

from __future__ import annotations

import msgspec

from engine.runtime.margin_desk import MarginDesk
from engine.runtime.money_views import PositionList, PositionView


def with_margin(found: PositionList, margin: MarginDesk) -> PositionList:
    """Add leverage, liquidation, the venue's own positions and what of them differs from our brackets."""
    return msgspec.structs.replace(
        found,
        positions=tuple(_lent(one, margin) for one in found.positions),
        totals=tuple(_lent(one, margin) for one in found.totals),
        at_venue=margin.shown(),
        mismatch=dict(margin.mismatch),
        venue_why=margin.why if any(one.margin for one in found.positions) else "",
    )


def _lent(one: PositionView, margin: MarginDesk) -> PositionView:
    if not one.margin:
        return one
    near = margin.liquidation(one.symbol)
    return msgspec.structs.replace(
        one,
        leverage=margin.leverage(one.symbol),
        liquidation_px=near.price if near is not None else None,
        liquidation_pct=near.percent if near is not None else None,
    )
