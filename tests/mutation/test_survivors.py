"""The campaign's own bookkeeping: what counts as noticed, what as explained, and when the night is red."""

from __future__ import annotations

import pytest

from tests.mutation.__main__ import report
from tests.mutation.campaign import Mutant, by_module, share_noticed
from tests.mutation.survivors import SURVIVORS, unexplained

TEXT = """# Mutants that survive

## `fills.Fills.add` (all)

Equivalent.

## `specs.stop_order`

- `+tick = None` the venue rounds
- `-case _:` nothing is done either way
"""


def mutant(name: str, fate: str = "survived", *change: str) -> Mutant:
    return Mutant(f"engine.orders.{name}", fate, change)


ADD = mutant("fills.xǁFillsǁadd__mutmut_3", "survived", "-a = 1", "+a = 2")
TICK = mutant("specs.x_stop_order__mutmut_1", "survived", "-tick = 1", "+tick = None")
SIDE = mutant("specs.x_stop_order__mutmut_2", "survived", "-side = 1", "+side = None")
KILLED = mutant("fills.xǁFillsǁadd__mutmut_4", "killed")


@pytest.mark.parametrize(
    ("name", "function", "module"),
    [("fills.xǁFillsǁadd__mutmut_3", "fills.Fills.add", "fills"),
     ("fills.xǁFillsǁ__init____mutmut_12", "fills.Fills.__init__", "fills"),
     ("specs.x__trailing_stop__mutmut_1", "specs._trailing_stop", "specs"),
     ("claims.x_claim__mutmut_10", "claims.claim", "claims")],
)  # fmt: skip
def test_mutant_is_named_as_a_reader_writes_its_place(name: str, function: str, module: str) -> None:
    """The tool's mangled names stay in the tool."""
    assert (mutant(name).function, mutant(name).module) == (function, module)


def test_function_is_explained_whole_or_line_by_line() -> None:
    """A line explains only in its own function; a removed line explains nothing."""
    elsewhere = mutant("claims.x_claim__mutmut_1", "survived", "+tick = None")
    removed = mutant("specs.x_stop_order__mutmut_3", "survived", "-tick = None")
    assert unexplained([ADD, TICK, SIDE, elsewhere, removed, KILLED], TEXT) == [SIDE, elsewhere, removed]


def test_mutant_that_adds_nothing_is_explained_by_what_it_removes() -> None:
    """Where it adds a line, that alone tells it from the others of the place."""
    gone = mutant("specs.x_stop_order__mutmut_4", "survived", "-case _:", "-pass")
    changed = mutant("specs.x_stop_order__mutmut_5", "survived", "-case _:", "+case None:")
    assert unexplained([gone, changed], TEXT) == [changed]


@pytest.mark.parametrize("fate", ["survived", "untested", "skipped", "suspicious", "exit code 9"])
def test_whatever_was_not_noticed_needs_a_reason(fate: str) -> None:
    """A mutant that no test reaches, or that ended strangely, is no success."""
    assert unexplained([mutant("specs.x_stop_order__mutmut_2", fate, "+side = None")], TEXT) != []


@pytest.mark.parametrize("fate", ["killed", "timed out"])
def test_what_was_noticed_needs_none(fate: str) -> None:
    """Red tests and tests that never end are both a notice."""
    assert unexplained([mutant("specs.x_stop_order__mutmut_2", fate)], TEXT) == []


def test_share_and_fates_by_file() -> None:
    """Of nothing tried nothing was noticed."""
    late = mutant("specs.x_stop_order__mutmut_9", "timed out")
    assert share_noticed([ADD, KILLED, late, TICK]) == 0.5
    assert share_noticed([]) == 0
    assert by_module([ADD, KILLED, late]) == {"fills": {"survived": 1, "killed": 1}, "specs": {"timed out": 1}}


def test_night_is_green_when_enough_is_noticed_and_the_rest_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Nine of ten, and no stranger."""
    assert report([KILLED] * 9 + [ADD], TEXT) == 0
    told = capsys.readouterr().out
    assert "fills                10   90.0%" in told
    assert "mutants 10, noticed 90.0%, left 1, not explained 0" in told


def test_night_is_red_when_too_little_is_noticed() -> None:
    """Explained or not."""
    assert report([KILLED] * 8 + [ADD], TEXT) == 1


def test_night_is_red_for_a_single_stranger(capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown with its change, its fate and its name."""
    assert report([KILLED] * 99 + [SIDE], TEXT) == 1
    told = capsys.readouterr().out
    assert (
        "specs.stop_order (survived: engine.orders.specs.x_stop_order__mutmut_2)\n  -side = 1\n  +side = None" in told
    )


def test_every_reason_in_the_file_is_of_a_line_or_a_function_that_is_read() -> None:
    """A heading without a reason beneath it explains nothing, and a line without a reason is no explanation."""
    text = SURVIVORS.read_text()
    for part in text.split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if line.startswith(("- `+", "- `-"))]
        assert heading.startswith("`"), heading
        assert body.strip(), heading
        assert heading.endswith("(all)") or lines, heading
        assert all(line.split("`", 2)[2].strip() for line in lines), heading
