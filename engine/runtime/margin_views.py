"""Margin as people and programs are shown it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.values.money import Side


class VenuePositionView(msgspec.Struct, frozen=True):
    """One margin position as the venue keeps it; ``signal_id`` is whose entry opened it, "" for none of ours.

    ``qty`` base units still open, ``cost`` and ``margin`` quote units for them. Exits close the venue's oldest position
    first, whoever opened it: by signal its rows may differ from our books, by market they must not.
    """

    position_id: str
    symbol: str
    side: Side
    qty: Decimal
    cost: Decimal
    margin: Decimal
    signal_id: str


class MarginView(msgspec.Struct, frozen=True):
    """The account's margin at ``at``, in ``currency``: ``level`` is equity in percent of what is used.

    Figures are None before the venue has told them; ``why`` says what keeps it from telling, "" for nothing.
    """

    at: str
    currency: str
    equity: Decimal | None = None
    used: Decimal | None = None
    free: Decimal | None = None
    unrealized: Decimal | None = None
    level: Decimal | None = None
    why: str = ""
