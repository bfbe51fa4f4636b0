"""The kept seeds: each once broke a rule, and must never do so again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.chaos.corpus import keep_seed, read_corpus
from engine.chaos.run import run_seed
from engine.errors import ConfigError

CORPUS = Path(__file__).parent / "corpus" / "seeds.txt"


@pytest.mark.parametrize(("weather", "seed"), read_corpus(CORPUS))
def test_kept_seed_breaks_nothing(weather: str, seed: int):
    """Every rule holds."""
    result = run_seed(seed, weather)
    assert not result.failed, "\n".join((str(result.violations[0].text), *result.violations[0].tail))


def test_a_seed_is_kept_once(tmp_path: Path):
    """What is there already is not added again."""
    path = tmp_path / "seeds.txt"
    keep_seed(path, "mixed", 7, "nonces_rise")
    keep_seed(path, "mixed", 7, "nonces_rise")
    keep_seed(path, "storm", 7, "nonces_rise")
    assert read_corpus(path) == [("mixed", 7), ("storm", 7)]


@pytest.mark.parametrize("line", ["mixed", "fog 3", "mixed three", "mixed 1 2"])
def test_a_line_that_is_no_seed_is_named(tmp_path: Path, line: str):
    """The number of the line stands in the complaint."""
    path = tmp_path / "seeds.txt"
    path.write_text(f"# kept\n{line}\n")
    with pytest.raises(ConfigError, match="line 2"):
        read_corpus(path)
