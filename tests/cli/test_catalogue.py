"""The catalogue of codes holds everything the engine says, and nothing that it does not."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import engine
from engine.cli.app import main
from engine.cli.catalogue import CATALOGUE, KINDS, find, nearest
from engine.cli.catalogue.venue import ADVICE
from engine.cli.exits import Exit
from engine.kraken.errors import RULES
from engine.orders.steps import SHRUNK
from engine.runtime.alarm_codes import CODES

ROOM = Path(engine.__file__).parent
LOOKS_LIKE_A_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[A-Z]{4,}")
ELSEWHERE = ("sim", "chaos", "testing.py")
"""The exchange says Kraken's texts, the chaos room judges; neither says a code to anybody."""
NO_CODES = {
    *("ACTIVE", "HALTED", "REDUCING"),  # states of trading
    *("ALARM", "DAILY", "STRATEGY", "LOSS", "REALIZED_LOSS"),  # parts that codes and lines are put together from
    *("HEAD", "POST", "REST", "WARN", "FAIL", "DENIED"),  # methods, a way, marks of lines
    *("FULL", "NORMAL", "DOGE", "CLOCK_BOOTTIME"),  # SQLite's words, an asset, a clock
    *("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "SIGHUP", "PYTHONPATH"),
    *("ENGINE_API_KEY", "ENGINE_API_SECRET", "ENGINE_VENUE"),  # the environment
}
PUT_TOGETHER = {"MARKET_*", "HTTP_*"}
"""Codes that end in a mode or a status that is not ours."""


def _words(path: Path) -> set[str]:
    """Whole string constants that look like a code; docstrings never do."""
    found = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    return {one for one in found if isinstance(one, str) and LOOKS_LIKE_A_CODE.fullmatch(one)}


def _sources() -> list[Path]:
    rooms = [path for path in ROOM.rglob("*.py") if path.relative_to(ROOM).parts[0] not in ELSEWHERE]
    return [path for path in rooms if "catalogue" not in path.parts]


USED = {path: _words(path) for path in _sources()}
KNOWN = {one.code for one in CATALOGUE}


def test_every_code_that_the_engine_says_is_in_the_catalogue() -> None:
    missing = {
        word: path.relative_to(ROOM).as_posix() for path, words in USED.items() for word in words - KNOWN - NO_CODES
    }
    assert missing == {}, "write them into engine/cli/catalogue (or, if they are no codes, into NO_CODES)"


def test_no_entry_of_the_catalogue_is_orphaned() -> None:
    """What nobody says any more is not explained any more."""
    said: set[str] = set().union(*USED.values()) | {"UNLISTED"}
    asked = {one.code for one in CATALOGUE if one.kind not in ("exit", "alarm")}
    assert asked - said - PUT_TOGETHER == set()


def test_no_word_is_excused_that_nobody_says() -> None:
    assert set().union(*USED.values()) >= NO_CODES


def test_a_code_stands_once_under_each_kind_and_every_member_is_told() -> None:
    assert [one for one, times in Counter((e.kind, e.code) for e in CATALOGUE).items() if times > 1] == []
    assert {one.kind for one in CATALOGUE} == set(KINDS)
    for one in CATALOGUE:
        assert one.category, one
        assert one.meaning, one
        assert one.what_to_do, one


def test_tables_of_other_rooms_are_told_whole() -> None:
    """Alarms, Kraken's rules and exit codes come from where they are used."""
    by_kind = {kind: {one.code for one in CATALOGUE if one.kind == kind} for kind in KINDS}
    assert by_kind["alarm"] == set(CODES)
    assert by_kind["venue"] - {SHRUNK} == {rule.code for rule in RULES} == set(ADVICE)
    assert {str(int(code)) for code in Exit} <= by_kind["exit"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("price_collar", {"denial"}),
        ("EOrder:Insufficient funds", {"venue"}),
        ("EOrder:Insufficient funds:with a detail", {"venue"}),
        ("HTTP_502", {"doubt"}),
        ("MARGIN_MISMATCH", {"denial", "alarm"}),
        ("5", {"exit"}),
        ("NOBODY_SAYS_SO", set()),
    ],
)
def test_a_code_is_found_by_any_spelling_under_every_kind(text: str, kinds: set[str]) -> None:
    assert {one.kind for one in find(text)} == kinds


def _said_to(method: str, of: str = "") -> set[str]:
    """Return the codes that calls of a method (of something whose name ends so) name first."""
    found: set[str] = set()
    for path in _sources():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
                if not ast.unparse(node.func.value).endswith(of):
                    continue
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
                elif isinstance(first, ast.Name) and first.id.isupper():
                    found.add(first.id)  # a constant is named as it reads
    return {one for one in found if LOOKS_LIKE_A_CODE.fullmatch(one)}


def test_halts_and_holds_are_those_that_the_engine_sets() -> None:
    """What halts is released by resume; what only keeps entries back is not told as a halt."""
    asked_for = {"HALT_CHECK", "HALT_CHECK_FAILED"}
    losses = {one.code for one in CATALOGUE if one.kind == "halt" and one.code.endswith(("LOSS", "DRAWDOWN"))}
    assert {one.code for one in CATALOGUE if one.kind == "halt"} == _said_to("halt") | asked_for | losses
    assert {one.code for one in CATALOGUE if one.kind == "hold"} == _said_to("close", "gate") | {"FOREIGN_NONCE"}


def test_a_misspelt_code_names_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    assert "PRICE_COLLAR" in nearest("PRICE_COLAR")
    assert main(["errors", "PRICE_COLAR"]) == Exit.USAGE
    assert "did you mean PRICE_COLLAR" in capsys.readouterr().err


def test_no_order_of_a_doubtful_answer_is_called_refused() -> None:
    """What proves nothing is never told as a no."""
    doubtful = {rule.code for rule in RULES if not rule.refuses}
    for one in CATALOGUE:
        if one.kind == "venue" and one.code in doubtful:
            assert one.category == "doubt", one
