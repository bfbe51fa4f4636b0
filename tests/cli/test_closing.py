"""Close, drill and the end by flatten, as real processes on the embedded exchange."""

from __future__ import annotations

import signal

import pytest

from tests.cli.processes import Cli, signal_line
from tests.cli.test_run import start_and_wait, write

pytestmark = pytest.mark.process


def test_drill_then_close_then_nobody_there(cli: Cli) -> None:
    """The drill leaves the position, the close ends it; each says flat and ends with 0; without an engine it is 6."""
    file = write(cli.place, signal_line())
    process = start_and_wait(cli, "--signals", file, "--json", for_kind="order.settled")
    at = ("--data-dir", str(cli.data_dir))
    drill = cli.run("close", "--all", "--drill", "--json", *at)
    assert (drill.code, drill.json["flat"], drill.json["drill"]) == (0, True, True), drill.err
    close = cli.run("close", "BTC/USD", "--reason", "enough", "--json", *at)
    assert (close.code, close.json["flat"], close.json["drill"]) == (0, True, False), close.err
    assert (close.json["brackets"][0]["traded_qty"], close.json["reason"]) == ("0.00200000", "enough")
    again = cli.run("close", "BTC/USD", *at)
    assert again.code == 0
    assert again.out.splitlines()[-1].startswith("flat at ")
    told = cli.interrupt(process).json
    assert (told["brackets"][0]["outcome"], len(told["closes"])) == ("flattened", 2)
    assert cli.run("close", "--all", *at).code == 6
    assert cli.run("close", "BTC/USD", "--all", *at).code in (2, 6)


def test_run_that_flattens_at_the_end_says_what_it_did(cli: Cli) -> None:
    """Ctrl-C closes everything first; the summary holds the close's report, and 0 means flat."""
    file = write(cli.place, signal_line())
    process = start_and_wait(cli, "--signals", file, "--json", "--on-stop", "flatten", for_kind="order.settled")
    ended = cli.interrupt(process, signal.SIGINT)
    assert ended.code == 0, ended.err
    (close,) = ended.json["closes"]
    assert (close["flat"], close["reason"], close["scope"]) == (True, "shutdown", "all")
    assert (ended.json["brackets"][0]["outcome"], ended.json["brackets"][0]["net_qty"]) == ("flattened", "0")


def test_run_that_detaches_leaves_the_stop(cli: Cli) -> None:
    """The default: nothing is closed, the bracket is left to the next start."""
    file = write(cli.place, signal_line())
    process = start_and_wait(cli, "--signals", file, "--json", for_kind="order.settled")
    ended = cli.interrupt(process)
    assert (ended.json["closes"], ended.json["brackets"][0]["outcome"]) == ([], "detached")
