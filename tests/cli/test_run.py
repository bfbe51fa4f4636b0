"""The verb run, as real processes on the embedded exchange."""

from __future__ import annotations

import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli.app import main
from tests.cli.processes import Cli, Ended, quick, signal_line

pytestmark = pytest.mark.process

MEMBERS = {"ok", "brackets", "faults", "reports", "journal", "closes"}
BRACKET_MEMBERS = {"signal_id", "outcome", "orders", "net_qty", "realized_pnl", "fees", "reason"}
ORDER_MEMBERS = {"cl_ord_id", "order_id", "role", "states", "ord_status", "order_qty", "cum_qty", "avg_px"}


def write(place: Path, *lines: str) -> str:
    file = place / "signals.jsonl"
    file.write_text("".join(line + "\n" for line in lines))
    return str(file)


def run(cli: Cli, *lines: str, **more: Any) -> Ended:
    file = write(cli.place, *lines)
    return cli.run("run", "--signals", file, "--until-idle", "--json", "--data-dir", str(cli.data_dir), **more)


def start_and_wait(cli: Cli, *arguments: str, for_kind: str = "run.ready") -> Any:
    """Start a run and return once its log has told of an event."""
    process = cli.start("run", "--data-dir", str(cli.data_dir), *arguments)
    assert process.stderr is not None
    for line in process.stderr:
        if for_kind in line:
            return process
    raise AssertionError(f"ended without {for_kind}: {process.wait()}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, Ended]]:
    """One bracket's run that has ended, shared by those that only look at it or come after it."""
    cli = Cli(tmp_path_factory.mktemp("finished"))
    yield cli, run(cli, quick())
    cli.kill_all()


def test_json_object_has_the_agreed_members(finished: tuple[Cli, Ended]) -> None:
    """One object, its members pinned, amounts as plain strings, the journal verified."""
    cli, ended = finished
    assert ended.code == 0, ended.err
    told = ended.json
    assert set(told) == MEMBERS
    (bracket,) = told["brackets"]
    assert set(bracket) == BRACKET_MEMBERS
    assert (bracket["outcome"], bracket["net_qty"], bracket["realized_pnl"], bracket["fees"]) == ("abandoned", *"000")
    (order,) = bracket["orders"]
    assert set(order) == ORDER_MEMBERS
    assert (order["role"], order["ord_status"], order["order_qty"], order["cum_qty"]) == (
        "entry",
        "canceled",
        "0.002",
        "0",
    )
    assert order["states"][0] == "new"
    assert order["states"][-1] == "settled"
    assert told["ok"] is True
    assert told["faults"] == []
    assert told["reports"] > 0
    journal = told["journal"]
    assert (set(journal), journal["verified"]) == ({"path", "rows", "verified"}, True)
    assert journal["path"] == str(cli.data_dir / "journal.sqlite")


def test_a_malformed_line_is_told_with_all_its_faults_and_the_others_run(cli: Cli) -> None:
    """Exit code 4; the fault names its line; a repeat adds no bracket; a denied signal has no orders."""
    denied = quick(2, stop_loss={"trigger_price": "46000.0"})
    ended = run(cli, quick(), '{"side": "up"}', "", quick(), denied)
    assert ended.code == 4
    told = ended.json
    assert told["ok"] is False
    (fault,) = told["faults"]
    assert fault["line"] == 2
    assert len(fault["errors"]) > 3
    assert [bracket["outcome"] for bracket in told["brackets"]] == ["abandoned", "denied"]
    assert told["brackets"][1]["orders"] == []
    assert told["brackets"][1]["reason"].startswith("PRICES_OUT_OF_ORDER: ")


def test_other_content_under_a_known_id_is_denied(cli: Cli) -> None:
    """The first one runs; the second is one more bracket, denied with a code."""
    told = run(cli, quick(), quick(order_qty="0.003")).json
    assert [bracket["outcome"] for bracket in told["brackets"]] == ["abandoned", "denied"]
    assert told["brackets"][1]["reason"].startswith("SIGNAL_CONFLICT")


def test_a_second_run_repeats_nothing(finished: tuple[Cli, Ended]) -> None:
    """The same file again, on the same journal: no bracket, no order, exit code 0."""
    cli, first = finished
    assert first.code == 0
    again = run(cli, quick())
    assert (again.code, again.json["brackets"], again.json["reports"]) == (0, [], 0)


def test_what_did_nothing_is_told(finished: tuple[Cli, Ended]) -> None:
    """A signal that came before, a file without one: a person would wonder."""
    cli, _ = finished
    start = ("run", "--until-idle", "--data-dir", str(cli.data_dir), "--signals")
    (cli.place / "again.jsonl").write_text(quick() + "\n")
    assert "known already, nothing was done again" in cli.run(*start, str(cli.place / "again.jsonl")).out
    (cli.place / "empty.jsonl").write_text("\n")
    assert "no signal came from" in cli.run(*start, str(cli.place / "empty.jsonl")).out


def test_signals_come_from_standard_input(cli: Cli) -> None:
    """``-`` reads a pipe; its last line needs no newline."""
    ended = cli.run(
        "run",
        "--signals",
        "-",
        "--until-idle",
        "--json",
        "--data-dir",
        str(cli.data_dir),
        stdin=f"{quick()}\n{quick(2)}",
    )
    assert ended.code == 0, ended.err
    assert [bracket["signal_id"][-1] for bracket in ended.json["brackets"]] == ["1", "2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_in_order(cli: Cli, number: signal.Signals) -> None:
    """What is held stays covered and is told as detached; reading standard input does not delay it."""
    process = start_and_wait(cli, "--json", "--signals", "-")
    assert process.stdin is not None
    process.stdin.write(signal_line() + "\n")
    process.stdin.flush()
    assert process.stderr is not None
    next(line for line in process.stderr if "order.settled" in line)  # the entry has filled
    time.sleep(0.5)  # until its stop rests; an ending that begins earlier waits for it
    began = time.monotonic()
    ended = cli.interrupt(process, number)
    assert time.monotonic() - began < 10
    assert ended.code == 0, ended.err
    (bracket,) = ended.json["brackets"]
    assert bracket["outcome"] == "detached"
    assert (bracket["net_qty"], [order["role"] for order in bracket["orders"]]) == ("0.002", ["entry", "stop"])
    assert bracket["orders"][1]["ord_status"] == "open"
    assert ended.json["journal"]["verified"] is True
    again = cli.interrupt(start_and_wait(cli, "--json", for_kind="brackets.resumed"), number)
    assert (again.code, again.json["ok"]) == (0, True), again.err
    (resumed,) = again.json["brackets"]
    assert (resumed["outcome"], resumed["orders"]) == ("detached", bracket["orders"])


def test_text_output_is_plain_and_complete(cli: Cli) -> None:
    """Without --json: a line a report, then what each bracket came to, without control characters."""
    ended = cli.run("run", "--signals", write(cli.place, quick()), "--until-idle", "--data-dir", str(cli.data_dir))
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("http://127.0.0.1:")
    assert lines[1].startswith("time (UTC)")
    assert any(" entry " in line and " canceled " in line for line in lines)
    assert "signal 00000000: abandoned" in ended.out
    assert "chain verified" in lines[-1]
    assert "\x1b" not in ended.out


def test_a_reader_that_goes_away_ends_it_quietly(cli: Cli) -> None:
    """``run | head -1`` neither hangs nor complains of a broken pipe."""
    process = cli.start("run", "--signals", write(cli.place, signal_line()), "--data-dir", str(cli.data_dir))
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    assert process.stdout.readline().startswith("time")
    process.stdout.close()
    process.stdout = None
    ended = cli.end(process)
    assert "Broken" not in ended.err
    assert "Traceback" not in ended.err


def test_everything_in_the_data_directory_is_private(finished: tuple[Cli, Ended]) -> None:
    """Directory 0700, files 0600."""
    cli, _ = finished
    assert stat.S_IMODE(cli.data_dir.stat().st_mode) == 0o700
    for path in cli.data_dir.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--signals", "missing.jsonl"], 2, "missing.jsonl"),
        (["--nope"], 2, "--nope"),
    ],
)
def test_a_wrong_turn_is_one_clear_message(cli: Cli, arguments: list[str], code: int, words: str) -> None:
    """Exit code 2, the culprit named, no traceback."""
    ended = cli.run("run", "--data-dir", str(cli.data_dir), *arguments)
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--config", "missing.toml"], "missing.toml"), (["--log-level", "loud"], "log.level")]
)
def test_a_wrong_setting_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 2 before anything has begun."""
    assert main(["run", "--data-dir", str(tmp_path / "data"), *arguments]) == 2
    told = capsys.readouterr()
    assert (words in told.err, "Traceback" in told.err, told.out) == (True, False, "")
    assert not (tmp_path / "data").exists()


def test_an_unreachable_venue_is_exit_3(cli: Cli) -> None:
    """Nobody listens there: a sentence, and still the object."""
    config = cli.place / "c.toml"
    url = "127.0.0.1:9"
    config.write_text(
        f'venue = "simulated"\n[kraken]\nrest_url = "http://{url}"\nws_url = "ws://{url}/v2"\n'
        f'ws_auth_url = "ws://{url}/v2"\nconnect_timeout_s = 1\nread_timeout_s = 1\nopen_timeout_s = 1\n'
    )
    ended = cli.run(
        *("run", "--config", str(config), "--json", "--data-dir", str(cli.data_dir)),
        env={"ENGINE_API_KEY": "k" * 56, "ENGINE_API_SECRET": "c2VjcmV0" * 10},
    )
    assert ended.code == 3, ended.err
    assert ended.json["ok"] is False
    assert "Traceback" not in ended.err


def test_a_second_engine_on_the_same_journal_is_refused(cli: Cli) -> None:
    """Exit code 5, and the holder is named."""
    process = start_and_wait(cli)
    ended = cli.run("run", "--json", "--data-dir", str(cli.data_dir))
    assert ended.code == 5
    assert str(process.pid) in ended.err
    assert "submit FILE" in ended.err
    assert cli.interrupt(process).code == 0
