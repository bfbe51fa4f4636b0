"""The verb ``chaos``: what it prints, its exit codes, and what a failure shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.chaos.invariants.base import Violation
from engine.chaos.run import Result, run_seed
from engine.chaos.runner import SeedJob, run_jobs
from engine.chaos.sequence import sequence
from engine.cli.chaos import read_signals, seeds_of, told
from engine.errors import ConfigError

ROOT = Path(__file__).parents[2]
SIGNAL = {
    "signal_id": "00000000-0000-4000-8000-000000000001",
    "symbol": "BTC/USD",
    "side": "buy",
    "order_type": "limit",
    "order_qty": "0.02",
    "limit_price": "50000",
    "stop_loss": {"trigger_price": "49900"},
    "take_profit": {"price": "50100"},
}


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verb in a process of its own."""
    command = [sys.executable, "-m", "engine", "chaos", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)


@pytest.mark.process
def test_json_has_the_promised_members():
    """Two seeds in two processes: counts, rates, and every fault by name."""
    done = chaos("--seeds", "1-2", "--weather", "calm", "--jobs", "2", "--json")
    said = json.loads(done.stdout)
    assert set(said) == {"seeds", "failed", "seeds_per_minute", "simulated_hours_per_second", "faults"}
    assert (said["seeds"], said["failed"], done.returncode) == (2, [], 0)
    assert said["seeds_per_minute"] > 0
    assert said["faults"]["crash"] == 0


@pytest.mark.process
def test_signals_of_ones_own_are_handed_in(tmp_path: Path):
    """A file of signals takes the place of drawn ones; the table and the rates are told in words."""
    path = tmp_path / "signals.jsonl"
    path.write_text(json.dumps(SIGNAL) + "\n")
    done = chaos("--seeds", "3", "--signals", str(path), "--jobs", "1")
    assert done.returncode == 0, done.stdout
    assert "1 runs, 0 failed" in done.stdout
    assert "faults that struck" in done.stdout
    assert read_signals(path)[0].signal_id == SIGNAL["signal_id"]


def test_workers_give_the_results_of_one_process():
    """Side by side or one after the other: the same traces."""
    jobs = [SeedJob(seed, "calm") for seed in (1, 2, 3)]
    alone = {result.seed: result.digest for _, result in run_jobs(jobs, 1)}
    together = {result.seed: result.digest for _, result in run_jobs(jobs, 2)}
    assert alone == together


def test_seeds_are_one_or_a_range():
    """Anything else is refused by name."""
    assert list(seeds_of("7")) == [7]
    assert list(seeds_of("1-3")) == [1, 2, 3]
    for text in ("", "a", "3-1", "1-2-3"):
        with pytest.raises(ConfigError, match="--seeds"):
            seeds_of(text)


def test_a_bad_signal_is_named_by_its_line(tmp_path: Path):
    """As is a file that holds none, or is not there."""
    path = tmp_path / "signals.jsonl"
    path.write_text("\n{}\n")
    with pytest.raises(ConfigError, match="line 2"):
        read_signals(path)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no signal"):
        read_signals(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_signals(tmp_path / "none")


def _failed() -> Result:
    """A run of one bracket with a violation put in by hand."""
    result = run_seed(2, "calm", whole=True)
    name = result.roles[0][0]
    at_s = result.trace[-1].at_s
    broken = Violation("nonces_rise", at_s, "7 after 9", (name,), tuple(row.told() for row in result.trace[-50:]))
    return Result(**{**vars(result), "violations": (broken,)})


def test_a_failure_tells_all_that_is_needed():
    """Seed, scenario, revision, trace hash, the rule, fifty rows, and the command that shows it again."""
    result = _failed()
    text = "\n".join(told(result, "python -m engine chaos --replay 2 --weather calm --why"))
    for part in ("seed 2", result.scenario, "revision", result.digest, "nonces_rise", "7 after 9", "--replay 2"):
        assert part in text
    assert len(result.violations[0].tail) == 50
    assert result.violations[0].tail[-1] in text


def test_the_sequence_shows_the_order_concerned():
    """Requests, the exchange's word and rows of that order, in Mermaid's form."""
    result = _failed()
    drawing = sequence(result).splitlines()
    assert drawing[0] == "sequenceDiagram"
    who = dict(result.roles)[result.violations[0].subjects[0]]
    assert any("E->>X" in line and who in line for line in drawing)
    assert any("X-->>E" in line and who in line for line in drawing)
    assert any("E->>J" in line and who in line for line in drawing)
    other = [role for name, role in result.roles if name != result.violations[0].subjects[0]]
    assert not any(role in line for role in other for line in drawing)
