"""The verb ``watch`` as a user runs it, against a running exchange and against nothing."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.cli.processes import COMMAND, LIMIT_S, Cli

pytestmark = pytest.mark.process


@pytest.fixture
def exchange(cli: Cli) -> Iterator[str]:
    """A running exchange on the data directory; gives its public WebSocket."""
    process = cli.start("exchange", "--seed", "5", "--data-dir", str(cli.data_dir))
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["ws"]
    assert cli.interrupt(process).code == 0


def test_books_and_trades_as_lines_and_as_json(cli: Cli, exchange: str) -> None:
    """By address or by data directory; it ends by itself after --for."""
    lines = cli.run("watch", "BTC/USD", "--url", exchange, "--for", "3")
    assert (lines.code, lines.err) == (0, "")
    assert all(" BTC/USD book " in line or " BTC/USD trade " in line for line in lines.out.splitlines())
    as_json = cli.run("watch", "ETH/USD", "--depth", "25", "--data-dir", str(cli.data_dir), "--for", "3", "--json")
    assert as_json.code == 0, as_json.err
    found = [json.loads(line) for line in as_json.out.splitlines()]
    first = next(one for one in found if one["type"] == "book")
    assert (first["symbol"], first["depth"], first["usable"], first["skipped"]) == ("ETH/USD", 25, True, 0)
    assert all(isinstance(number, str) for level in first["bids"] for number in level)
    assert {one["type"] for one in found} <= {"book", "trade"}


def test_a_reader_that_leaves_is_no_error(cli: Cli, exchange: str) -> None:
    """``| head -1``: silent, and done."""
    process = cli.start("watch", "BTC/USD", "--url", exchange, "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())
    process.stdout.close()
    assert process.wait(LIMIT_S) == 0
    assert process.stdin is not None
    with process.stdin, process.stderr as told:
        assert told.read() == ""


def test_the_picture_on_a_terminal_ends_with_ctrl_c(cli: Cli, exchange: str) -> None:
    """Drawn on a screen of its own, put away again at the end, exit code 0."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "watch", "BTC/USD", "--url", exchange],
        cwd=cli.place, env=cli.environment({"TERM": "xterm", "COLUMNS": "110", "LINES": "30"}),
        stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(slave)
    try:
        shown = _read_until(master, b"spread")
        assert b"\x1b[?1049h" in shown
        process.send_signal(signal.SIGINT)
        shown += _read_until(master, b"\x1b[?1049l")
        assert b"Traceback" not in shown
        _, told = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, "Traceback" in told) == (0, False)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        os.close(master)


def _read_until(descriptor: int, mark: bytes) -> bytes:
    found = b""
    while mark not in found:
        ready, _, _ = select.select([descriptor], [], [], LIMIT_S)
        assert ready, found
        found += os.read(descriptor, 65_536)
    return found


def test_without_an_exchange_it_brings_one(cli: Cli) -> None:
    """Built-in settings, nothing running: a synthetic market of its own."""
    ended = cli.run("watch", "BTC/USD", "--for", "2", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out.splitlines()[0])["symbol"] == "BTC/USD"


def test_what_cannot_be_watched_is_said_with_its_exit_code(cli: Cli, exchange: str) -> None:
    """Nobody there 3, unknown symbol 4, bad options 2: a sentence each, no traceback."""
    for arguments, code, said in (
        (("BTC/USD", "--url", "ws://127.0.0.1:9/v2"), 3, "no market data from ws://127.0.0.1:9/v2"),
        (("NO/PE", "--url", exchange), 4, "Unknown asset pair:NO/PE"),
        (("BTC/USD", "--url", "http://127.0.0.1/"), 2, "must look like wss://"),
        (("BTC/USD", "--depth", "11"), 2, "--depth is one of 10, 25, 100, 500, 1000"),
        (("BTC/USD", "--for", "0"), 2, "--for is a number of seconds above 0"),
    ):
        ended = cli.run("watch", *arguments)
        assert (ended.code, ended.out, said in ended.err, "Traceback" in ended.err) == (code, "", True, False), ended
