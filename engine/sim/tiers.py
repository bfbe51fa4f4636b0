"""What Kraken's verification tiers may do (protocol sections 5.1, 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

TierName = Literal["starter", "intermediate", "pro"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """The bounds of both counters, their decay in points per second, and the open orders per pair."""

    rest_max: Decimal
    rest_decay: Decimal
    threshold: Decimal
    decay: Decimal
    open_orders: int


TIERS: dict[TierName, Tier] = {
    "starter": Tier(
        rest_max=Decimal(15), rest_decay=Decimal("0.33"), threshold=Decimal(60), decay=Decimal(1), open_orders=60
    ),
    "intermediate": Tier(
        rest_max=Decimal(20), rest_decay=Decimal("0.5"), threshold=Decimal(125), decay=Decimal("2.34"), open_orders=80
    ),
    "pro": Tier(
        rest_max=Decimal(20), rest_decay=Decimal(1), threshold=Decimal(180), decay=Decimal("3.75"), open_orders=225
    ),
}
