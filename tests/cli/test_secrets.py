"""No secret in anything a run leaves behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from tests.cli.processes import Cli, Ended, signal_line
from tests.cli.venue import Venue, open_venue

pytestmark = pytest.mark.process


def told(log: Path, words: str) -> bool:
    return log.exists() and words in log.read_text()


async def wait_for(log: Path, words: str) -> None:
    with trio.fail_after(20):
        while not told(log, words):  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.05)


async def covered_run(cli: Cli, venue: Venue, way: str, log: Path) -> Ended:
    """Buy, wait until the stop rests, and end in order; everything that can be logged is."""
    arguments = ("run", "--signals", "signals.jsonl", "--json", "--data-dir", str(cli.data_dir))
    verbose = ("--log-level", "debug", "--log-file", str(log))
    (cli.place / "signals.jsonl").write_text(signal_line() + "\n")
    ended: list[Ended] = []
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[trio.Process] = trio.TASK_STATUS_IGNORED) -> None:
            env = venue.environment(KRAKEN__ORDERS_VIA=way)
            ended.append(await cli.run_beside(*arguments, *verbose, env=env, task_status=task_status))

        process = await nursery.start(run)
        await wait_for(log, "order.settled")
        process.send_signal(signal.SIGINT)
    return ended[0]


@pytest.mark.parametrize("way", ["ws", "rest"])
async def test_no_output_holds_a_secret(cli: Cli, way: str) -> None:
    """Key, secret, the session's token and each signature, by their values as the exchange saw them."""
    log = cli.place / "engine.log"
    async with open_venue() as venue:
        ended = await covered_run(cli, venue, way, log)
    assert ended.code == 0, ended.err
    assert [order["role"] for order in ended.json["brackets"][0]["orders"]] == ["entry", "stop"]
    tokens, signatures = venue.tokens(), venue.signatures()
    assert tokens
    assert len(signatures) >= (4 if way == "rest" else 2)  # key and token; by REST entry and stop as well
    exchange = venue.exchange
    secrets = {exchange.api_key.encode(), exchange.api_secret.encode(), *tokens, *signatures}

    outputs = {"stdout": ended.out.encode(), "stderr": ended.err.encode(), "log": log.read_bytes()}
    outputs |= {str(path): path.read_bytes() for path in cli.data_dir.rglob("*") if path.is_file()}
    assert any("journal" in name for name in outputs)
    assert b"order.settled" in outputs["stderr"]
    for name, text in outputs.items():
        for secret in secrets:
            assert secret not in text, name
        for word in (b"API-Sign", b"api_secret", b'"token":"'):
            assert word not in text, (name, word)
    assert log.stat().st_mode & 0o777 == 0o600
