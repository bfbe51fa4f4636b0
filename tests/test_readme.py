"""The README keeps what it promises."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from engine.cli.app import app
from engine.orders.signal import parse_signal
from tests.cli.processes import ROOT
from tests.cli.venue import open_venue
from tests.readme import README, renewed

TEXT = README.read_text(encoding="utf-8")
PROGRAM, STRATEGY_TEST = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_generated_parts_are_fresh() -> None:
    """The order table and the diagrams are those of the code; ``just diagrams`` renews them."""
    assert renewed(TEXT) == TEXT


def test_it_opens_with_the_two_commands() -> None:
    """Install and demo, install and test: both in the first code blocks."""
    commands = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)[:2])
    assert "pip install -r config/requirements.lock && python -m engine demo" in commands
    assert "pip install -r config/requirements-dev.lock && just test" in commands


def test_its_signals_are_signals() -> None:
    """Whoever copies one gets an order."""
    lines = re.findall(r'^\{"signal_id".*\}$', TEXT, re.MULTILINE)
    assert lines
    for line in lines:
        parse_signal(line)


def test_its_verbs_exist() -> None:
    """No command line in it names a verb that is not there."""
    verbs = set(re.findall(r"python -m engine ([a-z]+)", TEXT))
    assert verbs
    assert verbs <= set(app)


@pytest.mark.process
async def test_its_program_runs(tmp_path: Path) -> None:
    """As it stands there: it buys, is covered, and ends in order."""
    (tmp_path / "program.py").write_text(PROGRAM)
    async with open_venue() as venue:
        exchange = venue.exchange
        at = f"127.0.0.1:{venue.port}"
        ready = {"rest": f"http://{at}", "ws": f"ws://{at}/v2", "ws_auth": f"ws://{at}/v2"}
        key = {"api_key": exchange.api_key, "api_secret": exchange.api_secret}
        (tmp_path / "ready.json").write_text(json.dumps({**ready, **key}))
        with trio.fail_after(30):
            ended = await trio.run_process(
                [sys.executable, "program.py"],
                capture_stdout=True,
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
            )
    reports = [line for line in ended.stdout.decode().splitlines() if line.startswith(("entry ", "stop "))]
    assert any(line.startswith("entry trade 0.002") for line in reports)
    assert reports[-1] == "stop new 0"


async def test_its_strategy_test_passes(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever copies it has a test that runs."""
    copied: dict[str, object] = {}
    exec(compile(STRATEGY_TEST, "README.md", "exec"), copied)
    (test,) = [value for name, value in copied.items() if name.startswith("test_")]
    await test(autojump_clock)  # type: ignore[operator]  # the README's function
