"""``just bench``, or ``python -m tests.bench [--json] [--only PART]`` from the checkout."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import trio

from tests.bench import (
    api,
    books,
    checks,
    closing,
    exchange,
    latency,
    memory,
    metrics,
    money,
    recovery,
    start,
    success,
    updates,
    viewers,
    year,
)
from tests.bench.figures import Section, show
from tests.bench.rig import quiet

PARTS = {
    "success": success.measure,
    "recovery": recovery.measure,
    "start": start.measure,
    "latency": latency.measure,
    "updates": updates.measure,
    "memory": memory.measure,
    "books": books.measure,
    "checks": checks.measure,
    "closing": closing.measure,
    "exchange": exchange.measure,
    "money": money.measure,
    "metrics": metrics.measure,
    "api": api.measure,
    "viewers": viewers.measure,
    "year": year.measure,
}
"""Each runs in a process of its own, so that none measures the garbage of another."""


def measure_here(part: str) -> list[Section]:
    """Measure one part in this process, with its journals in a temporary directory."""
    quiet()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        return trio.run(PARTS[part], Path(directory))


async def measure_apart(part: str) -> list[Section] | None:
    """Measure one part in a process of its own; None when it failed, and has said why on standard error."""
    command = [sys.executable, "-m", "tests.bench", "--json", "--only", part]
    done = await trio.run_process(command, capture_stdout=True, check=False)
    if done.returncode != 0:
        return None
    return msgspec.convert(msgspec.json.decode(done.stdout)["sections"], list[Section])


def measure_all() -> tuple[list[Section], list[str]]:
    """Measure every part; return what was found and the parts that failed."""
    sections: list[Section] = []
    failed: list[str] = []
    for part in PARTS:
        sys.stderr.write(f"measuring {part} …\n")
        found = trio.run(measure_apart, part)
        if found is None:
            failed.append(part)
        else:
            sections += found
    return sections, failed


def main() -> int:
    """Measure and print; 1 when a part failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The engine beside its floor.")
    parser.add_argument("--json", action="store_true", help="print one JSON object, times in seconds")
    parser.add_argument("--only", choices=PARTS, help="measure this part alone, in this very process")
    options = parser.parse_args()
    started_s = time.perf_counter()
    sections, failed = (measure_here(options.only), []) if options.only else measure_all()
    took_s = time.perf_counter() - started_s
    journals = tempfile.gettempdir()
    if options.json:
        body = {"sections": sections, "failed": failed, "journals": journals, "took_s": round(took_s, 1)}
        sys.stdout.buffer.write(msgspec.json.encode(body) + b"\n")
    else:
        show(sections)
        print(f"Journals lay in {journals}. The run took {took_s:.0f} s.")
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
