"""A walked path as a lane of boxes."""

from __future__ import annotations

from rich.text import Text

from engine.orders.diagram import Walk

ARROW = " → "
TIMES = "\N{MULTIPLICATION SIGN}"


def stations(walk: Walk, initial: str) -> list[str]:
    """Name each state once for every stay; a state that steps onto itself tells how often it was entered."""
    names, stays = [initial], [1]
    for _, _, state in walk:
        if state == names[-1]:
            stays[-1] += 1
        else:
            names.append(state)
            stays.append(1)
    return [name if count == 1 else f"{name} {TIMES}{count}" for name, count in zip(names, stays, strict=True)]


def lane(names: list[str], width: int) -> list[Text]:
    """Draw boxes joined by arrows, in as many rows as the width needs; the last box is lit."""
    rows: list[list[str]] = [[]]
    used = 0
    for name in names:
        needed = len(name) + 4 + (len(ARROW) if rows[-1] else 0)
        if rows[-1] and used + needed > width:
            rows.append([])
            used, needed = 0, len(name) + 4
        rows[-1].append(name)
        used += needed
    lines: list[Text] = []
    for number, row in enumerate(rows):
        lines += _boxes(row, first=number == 0, last=number == len(rows) - 1)
    return lines


def _boxes(names: list[str], *, first: bool, last: bool) -> list[Text]:
    lines = [Text(), Text(), Text()]
    for place, name in enumerate(names):
        gap = ARROW if place else "" if first else "→ "
        tone = "bold green" if last and place == len(names) - 1 else "green"
        bar = "─" * (len(name) + 2)
        for line, lead, text in zip(
            lines, (" " * len(gap), gap, " " * len(gap)), (f"╭{bar}╮", f"│ {name} │", f"╰{bar}╯"), strict=True
        ):
            line.append(lead, "dim").append(text, tone)
    return lines
