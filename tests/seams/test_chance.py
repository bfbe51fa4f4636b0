"""Named streams of chance."""

from __future__ import annotations

from engine.seams.chance import SeededChance, SystemChance


def test_seed_and_name_decide() -> None:
    """The same seed and name give the same draws; another of either gives others."""
    draws = {
        (seed, tag): SeededChance(seed).stream(tag).random() for seed in (1, 2) for tag in ("wire", "market", "ids")
    }
    assert len(set(draws.values())) == len(draws)
    assert SeededChance(1).stream("wire").random() == draws[1, "wire"]


def test_system_chance_repeats_nothing() -> None:
    """Two streams of one name are strangers."""
    chance = SystemChance()
    assert chance.stream("ids").getrandbits(64) != chance.stream("ids").getrandbits(64)
