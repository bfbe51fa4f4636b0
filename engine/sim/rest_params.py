"""One REST parameter at a time. On a form body everything is text, and so are the numbers of a JSON body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.sim import errors
from engine.sim.admission import deadline_bounds
from engine.sim.errors import Refused, invalid
from engine.sim.instruments import PairSpec
from engine.sim.numbers import NS, amount, parse_rfc3339
from engine.sim.orders import STP
from engine.sim.venue import Venue

Params = Mapping[str, Any]
_MEMBER = re.compile(r"(\w+)\[(\d{1,3})\]\[([\w\[\]]+)\]")


def word(params: Params, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """Read one of some words, in any case. Raises Refused."""
    value = params.get(name, default)
    if not isinstance(value, str) or value.lower() not in allowed:
        raise invalid(name)
    return value.lower()


def optional_text(params: Params, name: str) -> str | None:
    """Read a text; empty counts as absent. Raises Refused for a nested value."""
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 256:
        raise invalid(name)
    return value


def optional_amount(params: Params, name: str) -> Decimal | None:
    """Read a number or its text; empty counts as absent. Relative prices are refused."""
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and value[:1] in "+#":
            raise ValueError("relative")
        return amount(value)
    except ValueError:
        raise invalid(name) from None


def needed_amount(params: Params, name: str) -> Decimal:
    """Read a number that must be there. Raises Refused."""
    value = optional_amount(params, name)
    if value is None:
        raise invalid(name)
    return value


def truth(params: Params, name: str) -> bool:
    """Read a flag: true, "true", "1". Raises Refused for anything that is neither true nor false."""
    value = params.get(name, False)
    if value in (True, "true", "True", "1"):
        return True
    if value in (False, "false", "False", "0", ""):
        return False
    raise invalid(name)


def pair_of(venue: Venue, params: Params) -> PairSpec:
    """Find the pair by id, altname or slash form. Raises Refused (``EQuery:Unknown asset pair``)."""
    pair = venue.settings.pair_named(str(params.get("pair", "")))
    if pair is None:
        raise Refused(errors.UNKNOWN_PAIR)
    return pair


def deadline(venue: Venue, params: Params, arrived_ns: int) -> int | None:
    """Read the deadline; REST has no default. Raises Refused."""
    text = optional_text(params, "deadline")
    if text is None:
        return None
    try:
        at = parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise invalid("deadline") from None
    return deadline_bounds(venue.settings, at, arrived_ns, venue.settings.rest_deadline_floor_s)


def expiry(params: Params, now_ns: int) -> int | None:
    """Read expiretm: ``+n`` seconds from now or epoch seconds; 0 and absent mean none. Raises Refused."""
    text = optional_text(params, "expiretm")
    if text in (None, "0"):
        return None
    try:
        seconds = amount(str(text).removeprefix("+"))
    except ValueError:
        raise invalid("expiretm") from None
    return int(seconds * NS) + (now_ns if str(text).startswith("+") else 0)


def userref(params: Params) -> int | None:
    """Read a signed 32-bit userref. Raises Refused."""
    text = optional_text(params, "userref")
    if text is None:
        return None
    if len(text) > 11 or not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise invalid("userref")
    value = int(text)
    if not -(1 << 31) <= value < 1 << 31:
        raise invalid("userref")
    return value


def texts(params: Params, name: str) -> list[str]:
    """Read a list of ids; a form body gives it as ``orders[0]``, ``orders[1]`` or as one comma list."""
    value = params.get(name)
    if value is None:
        value = [item for key, item in params.items() if key.startswith(f"{name}[")]
    if isinstance(value, str):
        value = [item for item in value.split(",") if item]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(name)
    return [str(item) for item in value]


def tables(params: Params, name: str) -> list[dict[str, Any]]:
    """Read a list of objects; a form body gives their members as ``orders[0][price]``. Raises Refused."""
    value = params.get(name)
    if value is None:
        rows: dict[int, dict[str, Any]] = {}
        for key, text in params.items():
            found = _MEMBER.fullmatch(key)
            if found is not None and found[1] == name:
                rows.setdefault(int(found[2]), {})[found[3]] = text
        value = [rows[index] for index in sorted(rows)]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(name)
    return value


def stp(name: str) -> STP:
    """Read the hyphened name of a self-trade prevention."""
    return "cancel_oldest" if name == "cancel-oldest" else "cancel_both" if name == "cancel-both" else "cancel_newest"
