"""Each planted bug is found by the trial that is kept for it: `just planted --renew` finds others where seeds rot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.planted.child import ChildFault, outcomes, preload
from tests.chaos.planted.hunt import SOUND, Hunted, Quarry, hunt, seeds, shown
from tests.chaos.planted.kept import Kept, read_kept, read_unfound, write_kept
from tests.chaos.planted.page import written
from tests.chaos.planted.trial import Death, Seed, Story
from tests.chaos.planting import named, patched, patches

KEPT = read_kept()
NAMES = [patch.name for patch in patches()]
LEAST = 30
LIFE = "def test_{}():\n    assert {}\n"


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    """Every child finds them loaded."""
    preload()


def test_something_is_kept_for_every_planted_bug_but_those_told_as_unfound():
    """And for none that is gone."""
    assert sorted((*KEPT, *read_unfound())) == NAMES
    assert len(KEPT) >= LEAST


@pytest.mark.parametrize("name", sorted(KEPT))
def test_planted_bug_breaks_the_rule_it_is_kept_with(name: str):
    """On an engine with this one bug in it."""
    trial, invariant = KEPT[name]
    broken = shown(patched(named(name)), trial).broken
    assert broken is not None, f"{trial.told} shows it no more: just planted --renew {name}"
    assert broken.invariant == invariant, broken.text


def test_sound_engine_in_a_child_breaks_nothing():
    """What is found lies in the patch, not in the fork."""
    tried = list(outcomes(SOUND, (Seed("mixed", 5), Death("target", 30), Seed("calm", 1))))
    assert [one.broken for one in tried] == [None, None, None]
    assert all(one.cpu_s > 0 for one in tried)


def test_child_whose_engine_does_not_load_is_a_fault():
    """It is no find."""
    with pytest.raises(ChildFault, match="SyntaxError"):
        shown({"engine/orders/order.py": "class"}, Seed("calm", 1))


def test_child_changes_nothing_here():
    """The engine of this process stays as it is."""
    from engine.kraken import nonce

    texts = patched(named("nonce_reused_after_restart"))
    shown(texts, Seed("calm", 1))
    assert nonce.Nonces(nonce.MemoryNonceStore(10**18)).draw(0) == 10**18 + 1


def test_what_the_sound_engine_breaks_too_is_no_find(tmp_path: Path):
    """It is told apart, and the hunt goes on."""
    for name, holds in (("fails", False), ("passes", True)):
        (tmp_path / f"test_{name}.py").write_text(LIFE.format(name, holds))
    trials = (Story(str(tmp_path / "test_fails.py")), Story(str(tmp_path / "test_passes.py")))
    hunted = hunt(Quarry(NAMES[0], trials))
    assert (hunted.tried, hunted.kept) == (2, None)
    assert hunted.false == (f"{trials[0].told}: story",)


def test_what_is_kept_is_read_as_it_was_written(tmp_path: Path):
    """Seeds, deaths and stories."""
    kept = {
        "one": Kept(Seed("storm", 7), "nonces_rise"),
        "three": Kept(Story("tests/scenarios/test_halt.py::test_x[a-1]"), "story"),
        "two": Kept(Death("target", 3, True, 5), "exits_within_position"),
    }
    write_kept(kept, ["zero"], tmp_path / "kept.toml")
    assert read_kept(tmp_path / "kept.toml") == kept
    assert read_unfound(tmp_path / "kept.toml") == ["zero"]


def test_page_tells_the_median_over_what_was_found():
    """And what was not."""
    hunted = [
        Hunted(NAMES[0], 3, 1.0, Kept(Seed("mixed", 3), "nonces_rise")),
        Hunted(NAMES[1], 9, 1.0, Kept(Seed("storm", 2), "limits_hold")),
        Hunted(NAMES[2], 800, 1.0),
    ]
    page = written(hunted, 1, 400, "mixed,storm")
    assert "**2 of 3 found**, the median after **6 runs**" in page
    assert f"| {NAMES[2]} | {named(NAMES[2]).mistake} | 800 | not found |  |" in page


def test_each_seed_is_tried_under_one_weather_after_the_other():
    """So that a bug which shows in one of them only is not looked for in vain for long."""
    assert [one.told for one in seeds(5, 2, ("mixed", "storm"))] == ["mixed 5", "storm 5", "mixed 6", "storm 6"]
