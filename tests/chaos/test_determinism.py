"""One seed is one run: the same trace hash, rows and chain, wherever and however often it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.chaos.run import Result, run_seed

ROOT = Path(__file__).parents[2]
SEED, WEATHER = 7, "storm"

TELL = """
import json, sys
from engine.chaos.run import run_seed
from tests.chaos.test_determinism import told
print(json.dumps(told(run_seed(int(sys.argv[1]), sys.argv[2]))))
"""


def told(result: Result) -> dict[str, Any]:
    """All of a run that must be equal."""
    return {
        "digest": result.digest,
        "rows": result.rows,
        "chain": result.chain,
        "simulated_s": result.simulated_s,
        "struck": result.struck,
        "walked": [list(one) for one in result.walked],
        "violations": [violation.text for violation in result.violations],
    }


@pytest.fixture(scope="module")
def once() -> Result:
    """The run of SEED in this process."""
    return run_seed(SEED, WEATHER)


def test_same_seed_is_the_same_run_twice_in_one_process(once: Result):
    """Every byte, row and transition comes at the same time again."""
    assert told(run_seed(SEED, WEATHER)) == told(once)


def test_keeping_the_whole_trace_changes_nothing(once: Result):
    """A replay that keeps every row is the run that failed."""
    assert run_seed(SEED, WEATHER, whole=True).digest == once.digest


@pytest.mark.process
@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_same_seed_is_the_same_run_in_another_process(once: Result, hash_seed: str):
    """A replay on the command line, under another PYTHONHASHSEED, has the same trace hash."""
    command = [sys.executable, "-m", "engine", "chaos", "--replay", str(SEED), "--weather", WEATHER, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, timeout=100
    )
    said = json.loads(done.stdout)
    assert (said["seed"], said["trace_hash"]) == (SEED, once.digest)
    assert done.returncode == (1 if said["violations"] else 0)


@pytest.mark.process
@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_same_seed_writes_the_same_journal_in_another_process(once: Result, hash_seed: str):
    """As many rows, and the same hash chain over all of them; the same faults, transitions and simulated time."""
    done = subprocess.run(
        [sys.executable, "-c", TELL, str(SEED), WEATHER],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == told(once)


def test_another_seed_is_another_run(once: Result):
    """The seed decides, and so does the weather."""
    assert run_seed(SEED + 1, WEATHER).digest != once.digest
    assert run_seed(SEED, "calm").digest != once.digest
