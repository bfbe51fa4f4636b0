"""The generated parts of the README: ``python -m tests.readme`` renews them, ``--check`` fails when they are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.net.link import LinkMachine
from engine.orders.bracket_machine import BracketMachine
from engine.orders.diagram import diagram_of, mermaid, state_table
from engine.orders.machine import OrderMachine

README = Path(__file__).parents[1] / "README.md"

PARTS = {
    "order table": lambda: state_table(diagram_of(OrderMachine)),
    "order diagram": lambda: f"```mermaid\n{mermaid(diagram_of(OrderMachine))}```\n",
    "link diagram": lambda: f"```mermaid\n{mermaid(diagram_of(LinkMachine))}```\n",
    "bracket diagram": lambda: f"```mermaid\n{mermaid(diagram_of(BracketMachine))}```\n",
}


def renewed(text: str) -> str:
    """Return the README with every generated part fresh. Raises ValueError when a marker is missing."""
    for name, draw in PARTS.items():
        begin, end = f"<!-- {name}: made by just diagrams -->\n", f"<!-- end of {name} -->\n"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"README.md lacks the markers of the {name}")
        text = head + begin + "\n" + draw() + "\n" + end + tail
    return text


def main(arguments: list[str]) -> int:
    """Renew or check; the exit code tells whether it was fresh."""
    text = README.read_text(encoding="utf-8")
    fresh = renewed(text)
    if arguments == ["--check"]:
        print("README.md is fresh" if fresh == text else "README.md is stale: run just diagrams")
        return int(fresh != text)
    README.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
