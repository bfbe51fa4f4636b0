"""Arithmetic that loses no digit. Pure."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Final

_DIGITS: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Prices and quantities have at most 10 digits after the point and some 15 before it: no product or sum needs more."""
PARTS: Final = Decimal("1E-12")
"""Parts of a cost are whole multiples of this. What one part gains by rounding the other loses: the sum stays exact."""


def exactly() -> AbstractContextManager[Context]:
    """Within the block sums and products of amounts keep every digit."""
    return localcontext(_DIGITS)


def part_of(amount: Decimal, share: Decimal, whole: Decimal) -> Decimal:
    """Return ``share`` of ``whole`` of an amount, to the twelfth digit; all of it, unrounded, for the whole."""
    return amount if share == whole else (amount * share / whole).quantize(PARTS)
