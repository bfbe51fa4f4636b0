"""The exchange as a process: its faults, its accounts, its market's source, and recordings of another's."""

from __future__ import annotations

import json
import signal
from http.client import HTTPConnection
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from tests.cli.processes import Cli

pytestmark = pytest.mark.process
EXAMPLE = Path(__file__).parents[1] / "fixtures" / "faults.toml"


def ready(process: Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    row: dict[str, Any] = json.loads(process.stdout.readline())
    return row


def ask(address: str, method: str, target: str, body: object = None) -> tuple[int, Any]:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, target, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data.startswith(b"{") else data
    finally:
        connection.close()


def test_faults_from_a_file_and_over_http(cli: Cli) -> None:
    """The example file is taken; what is posted happens to the next request and is counted."""
    exchange = cli.start("exchange", "--json", "--faults", str(EXAMPLE), "--data-dir", str(cli.data_dir))
    row = ready(exchange)
    rest = row["rest"]
    assert row["control"] == f"{rest}/control"
    assert len(ask(rest, "GET", "/control/faults")[1]["faults"]) == 8
    fault = {"kind": "http_status", "status": 503, "method": "Time"}
    assert ask(rest, "POST", "/control/faults", fault) == (201, {"added": ["f1"]})
    assert ask(rest, "GET", "/0/public/Time")[0] == 503
    assert ask(rest, "GET", "/0/public/Time")[0] == 200
    assert ask(rest, "GET", "/control/faults")[1]["fired"]["http_status"] == 1
    assert ask(rest, "DELETE", "/control/faults") == (200, {"cleared": 9})
    assert cli.interrupt(exchange, signal.SIGINT).code == 0


def test_a_bad_faults_file_tells_every_mistake(cli: Cli) -> None:
    """Exit code 2, a line each, with the file's name."""
    file = cli.place / "faults.toml"
    file.write_text('[[fault]]\nkind = "nudge"\n[[fault]]\nkind = "kick"\nwho = "me"\ncolour = 1\n')
    ended = cli.run("exchange", "--faults", str(file), "--data-dir", str(cli.data_dir))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("faults.toml: fault[") == 3
    for words in ("fault[1].kind: must be one of ", "fault[2].colour: unknown", "fault[2].who: must be one of all"):
        assert words in ended.err


def test_the_help_on_faults_names_every_kind(cli: Cli) -> None:
    """And needs nothing."""
    ended = cli.run("exchange", "--faults-help")
    assert ended.code == 0
    for word in ("lose_answer", "wrong_checksum", "fire_dead_man", "curl -d"):
        assert word in ended.out


def test_accounts_have_keys_that_stay(cli: Cli) -> None:
    """Given by option, each with a key of its own that the data directory keeps; a taken port gives way if it may."""
    options = ("exchange", "--account", "bob:USD=500,tier=pro", "--data-dir", str(cli.data_dir))
    first = cli.start(*options)
    row = ready(first)
    assert [account["name"] for account in row["accounts"]] == ["client", "bob"]
    port = row["rest"].rpartition(":")[2]
    other = cli.start("exchange", "--port", port, "--free-port", "--data-dir", str(cli.place / "other"))
    assert ready(other)["rest"].rpartition(":")[2] != port
    assert f"port {port} is taken" in cli.interrupt(other).err
    assert cli.interrupt(first).code == 0
    again = cli.start(*options)
    assert ready(again)["accounts"] == row["accounts"]
    assert cli.interrupt(again).code == 0
    wrong = cli.run("exchange", "--account", "bob:USD", "--account", "bob:XYZ=1", "--data-dir", str(cli.data_dir))
    assert (wrong.code, "is no NAME=VALUE" in wrong.err) == (2, True)


def test_a_feed_is_recorded_played_and_followed(cli: Cli) -> None:
    """One exchange is the source: recorded, replayed faster, and followed live by another."""
    source = cli.start("exchange", "--seed", "5", "--volatility", "3", "--data-dir", str(cli.place / "source"))
    row = ready(source)
    file = cli.place / "feed.jsonl"
    recorded = cli.run("record", "--out", str(file), "--url", row["ws"], "--symbol", "BTC/USD", "--for", "2")
    assert recorded.code == 0, recorded.err
    assert "recorded " in recorded.err
    for market in (f"replay:{file}", f"live:{row['ws']}"):
        place = cli.place / market[:4]
        follower = cli.start(
            "exchange", "--market", market, "--speed", "50", "--symbol", "BTC/USD", "--data-dir", str(place)
        )
        rest = ready(follower)["rest"]
        shown: dict[str, Any] = {}
        while not shown.get("frames"):
            shown = ask(rest, "GET", "/control/market")[1]
        assert shown["mismatches"] == 0
        assert set(ask(rest, "GET", "/0/public/AssetPairs")[1]["result"]) == {"XXBTZUSD"}
        assert cli.interrupt(follower).code == 0
    assert cli.interrupt(source).code == 0


def test_a_source_that_is_not_there_is_exit_three(cli: Cli) -> None:
    """For a live market and for a recording alike; a file that is no recording is exit two."""
    nowhere = "ws://127.0.0.1:1/v2"
    live = cli.run("exchange", "--market", f"live:{nowhere}", "--data-dir", str(cli.data_dir))
    assert (live.code, "cannot reach the market's source" in live.err) == (3, True), live.err
    recorded = cli.run("record", "--out", str(cli.place / "x.jsonl"), "--url", nowhere)
    assert (recorded.code, "cannot reach" in recorded.err) == (3, True), recorded.err
    notes = cli.place / "notes.txt"
    notes.write_text("hello\n")
    for arguments in (
        ("exchange", "--market", f"replay:{notes}", "--data-dir", str(cli.data_dir)),
        ("record", "--out", str(notes)),
        ("exchange", "--market", "live:https://x", "--data-dir", str(cli.data_dir)),
        ("exchange", "--market", "dream", "--data-dir", str(cli.data_dir)),
    ):
        assert cli.run(*arguments).code == 2, arguments
    assert notes.read_text() == "hello\n"
