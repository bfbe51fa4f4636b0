"""The OpenAPI document says what the door does: a stranger who reads nothing else finds no fault with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.control.command import Command
from engine.control.openapi import DECIMAL, document
from engine.control.table import TABLE
from tests.cli.processes import LIMIT_S, Cli

HERE = Path(__file__).parent
STREAMS = "stream|/api/reports|/api/money"
"""Those never end by themselves; test_web.py reads them."""


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    cli.kill_all()


@pytest.mark.parametrize("command", TABLE, ids=lambda command: command.name)
def test_every_verb_is_described_whole(command: Command):
    """Path, method, every parameter with its bounds, and each error in the one form."""
    described = document(TABLE)["paths"][command.path][command.method.lower()]
    told = {one["name"] for one in described.get("parameters", ())}
    schema = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    told |= set(schema.get("properties", ()))
    assert told == {one.name for one in command.parameters} - {command.whole_body}
    errors = [answer for status, answer in described["responses"].items() if status != "200"]
    forms = [answer["content"]["application/json"]["schema"] for answer in errors]
    assert forms == [{"$ref": "#/components/schemas/Complaint"}] * len(errors)
    assert len(errors) >= 10


def test_amounts_are_strings_with_a_pattern_and_nothing_is_a_float_of_money():
    """Every Decimal of ours is one, wherever it stands."""
    schemas = document(TABLE)["components"]["schemas"]
    order = schemas["OrderRecord"]["properties"]
    for name in ("order_qty", "cum_qty", "leaves_qty", "avg_px"):
        assert order[name]["type"] == "string"
        assert order[name]["pattern"].startswith("^-?[0-9]+")
    assert schemas["SignalLine"]["properties"]["order_qty"]["type"] == "string"
    text = json.dumps(schemas)
    assert text.count('"format": "decimal"') == text.count(json.dumps({"pattern": DECIMAL})[1:-1]) > 100


@pytest.mark.process
@pytest.mark.timeout(240)
def test_schemathesis_finds_nothing(cli: Cli):
    """Whatever the document permits is answered as it says, whatever it forbids is refused as it says."""
    engine = cli.start("run", "--data-dir", str(cli.data_dir), env={"ENGINE_CONTROL__PORT": "0"})
    assert engine.stdout is not None
    url, _, token = engine.stdout.readline().strip().partition("/#token=")
    _wait_ready(cli)
    shutil.copy(HERE / "schemathesis.toml", cli.place)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/openapi.json"),
            *("--header", f"Authorization: Bearer {token}", "--exclude-path-regex", STREAMS),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "8", "--no-color"),
            *("--continue-on-failure", "--request-timeout", "20", "--warnings", "off"),
        ],
        cwd=cli.place,
        env=cli.environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    ended = cli.interrupt(engine)
    assert ended.code == 0, ended.err[-2000:]
    for word in ("UNFORESEEN", "Traceback", "control.failed", token):
        assert word not in ended.err


def _wait_ready(cli: Cli) -> None:
    """Ask until the engine behind the door is there."""
    until_s = time.monotonic() + LIMIT_S
    while cli.run("status", "--data-dir", str(cli.data_dir)).code != 0:
        assert time.monotonic() < until_s
