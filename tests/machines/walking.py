"""Which edges of the machines a test run walks: a pytest plugin that watches, and the list of what was left out.

``python -m tests.machines.walking`` runs the scenarios and some seeds of bad weather with it (``just edges``). The pure
tests of the machines do not count: they walk every edge by name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.machines.definitions import ALGORITHMS, DEFINITIONS, Edge

PLACE = "WALKED_EDGES"
WALKS = ("tests/scenarios", "tests/chaos", "tests/kraken", "tests/algos")

_walked: dict[str, set[Edge]] = {definition.name: set() for definition in DEFINITIONS}


def _watch_table(module: Any, name: str) -> None:
    """Note what a caller of ``fire(rows, state, event, …)`` walks."""
    fire = module.fire

    def watched(rows: Any, state: str, event: str, **flags: bool) -> str:
        target = str(fire(rows, state, event, **flags))
        _walked[name].add((state, event, target))
        return target

    module.fire = watched


def _watch_machine(machine: Any, name: str) -> None:
    """Note what the library's own machine walks."""
    send: Callable[..., Any] = machine.send

    def watched(self: Any, event: str, *args: Any, **flags: Any) -> Any:
        before = str(self.model.state)
        result = send(self, event, *args, **flags)
        _walked[name].add((before, event, str(self.model.state)))
        return result

    machine.send = watched


def pytest_configure() -> None:
    """Begin to watch, in every worker."""
    if PLACE not in os.environ:
        return
    from engine.net.link import LinkMachine
    from engine.orders import bracket_course, order_record
    from engine.risk import trading_state
    from engine.risk.breaker import BreakerMachine

    for module, name in ((order_record, "order"), (bracket_course, "bracket"), (trading_state, "trading")):
        _watch_table(module, name)
    algorithms = [(one.machine, one.name) for one in DEFINITIONS if one.machine in ALGORITHMS]
    for machine, name in ((LinkMachine, "link"), (BreakerMachine, "breaker"), *algorithms):
        _watch_machine(machine, name)


def pytest_unconfigure() -> None:
    """Write down what this worker has walked."""
    if PLACE in os.environ:
        told = {name: sorted(edges) for name, edges in _walked.items()}
        Path(os.environ[PLACE], f"{os.getpid()}.json").write_text(json.dumps(told))


def left_out(place: Path) -> dict[str, list[Edge]]:
    """Return, machine by machine, the edges that no worker walked."""
    told = [json.loads(file.read_text()) for file in place.glob("*.json")]
    walked = {d.name: {tuple(edge) for one in told for edge in one[d.name]} for d in DEFINITIONS}
    return {d.name: sorted(d.edges() - walked[d.name]) for d in DEFINITIONS}


def main() -> int:
    """Walk, then list what is left; 1 when the run failed."""
    with tempfile.TemporaryDirectory() as place:
        walks = [walk for walk in WALKS if Path(walk).exists()]
        command = [sys.executable, "-m", "pytest", "-p", "tests.machines.walking", "-n", "2", *walks, *sys.argv[1:]]
        ended = subprocess.run(command, env={**os.environ, PLACE: place}, check=False)
        missing = left_out(Path(place))
    for definition in DEFINITIONS:
        edges, left = definition.edges(), missing[definition.name]
        print(f"{definition.name}: {len(edges) - len(left)} of {len(edges)} edges walked")
        for state, event, target in left:
            print(f"  not walked: {state} --{event}--> {target}")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
