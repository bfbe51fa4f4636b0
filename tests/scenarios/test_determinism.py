"""One seed is one story: the same journal rows, chain head and bytes on the wire, wherever it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.journal.row import Row
from engine.orders.replay import Closed
from engine.testing import run_world
from tests.scenarios.synthetic import MARKET, Fingerprint, fingerprint, live_and_show

ROOT = Path(__file__).parents[2]
SEED = 7


Told = tuple[Fingerprint, list[Row]]


def tell() -> Told:
    """The story of SEED with all its journal rows."""
    return run_world(live_and_show, seed=SEED, sim=MARKET)


@pytest.fixture(scope="module")
def told() -> Told:
    """The story of SEED, told once in this process."""
    return tell()


def test_same_seed_is_the_same_story_in_one_process(told: Told):
    """Told again, every row and every byte is the same; should they ever differ, the first such row is shown."""
    (fingerprint_now, again), (fingerprint_then, rows) = tell(), told
    assert next(((a, b) for a, b in zip(again, rows, strict=False) if a != b), None) is None
    assert fingerprint_now == fingerprint_then


def test_the_story_is_worth_telling(told: Told):
    """Several brackets lived in it and ended in more than one way."""
    closed = [row.decode(Closed).outcome for row in told[1] if row.kind == "closed"]
    assert len(closed) >= 6
    assert {"target", "stop"} <= set(closed)


@pytest.mark.process
def test_same_seed_is_the_same_story_under_other_hash_seeds(told: Told):
    """Two other processes with other hash seeds tell the very same story."""
    command = [sys.executable, "-m", "tests.scenarios.synthetic", str(SEED)]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, text=True
        )
        for hash_seed in ("1", "4242")
    ]
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [tuple(json.loads(answer)) for answer in answers] == [told[0], told[0]]


def test_other_latency_is_another_story(told: Told):
    """A wire that is slower by a millisecond carries other bytes: the hash sees what it should see."""
    _, _, wire = fingerprint(SEED, latency_s=0.011)
    assert wire != told[0][2]


def test_other_seed_is_another_story(told: Told):
    """The seed decides."""
    _, head, wire = fingerprint(SEED + 1)
    assert (head, wire) != told[0][1:]
