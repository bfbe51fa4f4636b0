"""One parameter of a WebSocket request at a time: JSON numbers, texts, booleans, lists, times."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.sim.cancelling import MOST_IDS
from engine.sim.errors import invalid
from engine.sim.numbers import amount, parse_rfc3339


def text(params: dict[str, Any], name: str) -> str:
    """Read a text. Raises Refused."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(name)
    return value


def choice(params: dict[str, Any], name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """Read one of some words, in any case. Raises Refused."""
    value = params.get(name, default)
    if not isinstance(value, str) or value.lower() not in allowed:
        raise invalid(name)
    return value.lower()


def flag(params: dict[str, Any], name: str) -> bool:
    """Read a boolean, absent = False. Raises Refused."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise invalid(name)
    return value


def decimal(params: dict[str, Any], name: str) -> Decimal:
    """Read a JSON number. Raises Refused, also for a number in quotes."""
    value = params.get(name)
    if isinstance(value, str):
        raise invalid(name)
    try:
        return amount(value)
    except ValueError:
        raise invalid(name) from None


def time_of(params: dict[str, Any], name: str) -> int:
    """Read an RFC3339 time as UTC nanoseconds. Raises Refused."""
    try:
        return parse_rfc3339(params.get(name))
    except (ValueError, OverflowError):
        raise invalid(name) from None


def listed(params: dict[str, Any], name: str) -> list[str | int]:
    """Read a list of texts or whole numbers, absent = empty. Raises Refused."""
    value = params.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_IDS:
        raise invalid(name)
    if not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in value):
        raise invalid(name)
    return value


def whole(params: dict[str, Any], name: str) -> int:
    """Read a signed 32-bit whole number. Raises Refused."""
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 31) <= value < 1 << 31:
        raise invalid(name)
    return value
