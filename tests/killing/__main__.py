"""``just kill-test N``, or ``python -m tests.killing N [--seed S]``: real processes, SIGKILL, and a judge."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from engine.errors import JournalError
from tests.killing.hunt import Hunt, hunt_in
from tests.killing.judge import PROTECTED_AGAIN_S, Judge, read_told


def kill_test(
    kills: int, seed: int, place: Path, protected_again_s: Decimal = PROTECTED_AGAIN_S
) -> tuple[Hunt, int, list[str]]:
    """Hunt and judge in an empty directory; print what was found; return hunt, number of orders and violations.

    ``protected_again_s`` is how long quantity may stand uncovered after a restart.
    """
    hunt, exchange, journal = hunt_in(place, kills, seed)
    orders, slowest_s = 0, "none stood uncovered"
    try:
        judge = Judge(hunt, read_told(journal), exchange.rest, protected_again_s)
        violations = judge.violations()
        orders = len(judge.orders)
        slowest_s = f"{judge.slowest_s:.1f} s at most" if judge.slowest_s else slowest_s
    except JournalError as error:
        violations = [*hunt.faults, str(error)]
    finally:
        exchange.close()
    _show(hunt, slowest_s)
    for line in violations:
        print(f"  VIOLATION: {line}")
    print(f"kills {hunt.kills}, orders {orders}, violations {len(violations)}")
    return hunt, orders, violations


def _show(hunt: Hunt, slowest_s: str) -> None:
    print("brackets at the kills, by state:")
    for state, count in hunt.states.most_common():
        print(f"  {state:12}{count:6}")
    print(f"orders without an answer at the kills: {hunt.doubtful}")
    print(f"signals: {len(hunt.signals)}; killed at rows: {' '.join(map(str, hunt.kill_rows))}")
    print(f"uncovered after a restart: {slowest_s}")


def main() -> int:
    """Hunt in a temporary directory; it stays when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.killing", description="SIGKILL at drawn rows, then a judge.")
    parser.add_argument("kills", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=None, help="of the market, the signals and the rows of the kills")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed} (real processes: equal seeds give like hunts, not equal ones)")
    place = Path(tempfile.mkdtemp(prefix="killing-"))
    _, _, violations = kill_test(options.kills, seed, place)
    if violations:
        print(f"everything lies in {place}", file=sys.stderr)
    else:
        shutil.rmtree(place)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
