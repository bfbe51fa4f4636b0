"""The trial kept for each planted bug, and the rule that breaks in it: ``kept.toml``, a table of its own for each."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.planted.trial import Death, Seed, Story, Trial

KEPT = Path(__file__).parent / "kept.toml"
_HEAD = """\
# What finds each planted bug, tried on every commit (test_planted.py). Seeds rot where code changes:
# `just planted --renew` looks for another one where the kept one finds its bug no more, and for those of `unfound`.
"""
_UNFOUND = "unfound"


class Kept(NamedTuple):
    """A trial and the rule that breaks first in it."""

    trial: Trial
    invariant: str


def read_kept(path: Path = KEPT) -> dict[str, Kept]:
    """Read the file, by the name of the bug. Raises ValueError for a table that names no trial."""
    tables = _read(path)
    return {name: Kept(_trial(name, table), table["invariant"]) for name, table in tables.items() if name != _UNFOUND}


def read_unfound(path: Path = KEPT) -> list[str]:
    """Read the names of the bugs for which nothing is kept: each a hole in what judges."""
    return list(_read(path).get(_UNFOUND, ()))


def write_kept(kept: Mapping[str, Kept], unfound: Iterable[str] = (), path: Path = KEPT) -> None:
    """Write the file anew, in the order of the names."""
    parts = [_HEAD, f"{_UNFOUND} = [\n", *(f"    {json.dumps(name)},\n" for name in sorted(unfound)), "]\n"]
    for name, (trial, invariant) in sorted(kept.items()):
        members = {**_members(trial), "invariant": invariant}
        parts.append(f"\n[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in members.items()))
    path.write_text("".join(parts), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _members(trial: Trial) -> dict[str, Any]:
    match trial:
        case Seed(weather, seed):
            return {"weather": weather, "seed": seed}
        case Death(scenario, point, power_loss, again):
            return {"scenario": scenario, "point": point, "power_loss": power_loss, "again": again}
        case Story(node):
            return {"story": node}
        case _:
            raise ValueError(f"no trial that can be kept: {trial!r}")


def _trial(name: str, table: dict[str, Any]) -> Trial:
    match table:
        case {"weather": str(weather), "seed": int(seed)}:
            return Seed(weather, seed)
        case {"scenario": str(scenario), "point": int(point)}:
            return Death(scenario, point, bool(table.get("power_loss")), int(table.get("again", 0)))
        case {"story": str(node)}:
            return Story(node)
        case _:
            raise ValueError(f"{name}: neither a seed, nor a death, nor a story: {table}")
