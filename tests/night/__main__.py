"""``just night 8``, or ``python -m tests.night --hours 8 [--jobs N] [--first SEED]``: search until time is over."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.night.activities import Deaths, Mutants, Seeds
from tests.night.shift import Shift
from tests.night.summary import written

CORPUS = Path(__file__).parents[1] / "chaos" / "corpus" / "seeds.txt"
SUMMARY = Path(__file__).parents[1] / "chaos" / "night.md"
SHARES = {"mixed": 0.30, "squall": 0.20, "storm": 0.12, "lag": 0.08, "calm": 0.05}
"""Of the time, by weather."""
DEATHS, MUTANTS = 0.15, 0.10


def main() -> int:
    """Work through the night. Exit code 1 when a rule broke or a mutant went by without an explanation."""
    parser = argparse.ArgumentParser(prog="python -m tests.night", description="Search for so many hours.")
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--first", type=int, default=1, help="the first seed of every weather")
    parser.add_argument("--summary", type=Path, default=SUMMARY)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    options = parser.parse_args()
    shift = Shift(options.hours * 3600, options.jobs, options.corpus)
    for weather, share in SHARES.items():
        shift.add(Seeds(weather, options.first), share)
    shift.add(Deaths(), DEATHS)
    shift.add(Mutants(), MUTANTS)
    shift.work()
    text = written(shift)
    options.summary.write_text(text)
    print(f"\n{text}\nwritten to {options.summary}")
    return 1 if shift.failed or shift.mutants_missed else 0


if __name__ == "__main__":
    sys.exit(main())
