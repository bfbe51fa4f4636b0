"""``just fuzz N``, or ``python -m tests.fuzz {client,exchange} [--cases N] [--seed S]``: malformed input, counted."""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import sys
import time

PARTS = ("client", "exchange")
STUCK_S = 120.0
"""Nothing is said for so long only when something hangs: then the stack is printed and the process ends."""
STEP = 1_000


def main() -> int:
    """Try the cases of one part in steps; 1 at the first that does what none may do."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Malformed frames and bodies.")
    parser.add_argument("part", choices=PARTS, help="our client's decoders, or the simulated exchange")
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same cases")
    options = parser.parse_args()
    run = importlib.import_module(f"tests.fuzz.{options.part}").run
    began = time.perf_counter()
    total: dict[str, int] = {}
    for number, at in enumerate(range(0, options.cases, STEP)):
        faulthandler.dump_traceback_later(STUCK_S, exit=True)
        try:
            found = run(min(STEP, options.cases - at), options.seed * 1_000_003 + number)
        except AssertionError as failure:
            print(f"{options.part}: FAILED at step {number}: {failure}")
            return 1
        faulthandler.cancel_dump_traceback_later()
        for how, count in found.items():
            total[how] = total.get(how, 0) + count
    for how, count in sorted(total.items()):
        print(f"{count:8,}  {how}")
    took_s = time.perf_counter() - began
    print(f"{options.part}: {sum(total.values()):,} cases, seed {options.seed}, {took_s:.0f} s: no crash, no hang")
    return 0


if __name__ == "__main__":
    sys.exit(main())
