"""Every row of the field's list of gotchas (kraken-protocol §12) that a client can meet is played by a named test."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
ROWS = json.loads((TESTS / "fixtures/kraken/gotchas.json").read_text())["rows"]


def test_the_list_is_whole() -> None:
    """Each of the document's 43 rows stands here, with tests or with the reason why a client cannot meet it."""
    assert len(ROWS) == 43
    assert all(bool(row.get("tests")) != bool(row.get("not_met")) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["source"])
def test_every_gotcha_has_its_tests(row: dict[str, object]) -> None:
    """The tests that are named exist."""
    named = row.get("tests", [])
    assert isinstance(named, list)
    for name in named:
        path, _, function = name.partition("::")
        module = ast.parse((TESTS.parent / path).read_text(encoding="utf-8"))
        found = {one.name for one in ast.walk(module) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert function in found, name
