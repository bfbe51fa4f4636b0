"""No secret in anything a run leaves behind."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.processes import Cli, signal_line

pytestmark = pytest.mark.process


def verbose(log: Path) -> list[str]:
    return ["--log-level", "debug", "--log-file", str(log)]


def wait_for(log: Path, words: str) -> None:
    until = time.monotonic() + 20
    while not (log.exists() and words in log.read_text()):
        assert time.monotonic() < until, f"no {words} in the log"
        time.sleep(0.05)


def test_no_output_holds_a_secret(cli: Cli) -> None:
    """Key, secret, token and signatures are in no stream, no log file and no journal."""
    log = cli.place / "engine.log"
    process = cli.start("run", "--signals", "-", "--json", "--data-dir", str(cli.data_dir), *verbose(log))
    assert process.stdin is not None
    process.stdin.write(signal_line() + "\n")
    process.stdin.flush()
    wait_for(log, "order.settled")
    ended = cli.interrupt(process)
    identity = json.loads((cli.data_dir / "exchange" / "exchange-identity.json").read_text())
    outputs = {"stdout": ended.out.encode(), "stderr": ended.err.encode(), "log": log.read_bytes()}
    for path in cli.data_dir.glob("journal*"):
        outputs[path.name] = path.read_bytes()
    assert any(b"order.settled" in text for text in outputs.values())
    for name, text in outputs.items():
        for secret in (identity["api_key"], identity["api_secret"]):
            assert secret.encode() not in text, name
        for word in (b"API-Sign", b"api_secret", b'"token":"'):
            assert word not in text, (name, word)
    assert log.stat().st_mode & 0o777 == 0o600
