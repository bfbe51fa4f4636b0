"""The command line against a real process, alive, killed, and gone."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from engine.cli.exits import Exit
from tests.control.conftest import FIRST, SIGNAL

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


class _Cli:
    """Runs verbs on one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._place = ["--data-dir", str(data_dir)]
        self._environment = {name: text for name, text in os.environ.items() if not name.startswith("ENGINE_")}

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        done = await trio.run_process(
            [sys.executable, "-m", "engine", *arguments, *self._place],
            cwd=ROOT,
            env=self._environment,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    async def start(self, nursery: trio.Nursery, *arguments: str, out: Path) -> trio.Process:
        command = [sys.executable, "-m", "engine", *arguments, *self._place]
        with out.open("w") as stdout, out.with_suffix(".err").open("w") as stderr:
            outputs = {"stdout": stdout, "stderr": stderr, "cwd": ROOT, "env": self._environment}
            return await nursery.start(partial(trio.run_process, command, check=False, **outputs))


async def test_a_kill_is_told_by_every_verb(data_dir, tmp_path):
    """Alive: status answers, a follower follows. Killed: the follower says so, status exits 6, the journal tells."""
    cli, signals = _Cli(data_dir), tmp_path / "signals.jsonl"
    signals.write_text((SIGNAL % FIRST).replace("50000.0", "20000.0").replace("49000.0", "10000.0") + "\n")
    followed = tmp_path / "followed"
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            running = await cli.start(nursery, "run", "--signals", str(signals), out=tmp_path / "run")
            while not (data_dir / "control.sock").exists():  # noqa: ASYNC110 - another process makes it
                await trio.sleep(0.05)
            follower = await cli.start(nursery, "reports", "--follow", "--json", out=followed)
            while '"new"' not in followed.read_text():  # noqa: ASYNC110 - another process writes it
                await trio.sleep(0.05)
            code, out, _ = await cli("status", "--json")
            assert (code, json.loads(out)["pid"]) == (Exit.DONE, running.pid)
            running.send_signal(signal.SIGKILL)
            assert await follower.wait() == Exit.OTHER
    assert "gave no answer" in followed.with_suffix(".err").read_text()
    code, out, err = await cli("status")
    assert (code, out, err.count("\n")) == (Exit.NO_ENGINE, "", 1)
    code, out, _ = await cli("recover", "--json")
    assert [(a["sent"], a["state"]) for a in json.loads(out)["attempts"]] == [("sent", "open")]
