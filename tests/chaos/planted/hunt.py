"""The hunt: seeds of the world, one after the other, on an engine with a bug planted in it, until a rule breaks."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from tests.chaos.planted.child import Outcome, outcomes, preload
from tests.chaos.planted.kept import Kept
from tests.chaos.planted.trial import Seed, Trial
from tests.chaos.planting import named, patched

SOUND: Mapping[str, str] = {}
"""The texts of no file: an engine without any planted bug."""


class Quarry(NamedTuple):
    """A bug to look for, and where, in this order."""

    name: str
    trials: tuple[Trial, ...]


class Hunted(NamedTuple):
    """What came of it. ``tried`` trials up to the one that shows the bug, or all; ``kept`` None where none does.

    ``false`` are trials that break a rule in the sound engine, too: they show no planted bug, but one of the engine.
    """

    name: str
    tried: int
    cpu_s: float
    kept: Kept | None = None
    text: str = ""
    false: tuple[str, ...] = ()


def seeds(first: int, most: int, weathers: Iterable[str]) -> tuple[Trial, ...]:
    """Return so many seeds, each under one weather after the other."""
    under = tuple(weathers)
    return tuple(Seed(weather, seed) for seed in range(first, first + most) for weather in under)


def hunt(quarry: Quarry) -> Hunted:
    """Try one after the other, and ask the sound engine about what breaks. Raises PatchFault and ChildFault."""
    texts = patched(named(quarry.name))
    tried, cpu_s, false = 0, 0.0, []
    while tried < len(quarry.trials):
        broken = None
        with closing(outcomes(texts, quarry.trials[tried:])) as answers:
            for outcome in answers:
                tried, cpu_s, broken = tried + 1, cpu_s + outcome.cpu_s, outcome.broken
                if broken is not None:
                    break
        if broken is None:
            break
        trial = quarry.trials[tried - 1]
        if shown(SOUND, trial).broken is None:
            kept = Kept(trial, broken.invariant)
            return Hunted(quarry.name, tried, cpu_s, kept, broken.text, tuple(false))
        false.append(f"{trial.told}: {broken.invariant}")
    return Hunted(quarry.name, tried, cpu_s, false=tuple(false))


def shown(texts: Mapping[str, str], trial: Trial) -> Outcome:
    """Try one thing in a child of its own."""
    (outcome,) = outcomes(texts, (trial,))
    return outcome


def hunt_all(quarries: list[Quarry], jobs: int) -> Iterator[Hunted]:
    """Hunt for all, in so many processes, and yield each when it is found or given up."""
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=begin) as pool:
        yield from pool.imap_unordered(hunt, quarries)


def begin() -> None:
    """Make ready a process whose children run the trials."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    preload()
    gc.freeze()
