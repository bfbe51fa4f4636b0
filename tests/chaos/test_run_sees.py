"""What a run itself judges, and how a failure is told: broken on purpose, through the code that runs every seed."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
import trio

from engine.chaos.corpus import read_corpus
from engine.chaos.invariants.base import Invariant
from engine.chaos.invariants.outputs import NoSecret, OneWriter
from engine.chaos.market import Market
from engine.chaos.process import Process
from engine.chaos.run import Result, Run, run_seed
from engine.cli import chaos as verb
from engine.cli.exits import Exit
from engine.journal.header import read_header
from engine.journal.reader import JournalReader
from engine.journal.seeded_store import SeededStore
from engine.journal.snapshot import Footing
from engine.runtime.orphans import Orphanage
from engine.seams.disk import Disk
from engine.seams.locks import VirtualLockFile

SEED = 3
FORGETFUL = 1
"""Amid its life orders rest of which the lost rows told."""


def broken(result: Result) -> set[str]:
    """Names of the rules that broke."""
    return {violation.invariant for violation in result.violations}


def test_a_slow_shutdown_is_seen(monkeypatch: pytest.MonkeyPatch):
    """Fifteen seconds, and the one in which it is noticed."""
    stop = Process.stop

    async def dawdle(process: Process) -> None:
        await trio.sleep(17)
        await stop(process)

    monkeypatch.setattr(Process, "stop", dawdle)
    assert "shutdown_in_time" in broken(run_seed(SEED, "calm"))


def test_a_stream_that_stays_away_is_seen(monkeypatch: pytest.MonkeyPatch):
    """It is back within the longest pause between two tries."""
    monkeypatch.setattr(Run, "_stream_up", lambda _: False)
    assert "streams_come_back" in broken(run_seed(SEED, "calm"))


def test_a_silent_start_on_damage_is_seen(monkeypatch: pytest.MonkeyPatch):
    """An engine that takes the journal for sound is one that runs and is not halted."""
    monkeypatch.setattr("engine.chaos.damage.DAMAGED_SHARE", 1.1)
    assert not run_seed(SEED, "calm").failed
    monkeypatch.setattr(Disk, "flip", lambda *_: None)
    assert "damage_never_starts_silently" in broken(run_seed(SEED, "calm"))


@pytest.fixture
def _losing_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run end amid its life, on a disk that loses rows."""
    monkeypatch.setattr("engine.chaos.scenario.LOST_SHARE", 1.1)


@pytest.mark.usefixtures("_losing_rows")
def test_a_forgotten_order_is_seen(monkeypatch: pytest.MonkeyPatch):
    """An engine that passes over what its journal has lost lets it rest, and says nothing."""
    assert not run_seed(FORGETFUL, "calm").failed
    monkeypatch.setattr(Orphanage, "hear", lambda *_: None)
    assert broken(run_seed(FORGETFUL, "calm")) == {"forgotten_orders_found"}


@pytest.mark.usefixtures("_losing_rows")
def test_a_silent_start_on_a_spoiled_tail_is_seen(monkeypatch: pytest.MonkeyPatch):
    """An engine that takes the last rows for sound runs and is not halted."""
    monkeypatch.setattr("engine.chaos.damage.SPOILED_SHARE", 1.1)
    assert not run_seed(SEED, "calm").failed
    monkeypatch.setattr(Disk, "flip", lambda *_: None)
    assert broken(run_seed(SEED, "calm")) == {"damage_never_starts_silently"}


@pytest.mark.usefixtures("_losing_rows")
def test_an_engine_that_refuses_a_spoiled_tail_is_seen(monkeypatch: pytest.MonkeyPatch):
    """Behind a sound header something can always be saved: nobody watches over what rests while none starts."""

    def refuse(disk: Disk, name: str, _: int) -> Footing:
        store = SeededStore(disk, name, "power")
        with contextlib.closing(store):
            return JournalReader(store, read_header(store)).find_footing()

    monkeypatch.setattr("engine.chaos.damage.SPOILED_SHARE", 1.1)
    monkeypatch.setattr("engine.journal.opening.salvage_seeded", refuse)
    assert broken(run_seed(SEED, "calm")) == {"damaged_tail_starts"}


def test_a_second_engine_is_seen(monkeypatch: pytest.MonkeyPatch):
    """Somebody starts one beside the first: it is refused by name, or has broken the rule."""
    monkeypatch.setattr("engine.chaos.scenario.BESIDE_SHARE", 1.1)
    sound = run_seed(SEED, "calm", whole=True)
    said = [row.text for row in sound.trace if "starts a second engine" in str(row.text)]
    assert not sound.failed
    assert len(said) == 1
    assert "the journal journal is held by process 1 on the simulated machine" in str(said[0])
    monkeypatch.setattr(OneWriter, "on_moment", Invariant.on_moment)
    monkeypatch.setattr(VirtualLockFile, "take", lambda _: True)
    assert "one_writer" in broken(run_seed(SEED, "calm"))


def test_whatever_rises_is_seen(monkeypatch: pytest.MonkeyPatch):
    """An exception out of a run is a broken run, with its traceback."""

    async def fail(*_: object) -> None:
        raise RuntimeError("the ground gives way")

    monkeypatch.setattr(Market, "sweep", fail)
    (violation,) = run_seed(SEED, "calm").violations
    assert violation.invariant == "nothing_crashes"
    assert "the ground gives way" in violation.text


@pytest.fixture
def _always_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one rule complain about every row."""
    monkeypatch.setattr(NoSecret, "on_row", lambda rule, row, _: rule.broken("made to break", row.cl_ord_id))


@pytest.mark.usefixtures("_always_broken")
def test_a_failure_is_told_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Seed, scenario, revision, trace hash, the rule, the command; then table and rates; the seed is kept."""
    kept = tmp_path / "seeds.txt"
    assert verb.chaos(seeds="3-4", weather="calm", keep=kept, jobs=1) is Exit.OTHER
    told = capsys.readouterr().out
    assert "seed 3, weather calm: no_secret broke at" in told
    assert re.search(r"scenario +\d+ brackets on ", told)
    assert re.search(r"revision +\S+\+[0-9a-f]{12}", told)
    assert re.search(r"trace hash +[0-9a-f]{64}", told)
    assert re.search(r"broken +made to break", told)
    assert "again: python -m engine chaos --replay 3 --weather calm --why" in told
    assert "faults that struck" in told
    assert re.search(r"2 runs, 2 failed; [\d.]+ seeds a minute, [\d.]+ simulated hours a second", told)
    assert read_corpus(kept) == [("calm", 3), ("calm", 4)]


@pytest.mark.usefixtures("_always_broken")
def test_a_failure_is_told_in_json(capsys: pytest.CaptureFixture[str]):
    """The members that were promised, for many seeds and for one replayed; the hashes agree."""
    assert verb.chaos(seeds="3", weather="calm", jobs=1, as_json=True) is Exit.OTHER
    many = json.loads(capsys.readouterr().out)
    assert set(many) == {"seeds", "failed", "seeds_per_minute", "simulated_hours_per_second", "faults"}
    (failed,) = many["failed"]
    assert (failed["seed"], failed["weather"], failed["invariant"]) == (3, "calm", "no_secret")
    assert verb.chaos(replay=3, weather="calm", as_json=True) is Exit.OTHER
    one = json.loads(capsys.readouterr().out)
    assert set(one) == {"seed", "trace_hash", "violations"}
    assert (one["seed"], one["trace_hash"]) == (3, failed["trace_hash"])
    assert one["violations"][0]["invariant"] == "no_secret"


@pytest.mark.usefixtures("_always_broken")
def test_a_replay_that_fails_draws_the_orders_concerned(capsys: pytest.CaptureFixture[str]):
    """The failure, then a Mermaid sequence; exit code 1."""
    assert verb.chaos(replay=3, weather="calm", why=True) is Exit.OTHER
    told = capsys.readouterr().out
    assert "no_secret broke at" in told
    assert "```mermaid\nsequenceDiagram" in told


def test_fifty_rows_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Of a rule that breaks late: the last fifty rows of the trace up to it, and no more."""
    monkeypatch.setattr(Run, "_stream_up", lambda _: False)
    assert verb.chaos(seeds="3", weather="calm", jobs=1) is Exit.OTHER
    told = capsys.readouterr().out
    rows = [line for line in told.splitlines() if re.match(r" {4} *\d+\.\d{6} \w+", line)]
    assert len(rows) == 50
    assert "BROKEN streams_come_back" in rows[-1]


def test_the_bar_moves_where_somebody_looks():
    """Runs done of all, failures, and the time that is left; on stderr, so that what is told stays clean."""
    progress = verb._progress()
    task = progress.add_task("runs", total=3, failed=0)
    progress.update(task, advance=2, failed=1)
    shown = [str(column.render(progress.tasks[task])) for column in progress.columns]  # type: ignore[attr-defined]
    assert "runs" in shown[0]
    assert any("2/3" in part for part in shown)
    assert any("1 failed" in part for part in shown)
    assert progress.console.stderr
