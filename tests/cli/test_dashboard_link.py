"""Where the dashboard is: alone on the first line, with a token that opens it, and on a free port if need be."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import Cli, Ended, quick

pytestmark = pytest.mark.process

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/#token=[0-9a-f]{64}")


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    cli.kill_all()


def run(cli: Cli, *more: str, **env: str) -> Ended:
    (cli.place / "signals.jsonl").write_text(quick() + "\n")
    arguments = ("run", "--signals", "signals.jsonl", "--until-idle", "--data-dir", str(cli.data_dir), *more)
    return cli.run(*arguments, env={"ENGINE_CONTROL__PORT": "0", **env})


def test_the_link_stands_alone_on_the_first_line_and_nowhere_else(cli: Cli) -> None:
    """On stdout; with --json on stderr, where stdout is one JSON object. Its token is told that once."""
    plain = run(cli)
    first, *rest = plain.out.splitlines()
    assert LINK.fullmatch(first)
    assert "http://" not in "\n".join(rest)
    assert first.partition("=")[2] not in plain.err + "\n".join(rest)
    as_json = run(cli, "--json")
    assert as_json.json["journal"]["verified"]
    first, *rest = as_json.err.splitlines()
    assert LINK.fullmatch(first)
    assert first.partition("=")[2] not in as_json.out + "\n".join(rest)
    assert not (cli.data_dir / "control.access").exists()


def test_a_taken_port_is_said_and_a_free_one_found(cli: Cli) -> None:
    """The first line is still the address, the right one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run(cli, "--json", ENGINE_CONTROL__PORT=str(port))
    first = ended.err.splitlines()[0]
    found = LINK.fullmatch(first)
    assert found
    assert int(found[1]) != port
    assert "control.port_taken" in ended.err


def test_a_token_that_was_set_is_not_shown_and_tcp_can_be_left_out(cli: Cli) -> None:
    """Who set it knows it; a log that keeps standard output learns nothing."""
    ended = run(cli, ENGINE_CONTROL__TOKEN="set-by-its-owner-1")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", ended.out.splitlines()[0])
    assert "set-by-its-owner-1" not in ended.out + ended.err
    without = run(cli, ENGINE_CONTROL__TCP="false")
    assert "http://" not in without.out
    assert without.code == 0
