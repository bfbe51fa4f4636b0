"""A denial: we refuse a signal before the wire, with a code and the numbers."""

from __future__ import annotations

import msgspec


class Denial(msgspec.Struct, frozen=True):
    """``code`` is stable (CATEGORY_CONDITION), ``reason`` names the numbers."""

    code: str
    reason: str
