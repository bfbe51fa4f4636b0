"""What a night has come to, as a page that the README may quote."""

from __future__ import annotations

from collections.abc import Iterator

from engine.chaos.revision import revision
from engine.chaos.weather import KINDS
from tests.night.activities import Deaths, Mutants
from tests.night.shift import Shift

COLUMNS = 4
WANTED = 100
"""How often every kind of fault is to strike in a long night."""


def written(shift: Shift) -> str:
    """Write the page (Markdown)."""
    return "\n".join(_lines(shift)) + "\n"


def _lines(shift: Shift) -> Iterator[str]:
    seeds = sum(number for name, number in shift.runs.items() if name != Deaths.name)
    deaths = shift.runs[Deaths.name]
    yield "# The last night"
    yield ""
    yield (
        f"{shift.took_s / 3600:.2f} hours on {shift.jobs} processors at revision `{revision()}`: {seeds} seeds and"
        f" {deaths} deaths judged, {shift.simulated_s / 3600:.0f} simulated hours, **{len(shift.failed)} violations**."
    )
    yield ""
    yield "| what | runs |"
    yield "|---|---:|"
    yield from (f"| {name} | {number} |" for name, number in shift.runs.items())
    yield ""
    yield from _told(shift)
    yield ""
    yield from _faults(shift)
    if shift.failed:
        yield ""
        yield "## Broken"
        yield ""
        yield from (f"- `{result.violations[0].invariant}`: `{job.command}`" for job, result in shift.failed)


def _told(shift: Shift) -> Iterator[str]:
    for activity in shift.activities:
        if isinstance(activity, Deaths):
            yield f"Scenarios died at every act: {activity.whole} of {len(activity.scenarios)}."
        if isinstance(activity, Mutants):
            fates, cut = activity.fates, f"; cut off by the time: {', '.join(activity.cut)}" if activity.cut else ""
            noticed = fates["tried"] - fates["left"]
            share = f" ({noticed / fates['tried']:.1%})" if fates["tried"] else ""
            yield (
                f"Mutants of `engine/orders` ({', '.join(activity.done) or 'no file'}): {fates['tried']} tried,"
                f" {noticed} noticed{share}, {fates['unexplained']} neither noticed nor explained{cut}."
                + (" The campaign itself failed." if fates["failed"] else "")
            )


def _faults(shift: Shift) -> Iterator[str]:
    rare = [kind for kind in KINDS if shift.faults[kind] < WANTED]
    yield f"Faults that struck ({len(KINDS)} kinds; fewer than {WANTED} times: {', '.join(rare) or 'none'}):"
    yield ""
    yield "| " + "kind | times | " * COLUMNS
    yield "|" + "---|---:|" * COLUMNS
    for at in range(0, len(KINDS), COLUMNS):
        cells = [f"{kind} | {shift.faults[kind]}" for kind in KINDS[at : at + COLUMNS]]
        yield "| " + " | ".join(cells + [" | "] * (COLUMNS - len(cells))) + " |"
