"""A denial: we refuse a signal or an order before the wire, with a code and the numbers."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.orders.events import Numbers
from engine.values.money import trimmed


class Denial(msgspec.Struct, frozen=True):
    """``code`` is stable (CATEGORY_CONDITION), ``reason`` tells people the numbers, ``numbers`` tells programs."""

    code: str
    reason: str
    numbers: Numbers | None = None


def over(
    code: str, what: str, limit: Decimal, observed: Decimal, *, in_flight: Decimal | None = None, unit: str = ""
) -> Denial:
    """Deny because ``observed`` is beyond ``limit``. Of it ``in_flight`` is not filled: decided, sent or resting."""
    unit = f" {unit}" if unit else ""
    flying = f", {trimmed(in_flight)}{unit} of it in flight" if in_flight is not None else ""
    reason = f"{what}: {trimmed(observed)}{unit}{flying}, the limit is {trimmed(limit)}{unit}"
    return Denial(code, reason, Numbers(limit, observed, in_flight))
