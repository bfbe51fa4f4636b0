"""Reads the members of a JSON object of ours: what is wrong is collected, nothing is guessed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.values.time import parse_rfc3339

MAX_SHOWN = 80
MAX_SECONDS = Decimal(30 * 24 * 3600)

_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STRATEGY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SYMBOL = re.compile(r"[A-Za-z0-9.]{1,20}/?[A-Za-z0-9.]{1,20}")
_LEVERAGE = re.compile(r"[2-9]|[1-9][0-9]")
_MISSING = object()
_LONGEST_NAME = 40
_ALIKE = 0.75
"""A slip of the finger, as difflib measures it; another word is none."""


def _unknown(name: str, known: frozenset[str]) -> str:
    like = difflib.get_close_matches(name[:_LONGEST_NAME], sorted(known), 1, _ALIKE)
    return f"unknown member, did you mean {like[0]}?" if like else "unknown member"


class Reader:
    """Reads one object. ``path`` goes before its members' names, ``errors`` takes every fault."""

    def __init__(self, members: dict[str, Any], path: str, errors: list[str]) -> None:
        self.members, self.path, self.errors = members, path, errors

    def has(self, name: str) -> bool:
        """Whether it is there and not null."""
        return self.members.get(name) is not None

    def fault(self, name: str, what: str) -> None:
        """Note what is wrong with a member."""
        self.errors.append(f"{self.path}{name}: {what}")

    def refuse_unknown(self, known: frozenset[str], told: Mapping[str, str] | None = None) -> None:
        """Refuse members nobody reads; ``told`` holds better words for some."""
        for name in self.members:
            if name not in known:
                self.fault(shown(name), (told or {}).get(name) or _unknown(name, known))

    def take(self, name: str, parse: Callable[[Any], Any], default: Any = _MISSING) -> Any:
        """Read a member; an optional one (``default`` given) may be null. None after a fault."""
        value = self.members.get(name, _MISSING)
        if default is not _MISSING and (value is _MISSING or value is None):
            return default
        if value is _MISSING:
            self.fault(name, "missing")
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.fault(name, str(error))
            return None

    def part(self, name: str, known: frozenset[str], *, required: bool) -> Reader | None:
        """Enter a nested object; None when it is null, left out or a fault."""
        value = self.members.get(name, _MISSING)
        if value is _MISSING and required:
            self.fault(name, f'missing (write "{name}": null to do without)')
        if value is _MISSING or value is None:
            return None
        return self._entered(value, name, known, "an object or null")

    def parts(self, name: str, known: frozenset[str], most: int) -> list[Reader]:
        """Enter one nested object or a list of them; empty when there is none, or after a fault."""
        value = self.members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            one = self._entered(value, name, known, "an object, a list of objects or null")
            return [one] if one is not None else []
        if not 1 <= len(value) <= most:
            self.fault(name, f"a list of 1 to {most} objects")
            return []
        entered = [self._entered(one, f"{name}[{place}]", known, "an object") for place, one in enumerate(value)]
        return [one for one in entered if one is not None]

    def _entered(self, value: Any, name: str, known: frozenset[str], what: str) -> Reader | None:
        if not isinstance(value, dict):
            self.fault(name, f"must be {what}")
            return None
        reader = Reader(value, f"{self.path}{name}.", self.errors)
        reader.refuse_unknown(known)
        return reader


def shown(text: str) -> str:
    """Somebody's text in a message: printable whatever it holds, and never a page of it."""
    part = text[:MAX_SHOWN]
    return part if part.isprintable() and part else ascii(part)


def amount(value: Any) -> Decimal:
    """Read a plain positive decimal."""
    number = amount_or_zero(value)
    if number <= 0:
        raise ValueError("must be more than zero")
    return number


def amount_or_zero(value: Any) -> Decimal:
    """Read a plain decimal that is not negative."""
    if not isinstance(value, str):
        raise ValueError('must be a string such as "0.02"')
    if not _AMOUNT.fullmatch(value):
        raise ValueError(f"not a plain positive decimal: {shown(value)}")
    return Decimal(value)


def below(bound: int, *, or_equal: bool = False) -> Callable[[Any], Decimal]:
    """Return a reader of positive decimals below a bound."""

    def parse(value: Any) -> Decimal:
        number = amount(value)
        if number > bound or (number == bound and not or_equal):
            raise ValueError(f"must be {'at most' if or_equal else 'less than'} {bound}")
        return number

    return parse


def one_of(*choices: str) -> Callable[[Any], str]:
    """Return a reader of one of these words."""

    def parse(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def leverage(value: Any) -> int:
    """Read a leverage as REST writes it: a whole number of two or more, in a string."""
    if not isinstance(value, str) or not _LEVERAGE.fullmatch(value):
        raise ValueError('must be a string such as "3"')
    return int(value)


def uuid(value: Any) -> str:
    """Read a UUID in its one canonical form; lower case comes out."""
    if not isinstance(value, str):
        raise ValueError("must be a UUID string")
    if not _UUID.fullmatch(value):
        raise ValueError(f"not a UUID: {shown(value)}")
    return value.lower()


def seconds(value: Any) -> Decimal:
    """Read a duration."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number of seconds")
    number = Decimal(value)
    if not 0 < number <= MAX_SECONDS:
        raise ValueError(f"must be more than 0 and at most {MAX_SECONDS} s")
    return number


def moment(value: Any) -> int:
    """Read an RFC3339 time as UTC nanoseconds."""
    if not isinstance(value, str):
        raise ValueError('must be an RFC3339 time such as "2099-01-01T00:00:00Z"')
    return parse_rfc3339(value)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return parse


symbol = _matching(_SYMBOL, "a symbol such as BTC/USD")
strategy = _matching(_STRATEGY, "1 to 64 of letters, digits, _ . : -")


def object_of(text: str, errors: list[str]) -> dict[str, Any]:
    """Read one JSON object, numbers as decimals; members written twice are faults. ValueError when it is none."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, value in items:
            if name in seen:
                errors.append(f"{shown(name)}: written twice")
            seen[name] = value
        return seen

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not a number")

    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=constant, object_pairs_hook=pairs)
    except (ValueError, ArithmeticError, RecursionError) as error:  # a number beyond Decimal's exponents is arithmetic
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    return value
