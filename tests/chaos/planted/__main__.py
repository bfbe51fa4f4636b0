"""``just planted [NAME …]``: find each planted bug from fresh seeds. ``--renew`` looks only for those that are lost."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import SystemRandom

from tests.chaos.planted.hunt import SOUND, Hunted, Quarry, begin, hunt_all, seeds, shown
from tests.chaos.planted.kept import Kept, read_kept, write_kept
from tests.chaos.planted.page import written
from tests.chaos.planting import named, patched, patches

FOUND = Path(__file__).parent / "found.md"
WEATHERS = ("squall", "mixed", "storm", "calm", "lag")
HIGHEST = 10**6


def main() -> int:
    """Hunt. Exit code 1 when a bug was not found, or a seed broke a rule in the sound engine."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.planted", description="Find the planted bugs.")
    parser.add_argument("names", nargs="*", help="of the bugs; none: all")
    parser.add_argument("--first", type=int, help="the first seed; drawn when not given")
    parser.add_argument("--most", type=int, default=400, help="seeds tried for each bug under each weather")
    parser.add_argument("--weathers", default=",".join(WEATHERS), help="each seed is tried under one after the other")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--renew", action="store_true", help="only those whose kept trial shows them no more")
    parser.add_argument("--keep", action="store_true", help="keep what is found, instead of what was kept before")
    options = parser.parse_args()
    first = options.first or SystemRandom().randint(1, HIGHEST)
    names = options.names or [patch.name for patch in patches()]
    if options.renew:
        names = lost(names)
    trials = seeds(first, options.most, options.weathers.split(","))
    hunted = []
    for one in hunt_all([Quarry(name, trials) for name in names], min(options.jobs, max(1, len(names)))):
        print(told(one), flush=True)
        hunted.append(one)
    if options.renew or options.keep:
        keep(hunted)
    if not options.renew and not options.names:
        FOUND.write_text(written(hunted, first, options.most, options.weathers), encoding="utf-8")
        print(f"written to {FOUND}")
    return int(any(one.kept is None or one.false for one in hunted))


def lost(names: list[str]) -> list[str]:
    """Return those whose kept trial shows them no more, or breaks a rule of the sound engine. Tells of each."""
    begin()
    kept, found = read_kept(), []
    for name in names:
        known = kept.get(name)
        broken = shown(patched(named(name)), known.trial).broken if known is not None else None
        if known is None or broken is None or broken.invariant != known.invariant or shown(SOUND, known.trial).broken:
            print(f"{name}: {'nothing kept' if known is None else f'lost in {known.trial.told}'}", flush=True)
            found.append(name)
    return found


def keep(hunted: list[Hunted]) -> None:
    """Keep what was found in the place of what was kept before."""
    fresh: dict[str, Kept] = {one.name: one.kept for one in hunted if one.kept is not None}
    there = {patch.name for patch in patches()}
    kept = {name: kept for name, kept in (read_kept() | fresh).items() if name in there}
    write_kept(kept, there - kept.keys())


def told(one: Hunted) -> str:
    """Say in a line what came of a hunt, and in further ones where the sound engine broke a rule."""
    found = f"{one.kept.trial.told}: {one.kept.invariant}" if one.kept is not None else "NOT FOUND"
    return "\n".join((f"{one.name:34} {one.tried:4}  {found}", *(f"  THE SOUND ENGINE, TOO: {x}" for x in one.false)))


if __name__ == "__main__":
    sys.exit(main())
