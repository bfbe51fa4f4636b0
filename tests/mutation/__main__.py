"""``just mutants``, or ``python -m tests.mutation [PATTERN …]``: change engine/orders, count what a test notices."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.campaign import Mutant, by_module, run_in, share_noticed
from tests.mutation.survivors import SURVIVORS, unexplained

LEAST_NOTICED = 0.90


def main() -> int:
    """Run the campaign. Exit code 1 when too little is noticed or a survivor is not explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Mutation testing of engine/orders.")
    parser.add_argument("patterns", nargs="*", help="mutants by name, such as 'engine.orders.fills*'; none: all")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutation-") as place:
        mutants = run_in(Path(place), options.patterns, options.jobs)
    return report(mutants, SURVIVORS.read_text())


def report(mutants: Sequence[Mutant], explained: str) -> int:
    """Print what became of the mutants, by file, and each survivor that ``explained`` does not; the exit code."""
    print("\nfile              tried  noticed")
    for module, fates in sorted(by_module(mutants).items()):
        tried, noticed = fates.total(), fates["killed"] + fates["timed out"]
        print(f"{module:16} {tried:6} {noticed / tried:7.1%}")
    share, strangers = share_noticed(mutants), unexplained(mutants, explained)
    for mutant in strangers:
        print(f"\n{mutant.function} ({mutant.fate}: {mutant.name})", *mutant.change, sep="\n  ")
    left = sum(mutant.fate not in ("killed", "timed out") for mutant in mutants)
    print(f"\nmutants {len(mutants)}, noticed {share:.1%}, left {left}, not explained {len(strangers)}")
    return 0 if share >= LEAST_NOTICED and not strangers else 1


if __name__ == "__main__":
    sys.exit(main())
