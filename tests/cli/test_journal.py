"""The verbs of the journal, and the diagrams that are drawn from it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import Cli, quick

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A data directory with one finished bracket, to be looked at only."""
    cli = Cli(tmp_path_factory.mktemp("written"))
    file = cli.place / "signals.jsonl"
    file.write_text(quick() + "\n")
    assert cli.run("run", "--signals", str(file), "--until-idle", "--data-dir", str(cli.data_dir)).code == 0
    yield cli
    cli.kill_all()


def test_verify_show_and_diagram(written: Cli) -> None:
    """A sound journal verifies; it shows its rows; an order is found by its beginning; its way is drawn."""
    place = ("--data-dir", str(written.data_dir))
    verified = written.run("journal", "verify", *place, "--json")
    assert (verified.code, verified.json["verified"]) == (0, True)
    shown = written.run("journal", "show", *place, "--json").json
    assert [row["seq"] for row in shown["rows"]] == list(range(1, verified.json["rows"] + 1))
    (order,) = {row["cl_ord_id"] for row in shown["rows"]} - {""}
    lines = written.run("journal", "show", *place, "--order", order[:6]).out.splitlines()
    assert lines[0].split("\t")[2] == "intent"
    assert "new → pending" in lines[2]
    drawn = written.run("diagram", "--machine", "order", "--order", order[:6], *place).out
    assert "new --> pending : 1 dispatch" in drawn
    assert "class settled last" in drawn
    bracket = written.run("diagram", "--machine", "bracket", "--order", order, *place, "--format", "md").out
    assert "| `entering` | `abandon` |  | `abandoned` | 1 |" in bracket
    unknown = written.run("journal", "show", *place, "--order", "ffffffffff")
    assert (unknown.code, "ffffffffff" in unknown.err) == (2, True)


def test_a_changed_row_is_kept_and_run_starts_halted(written: Cli, tmp_path: Path) -> None:
    """Verify names the row and says no more; run keeps the file aside, goes on from the sound rows, and denies."""
    changed = tmp_path / "changed"
    shutil.copytree(written.data_dir, changed)
    file = sqlite3.connect(changed / "journal.sqlite")
    with file:
        file.execute("UPDATE rows SET body = CAST(replace(body, 'limit', 'limiT') AS BLOB) WHERE seq = 3")
    file.close()
    verified = written.run("journal", "verify", "--data-dir", str(changed), "--json")
    assert (verified.code, verified.json["verified"], verified.json["bad_row"]) == (5, False, 3)
    assert "row 3" in verified.err
    damaged = (changed / "journal.sqlite").read_bytes()
    signals = tmp_path / "signals.jsonl"
    signals.write_text(quick(signal_id="22345678-1234-4678-8234-567812345678") + "\n")
    place = ("--until-idle", "--json", "--data-dir", str(changed))
    for _ in range(2):  # the halt outlives the restart
        ended = written.run("run", "--signals", str(signals), *place)
        (denied,) = [one for one in ended.json["brackets"] if one["signal_id"].startswith("22345678")]
        assert (ended.code, denied["outcome"]) == (4, "denied")
        assert denied["reason"].startswith("TRADING_HALTED: JOURNAL_CORRUPT")
        assert "engine resume --reason" in denied["reason"]
        signals.write_text(quick(signal_id="22345678-1234-4678-8234-567812345679") + "\n")
    (kept,) = changed.glob("journal.sqlite.corrupt-*")
    assert kept.read_bytes() == damaged
    assert written.run("journal", "verify", "--data-dir", str(changed)).code == 0


def test_a_changed_header_is_exit_5(written: Cli, tmp_path: Path) -> None:
    """Whose journal it is cannot be known: nothing is begun, nothing is moved."""
    changed = tmp_path / "changed"
    shutil.copytree(written.data_dir, changed)
    file = sqlite3.connect(changed / "journal.sqlite")
    with file:
        file.execute("UPDATE rows SET body = CAST(replace(body, 'kraken', 'krakem') AS BLOB) WHERE seq = 1")
    file.close()
    assert written.run("run", "--until-idle", "--json", "--data-dir", str(changed)).code == 5
    assert list(changed.glob("*.corrupt-*")) == []


def test_no_journal_is_exit_5(cli: Cli) -> None:
    """Nothing is made by looking."""
    ended = cli.run("journal", "verify", "--data-dir", str(cli.data_dir))
    assert (ended.code, "no journal" in ended.err, cli.data_dir.exists()) == (5, True, False)
