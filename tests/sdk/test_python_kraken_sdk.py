"""A client that no one here wrote trades on the exchange, over TCP, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import LIMIT_S, Cli
from tests.sdk import excused

pytestmark = pytest.mark.process


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    cli.kill_all()


def test_all_of_the_sdk_works_unmodified(cli: Cli) -> None:
    """Every public spot name of the package is called, or excused with a reason; the exchange then ends in order."""
    environment = {"ENGINE_EXCHANGE__TIER": "none"}  # so many calls in so short a time would be refused, as at Kraken
    exchange = cli.start("exchange", "--seed", "5", "--data-dir", str(cli.data_dir), env=environment)
    assert exchange.stdout is not None
    ready = exchange.stdout.readline()
    client = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.sdk.foreign", ready],
        env=cli.environment(),
        cwd=cli.place,
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_S,
        check=False,
    )
    assert client.returncode == 0, client.stderr
    told = json.loads(client.stdout)
    offered = {name for name in told["offered"] if name.partition(".")[0] not in excused.CLASSES}
    assert offered - set(told["used"]) == set(excused.METHODS), "each name is called, or excused, and none is both"
    assert set(told["offered_channels"]) - set(told["channels"]) == set(excused.CHANNELS)
    assert set(told["offered_methods"]) == set(told["methods"])
    assert min(told["updates"]) >= 40
    assert "Traceback" not in client.stderr
    ended = cli.interrupt(exchange)
    assert ended.code == 0, ended.err
