"""How margin is watched."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class MarginSettings(msgspec.Struct, frozen=True):
    """How often margin is asked for while it is in use, and what is alarmed. Percentages."""

    poll_s: float = 10.0
    level_alarm_pct: Decimal = Decimal(150)
    """Equity over used margin. Kraken calls at 80 and liquidates at 40."""
    liquidation_alarm_pct: Decimal = Decimal(10)
    """How near the price of a liquidation may come."""
