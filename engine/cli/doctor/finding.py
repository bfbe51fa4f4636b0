"""One thing that was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from engine.cli.exits import Exit

Health = Literal["ok", "warn", "fail"]

_GRAVEST_FIRST = (Exit.JOURNAL, Exit.USAGE, Exit.REFUSED, Exit.UNREACHABLE, Exit.OTHER)


class Finding(msgspec.Struct, frozen=True):
    """``what_to_do`` is "" when all is well; ``exit`` is what a failure of this makes of the verb's exit code."""

    name: str
    health: Health
    text: str
    what_to_do: str = ""
    exit: Exit = Exit.DONE


def good(name: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(name, "ok", text)


def doubtful(name: str, text: str, what_to_do: str) -> Finding:
    """The engine would start, and a person should know."""
    return Finding(name, "warn", text, what_to_do)


def bad(name: str, text: str, what_to_do: str, code: Exit = Exit.OTHER) -> Finding:
    """The engine would not start, or not be safe."""
    return Finding(name, "fail", text, what_to_do, code)


def exit_of_all(found: Iterable[Finding]) -> Exit:
    """Return the code of the gravest failure; a warning is none."""
    codes = {one.exit for one in found if one.health == "fail"}
    return next((code for code in _GRAVEST_FIRST if code in codes), Exit.DONE)
