"""The examples run as they stand, each in a process of its own, beside a real engine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import LIMIT_S, Cli

HERE = Path(__file__).parent
pytestmark = pytest.mark.process


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    cli.kill_all()


@pytest.mark.parametrize("name", ["asyncio_bot.py", "blocking_bot.py"])
def test_a_bot_trades_a_bracket_to_its_end(cli: Cli, name: str) -> None:
    """It submits, follows its reports to the settlement and tells what it came to."""
    cli.start("run", "--data-dir", str(cli.data_dir), env={"ENGINE_CONTROL__PORT": "0"})
    until_s = time.monotonic() + LIMIT_S
    while cli.run("status", "--data-dir", str(cli.data_dir)).code != 0:
        assert time.monotonic() < until_s
    done = subprocess.run(
        [sys.executable, str(HERE / name), str(cli.data_dir)],
        env=cli.environment(),
        cwd=cli.place,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].strip() == "verdict accepted"
    assert [line.split()[0] for line in lines[1:-1]] == ["pending_new", "new", "pending_cancel", "canceled", "settled"]
    assert lines[-1] == "bracket abandoned net 0"
