"""The verb itself: one look for cron, what cannot work is said at once, one guardian for one directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from engine.cli.app import main
from engine.cli.exits import Exit
from engine.cli.guardian import LOCK_FILE
from engine.journal.lease import hold_lease
from engine.runtime.pulse import PULSE_FILE
from engine.seams.processes import ProcessMark, own_mark
from engine.seams.uptime import SystemUptime
from tests.guardian.test_sight import pulse


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests."""
    for name in [name for name in os.environ if name.startswith("ENGINE_") or name == "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def guardian(directory: Path, *arguments: str) -> int:
    return main(["guardian", "--data-dir", str(directory), *arguments])


def leave(directory: Path, **changes: object) -> None:
    """Let an engine's pulse lie there."""
    made = pulse(uptime_ns=SystemUptime().now_ns(), mark=own_mark())
    (directory / PULSE_FILE).write_bytes(msgspec.json.encode(msgspec.structs.replace(made, **changes)))


@pytest.mark.parametrize(
    ("changes", "code", "health"),
    [
        ({}, Exit.DONE, "beating"),
        ({"state": "ended"}, Exit.DONE, "ended"),
        ({"state": "failed"}, Exit.NO_ENGINE, "failed"),
        ({"uptime_ns": 0}, Exit.NO_ENGINE, "still"),
        ({"mark": ProcessMark(2**22 + 1, 5, own_mark().boot_id, own_mark().pid_space)}, Exit.NO_ENGINE, "gone"),
    ],
)
def test_one_look_tells_by_its_exit_code(changes, code, health, tmp_path, capsys) -> None:
    """For cron and systemd: 0 alive or ended in order, 6 dead."""
    leave(tmp_path, **changes)
    assert guardian(tmp_path, "--once", "--json") == code
    assert json.loads(capsys.readouterr().out)["health"] == health


def test_one_look_at_nothing_and_at_rubbish(tmp_path, capsys) -> None:
    """Nobody was ever there, or the file is torn: no engine, and no traceback."""
    assert guardian(tmp_path, "--once") == Exit.NO_ENGINE
    (tmp_path / PULSE_FILE).write_text("{")
    assert guardian(tmp_path, "--once") == Exit.NO_ENGINE
    out = capsys.readouterr()
    assert "no engine has ever beaten here" in out.out
    assert "cannot be read" in out.out
    assert out.err == ""


def test_policy_of_closing_needs_an_exchange_that_outlives_the_engine(tmp_path, capsys) -> None:
    """Said at the start, not when it counts."""
    assert guardian(tmp_path, "--policy", "close") == Exit.USAGE
    assert "dies with its engine" in capsys.readouterr().err


def test_policy_of_closing_needs_a_key(tmp_path, capsys, monkeypatch) -> None:
    """The same: a guardian without any key could never close."""
    monkeypatch.setenv("ENGINE_VENUE", "simulated")
    assert guardian(tmp_path, "--policy", "close") == Exit.USAGE
    assert "needs an API key" in capsys.readouterr().err


def test_policy_that_means_nothing_is_refused(tmp_path, capsys) -> None:
    """By name, with the key that it stands at."""
    assert guardian(tmp_path, "--policy", "close-after:0") == Exit.USAGE
    assert "close-after:SECONDS" in capsys.readouterr().err


def test_directory_has_one_guardian(tmp_path, capsys) -> None:
    """Two would both close."""
    with hold_lease(tmp_path / LOCK_FILE):
        assert guardian(tmp_path) == Exit.JOURNAL
    assert "the guard of" in capsys.readouterr().err


def test_introduction_names_account_and_mark_and_no_secret(tmp_path, capsys, monkeypatch) -> None:
    """What the guardian's key file needs of the engine's key signs nothing."""
    secret = "c2VjcmV0" * 11
    for name, text in (("VENUE", "simulated"), ("API_KEY", "the-key"), ("API_SECRET", secret)):
        monkeypatch.setenv(f"ENGINE_{name}", text)
    for name in ("REST_URL", "WS_URL", "WS_AUTH_URL"):
        monkeypatch.setenv(f"ENGINE_KRAKEN__{name}", f"{'http' if name == 'REST_URL' else 'ws'}://127.0.0.1:1")
    assert guardian(tmp_path, "--introduce", "--json") == Exit.DONE
    out = capsys.readouterr().out
    told = json.loads(out)
    assert (len(told["engine_account"]), len(told["engine_mark"])) == (16, 64)
    assert "the-key" not in out
    assert secret not in out
