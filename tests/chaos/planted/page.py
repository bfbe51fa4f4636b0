"""What a hunt has come to, as a page that the README may quote."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from engine.chaos.revision import revision
from tests.chaos.planted.hunt import Hunted
from tests.chaos.planting import named


def written(hunted: Sequence[Hunted], first: int, most: int, weathers: str) -> str:
    """Write the page (Markdown): the sum, and a row for each bug."""
    found = [one for one in hunted if one.kept is not None]
    middle = f"{median(one.tried for one in found):g}" if found else "-"
    rows = [_row(one) for one in sorted(hunted, key=lambda one: one.name)]
    return "\n".join(
        [
            "# The planted bugs, found from fresh seeds",
            "",
            f"**{len(found)} of {len(hunted)} found**, the median after **{middle} runs**.",
            f"From seed {first} on, at most {most} seeds, each under {weathers.replace(',', ', ')}.",
            f"Revision `{revision()}`, {sum(one.cpu_s for one in hunted):.0f} s of processor time.",
            "Every seed that shows one holds every rule in the sound engine. Written by `just planted`.",
            "",
            "| planted bug | its mistake | runs | found in | rule that broke |",
            "|---|---|---:|---|---|",
            *rows,
            "",
        ]
    )


def _row(one: Hunted) -> str:
    place, rule = (one.kept.trial.told, f"`{one.kept.invariant}`") if one.kept is not None else ("not found", "")
    return f"| {one.name} | {named(one.name).mistake} | {one.tried} | {place} | {rule} |"
