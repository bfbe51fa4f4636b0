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
from engine.sim.offsets import Offset, Price
from engine.sim.orders import STP
from engine.sim.venue import Venue

Params = Mapping[str, Any]
_LONGEST_LIST = 16_384  # characters
_SHORTEST_LIFE_S = 5
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
    """Read a number or its text; empty counts as absent. Raises Refused, also for a sign or a space in front of it."""
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and value[:1] in "+# ":
            raise ValueError("not a plain number")
        return amount(value)
    except ValueError:
        raise invalid(name) from None


def optional_price(params: Params, name: str) -> Price | None:
    """Read a price: plain, or relative as ``+x``, ``-x`` or ``#x``, each also with ``%``; empty counts as absent.

    A plus that a form body did not escape has become a space, and a price with a space is none. Raises Refused.
    """
    value = params.get(name)
    if not isinstance(value, str) or value[:1] not in ("+", "-", "#"):
        return optional_amount(params, name)
    sign, digits, percent = value[0], value[1:].removesuffix("%"), value.endswith("%")
    try:
        if not digits[:1].isdigit() and digits[:1] != ".":
            raise ValueError("two signs")
        size = amount(digits)
    except ValueError:
        raise invalid(name) from None
    return Offset(-size if sign == "-" else size, percent, by_side=sign == "#")


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


def names(params: Params, name: str) -> list[str]:
    """Read a comma list of names; absent is empty. Raises Refused."""
    value = params.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_LIST:
        raise invalid(name)
    return [item for item in value.split(",") if item]


def pairs_of(venue: Venue, params: Params) -> list[PairSpec]:
    """Find the pairs of a comma list, all of them when none is named. Raises Refused."""
    wanted = names(params, "pair")
    found = [venue.settings.pair_named(name) for name in wanted]
    if None in found:
        raise Refused(errors.UNKNOWN_PAIR)
    return [pair for pair in found if pair is not None] if wanted else list(venue.settings.pairs)


def key_of(venue: Venue, params: Params, pair: PairSpec) -> str:
    """Return the key of a pair in a public answer: its id, or the slash form when it was asked for by that."""
    echoed = venue.settings.slash_names_are_echoed and pair.symbol in names(params, "pair")
    return pair.symbol if echoed else pair.rest_key


def one_pair(venue: Venue, params: Params) -> PairSpec:
    """Find the one pair that is meant. Raises Refused."""
    if len(names(params, "pair")) != 1:
        raise invalid("pair")
    return pairs_of(venue, params)[0]


def whole(params: Params, name: str, default: int, most: int, *, least: int = 1) -> int:
    """Read a whole number within bounds. Raises Refused."""
    text = str(params.get(name, default))
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise invalid(name)
    return int(text)


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
    """Read expiretm: ``+n`` seconds from now (5 at least) or epoch seconds; 0 and absent mean none. Raises Refused."""
    return _moment(params, "expiretm", now_ns, _SHORTEST_LIFE_S)


def start(params: Params, now_ns: int) -> int | None:
    """Read starttm, in the same forms; a moment that has passed is now, and now is none. Raises Refused."""
    at_ns = _moment(params, "starttm", now_ns, 0)
    return None if at_ns is None or at_ns <= now_ns else at_ns


def _moment(params: Params, name: str, now_ns: int, least_s: int) -> int | None:
    text = optional_text(params, name)
    if text in (None, "0"):
        return None
    ahead = str(text).startswith("+")
    try:
        seconds = amount(str(text).removeprefix("+"))
    except ValueError:
        raise invalid(name) from None
    if ahead and seconds < least_s:
        raise invalid(name)
    return int(seconds * NS) + (now_ns if ahead else 0)


def leverage(params: Params) -> int | None:
    """Read a leverage, ``2`` or ``2:1`` (the second form is not confirmed); none and 0 are none. Raises Refused."""
    text = optional_text(params, "leverage")
    if text in (None, "0", "none"):
        return None
    digits = str(text).removesuffix(":1")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 3:
        raise invalid("leverage")
    return int(digits)


def nested(params: Params, name: str) -> Params | None:
    """Read an object; a form body gives its members as ``close[price]``. None when there is none. Raises Refused."""
    value = params.get(name)
    if value in (None, ""):
        value = {key[len(name) + 1 : -1]: item for key, item in params.items() if key.startswith(f"{name}[")}
    if not isinstance(value, Mapping):
        raise invalid(name)
    return value or None


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
                rows.setdefault(int(found[2]), {})[found[3].replace("][", "[", 1) + "]" * ("][" in found[3])] = text
        value = [rows[index] for index in sorted(rows)]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(name)
    return value


def stp(name: str) -> STP:
    """Read the hyphened name of a self-trade prevention."""
    return "cancel_oldest" if name == "cancel-oldest" else "cancel_both" if name == "cancel-both" else "cancel_newest"
