"""A campaign of mutmut in a copy of the tree, and what became of each mutant."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).parents[2]
COPIED = ("engine", "tests", "config", "pyproject.toml", "README.md", "LICENSE", "justfile")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "mutants")

FATES = {0: "survived", 1: "killed", 3: "killed", 5: "untested", 33: "untested", 34: "skipped", 35: "suspicious"}
"""What mutmut's exit codes of a mutant mean; 24, 36, 152 and 255 are its time-outs, and count as noticed."""
TIMED_OUT = (-24, 24, 36, 152, 255)
NOTICED = ("killed", "timed out")


@dataclass(frozen=True)
class Mutant:
    """One changed place. ``change`` holds its removed and added lines, each with the sign in front."""

    name: str
    fate: str
    change: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The file's name without its ending, such as ``fills``."""
        return self.name.split(".")[2]

    @property
    def function(self) -> str:
        """The place as a reader would write it, such as ``fills.Fills.add``."""
        mangled = self.name.split(".", 3)[3].rsplit("__mutmut_", 1)[0]
        return f"{self.module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def run_in(place: Path, names: Sequence[str], jobs: int) -> list[Mutant]:
    """Copy the tree into ``place``, mutate and test there, and return every mutant that was tried.

    ``names`` are patterns of mutmut's (``engine.orders.fills*``); none: all. Raises CalledProcessError when mutmut
    itself fails, as it does when the tests are red without any mutant.
    """
    for name in COPIED:
        source = TREE / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, place / name)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *names]
    subprocess.run(command, cwd=place, check=True)
    return [_with_change(mutant, place) for mutant in _tried(place)]


def _tried(place: Path) -> Iterator[Mutant]:
    for meta in sorted((place / "mutants" / "engine" / "orders").glob("*.meta")):
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            if code is not None:
                yield Mutant(name, "timed out" if code in TIMED_OUT else FATES.get(code, f"exit code {code}"))


def _with_change(mutant: Mutant, place: Path) -> Mutant:
    if mutant.fate in NOTICED:
        return mutant
    command = [sys.executable, "-m", "mutmut", "show", mutant.name]
    shown = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout.splitlines()
    lines = [line for line in shown if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    return Mutant(mutant.name, mutant.fate, tuple(line[0] + line[1:].strip() for line in lines))


def share_noticed(mutants: Sequence[Mutant]) -> float:
    """Return the share of mutants that a test noticed, 0 to 1."""
    return sum(mutant.fate in NOTICED for mutant in mutants) / max(len(mutants), 1)


def by_module(mutants: Sequence[Mutant]) -> dict[str, Counter[str]]:
    """Count the fates in each file."""
    table: dict[str, Counter[str]] = {}
    for mutant in mutants:
        table.setdefault(mutant.module, Counter())[mutant.fate] += 1
    return table
