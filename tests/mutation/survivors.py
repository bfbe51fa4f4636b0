"""The mutants known to survive, each with the reason, in ``survivors.md``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.mutation.campaign import NOTICED, Mutant

SURVIVORS = Path(__file__).with_name("survivors.md")


def unexplained(mutants: Iterable[Mutant], text: str) -> list[Mutant]:
    """Return the mutants nobody noticed and whose function and change the text does not name.

    Two forms explain: a function alone in back-quotes as a heading, for all in it; or under it the added line of one,
    the removed line of one that adds none.
    """
    whole, lines = _explained(text)
    return [
        mutant
        for mutant in mutants
        if mutant.fate not in NOTICED
        and mutant.function not in whole
        and not any((mutant.function, line) in lines for line in _telling(mutant))
    ]


def _telling(mutant: Mutant) -> list[str]:
    return [line for line in mutant.change if line.startswith("+")] or list(mutant.change)


def _explained(text: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Read ``## `function` (all)`` and ``## `function` `` with ``- `+line` reason`` or ``- `-line` reason`` beneath."""
    whole: set[str] = set()
    lines: set[tuple[str, str]] = set()
    function = ""
    for line in text.splitlines():
        if line.startswith("## `"):
            function = line.split("`")[1]
            if line.endswith("(all)"):
                whole.add(function)
        elif line.startswith(("- `+", "- `-")):
            lines.add((function, line.split("`")[1]))
    return whole, lines
