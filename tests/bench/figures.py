"""Figures and how they are shown: calm columns, or one JSON object. Times are kept in seconds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

PLACES = {"s": 1e0, "ms": 1e3, "µs": 1e6}
COLUMNS = {"n": 8, "p50": 11, "p99": 11, "x p50": 9, "x p99": 9, "limit": 18}
EXPLANATION = """\
x says how many times its floor the engine takes, both measured in this run. A floor is the smallest trio program over
the same frames (tests/bench/floor.py). Between runs and machines only the ratios may be compared."""


class Figure(msgspec.Struct, omit_defaults=True):
    """One line: what was measured on whom. ``p99`` is None where there is one value only.

    ``limit`` is what a success figure must stay under, ``least`` what it must reach. A ``floor`` line
    carries the ratios: how many times it the engine's line above takes.
    """

    name: str
    unit: str
    n: int
    p50: float
    p99: float | None = None
    floor: bool = False
    times_p50: float | None = None
    times_p99: float | None = None
    limit: float | None = None
    least: float | None = None


class Section(msgspec.Struct):
    """Lines about one question."""

    title: str
    figures: list[Figure]
    notes: list[str] = []


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of them lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(name: str, values: Sequence[float], *, limit: float | None = None) -> Figure:
    """Sum up durations in seconds."""
    return Figure(name, "s", len(values), quantile(values, 0.5), quantile(values, 0.99), limit=limit)


def against(engine: Figure, *floors: Figure) -> list[Figure]:
    """Return the engine's line and its floors', each of these with how many times the floor the engine is.

    Above 1 the engine is slower, or larger, or carries fewer messages.
    """
    lines = [engine]
    for base in floors:
        inverse = base.unit == "/s"
        p50 = base.p50 / engine.p50 if inverse else engine.p50 / base.p50
        p99 = engine.p99 / base.p99 if engine.p99 and base.p99 and not inverse else None
        lines.append(msgspec.structs.replace(base, floor=True, times_p50=p50, times_p99=p99))
    return lines


def amount(value: float | None, unit: str) -> str:
    """Write a value with three figures or so."""
    if value is None:
        return ""
    if unit == "s":
        for name in ("s", "ms", "µs"):
            scaled = value * PLACES[name]
            if scaled >= 1 or name == "µs":
                return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {name}"
    if unit == "B" and abs(value) >= 2**20:
        return f"{value / 2**20:.1f} MiB"
    if unit == "B":
        return f"{value / 1024:.1f} KiB" if abs(value) >= 1024 else f"{value:.0f} B"
    if unit == "%":
        return f"{value:.2f} %"
    return f"{value:,.0f}{unit}" if value >= 100 or value == int(value) else f"{value:.1f}{unit}"


def show(sections: Sequence[Section]) -> None:
    """Print every section with the same columns."""
    name_width = max(len(_name(one)) for section in sections for one in section.figures)
    for section in sections:
        print(section.title)
        print(" " * name_width + "".join(title.rjust(width) for title, width in COLUMNS.items()))
        for one in section.figures:
            cells = "".join(cell.rjust(width) for cell, width in zip(_cells(one), COLUMNS.values(), strict=True))
            print((_name(one).ljust(name_width) + cells).rstrip())
        for note in section.notes:
            print("  " + note)
        print()
    print(EXPLANATION)


def _name(one: Figure) -> str:
    return ("    " if one.floor else "  ") + one.name


def _cells(one: Figure) -> list[str]:
    ratios = ["" if times is None else f"{times:.1f}" for times in (one.times_p50, one.times_p99)]
    limit = ""
    if one.limit is not None:
        worst = one.p50 if one.p99 is None else one.p99
        limit = f"< {amount(one.limit, one.unit)} {'met' if worst < one.limit else 'MISSED'}"
    if one.least is not None:
        limit = f"≥ {amount(one.least, one.unit)} {'met' if one.p50 >= one.least else 'MISSED'}"
    return [f"{one.n:,}", amount(one.p50, one.unit), amount(one.p99, one.unit), *ratios, limit]
