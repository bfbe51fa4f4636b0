"""The machines' pictures that the dashboard ships: ``python -m tests.browser.diagrams`` renews them with Graphviz.

Each names the text it was drawn from, so that a stale one is found without Graphviz, whatever its version draws.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from statemachine import StateMachine

from engine.orders.bracket_machine import BracketMachine
from engine.orders.diagram import diagram_of, dot
from engine.orders.machine import OrderMachine

PICTURES = Path(__file__).parents[2] / "engine" / "control" / "pages" / "machines"
MACHINES: dict[str, type[StateMachine]] = {"order": OrderMachine, "bracket": BracketMachine}


def source(name: str) -> str:
    """Return what a machine's picture is drawn from."""
    return dot(diagram_of(MACHINES[name]), bare=True)


def digest(name: str) -> str:
    """Return what a fresh picture says of its source."""
    return hashlib.sha256(source(name).encode()).hexdigest()


def picture(name: str) -> str:
    """Draw a machine: the SVG element alone, without measures in points and without the drawer's comments."""
    drawn = subprocess.run(["dot", "-Tsvg"], input=source(name).encode(), capture_output=True, check=True)
    svg = re.sub(r"<!--.*?-->\s*", "", drawn.stdout.decode(), flags=re.DOTALL)
    svg = svg[svg.index("<svg") :]
    return re.sub(r'<svg width="[^"]*" height="[^"]*"', f'<svg data-source="{digest(name)}"', svg, count=1)


def main() -> int:
    """Renew every picture."""
    for name in MACHINES:
        (PICTURES / f"{name}.svg").write_text(picture(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
