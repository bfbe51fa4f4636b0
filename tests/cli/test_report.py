"""The verb report: a day that is whole, self-contained and true to its journal."""

from __future__ import annotations

import signal
import xml.dom.minidom
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.cli.report.svg import bar_chart, line_chart, strip_chart
from tests.cli.processes import Cli, Ended, quick, signal_line

DENIED = signal_line(3, order_qty="0.00000001")


class _Requests(HTMLParser):
    """Collects whatever could leave the machine or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "form"):
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A dead engine's journal: one bracket bought and flattened, one that nobody filled, one denied."""
    cli = Cli(tmp_path_factory.mktemp("written"))
    (cli.place / "s.jsonl").write_text("\n".join((signal_line(1), quick(2), DENIED)) + "\n")
    process = cli.start(
        *("run", "--signals", "s.jsonl", "--on-stop", "flatten", "--data-dir", str(cli.data_dir), "--seed", "7")
    )
    assert process.stdout is not None
    for line in process.stdout:
        if " stop " in line and " new " in line:
            break
    process.send_signal(signal.SIGINT)
    cli.end(process)
    yield cli
    cli.kill_all()


def told(cli: Cli, *arguments: str) -> Ended:
    return cli.run("report", "--data-dir", str(cli.data_dir), *arguments)


@pytest.mark.process
def test_the_day_of_a_dead_engine_is_told_whole(written: Cli) -> None:
    """Profit is that of the fills, less their fees; each signal stands there, the denied one with its reason."""
    ended = told(written, "--json")
    assert ended.code == 0, ended.err
    day: dict[str, Any] = ended.json["day"]
    assert {one["signal_id"][-1]: one["outcome"] for one in day["signals"]} == {"1": "flattened", "2": "abandoned"}
    assert [one["code"] for one in day["denials"]] == ["BELOW_MINIMUM_QTY"]
    sums = {"buy": Decimal(0), "sell": Decimal(0)}
    for fill in day["fills"]:
        sums[fill["side"]] += Decimal(fill["last_qty"]) * Decimal(fill["last_px"])
    (last,) = day["profit"]
    assert Decimal(last["profit"]) == sums["sell"] - sums["buy"] - Decimal(day["fees"]["USD"])
    assert {one["name"] for one in day["latencies"]} >= {"signal to decision", "wire to answer", "first fill to cover"}
    assert "hold together" in ended.json["proof"]


@pytest.mark.process
def test_the_page_needs_nothing_but_itself(written: Cli, tmp_path: Path) -> None:
    """No script, no request, a policy that forbids both; readable by its owner alone; every plot is there."""
    out = tmp_path / "day.html"
    ended = told(written, "--out", str(out))
    assert ended.code == 0, ended.err
    text = out.read_text()
    reader = _Requests()
    reader.feed(text)
    assert reader.found == []
    assert "default-src 'none'" in text
    assert "prefers-color-scheme" in text
    assert "@media print" in text
    assert out.stat().st_mode & 0o777 == 0o600
    assert text.count("<svg") == 3
    assert "BELOW_MINIMUM_QTY" in text


@pytest.mark.process
def test_another_day_is_empty_and_a_wrong_one_is_named(written: Cli, tmp_path: Path) -> None:
    empty = told(written, "--json", "--day", "2020-02-29").json["day"]
    assert (empty["name"], empty["signals"], empty["fills"]) == ("2020-02-29", [], [])
    out = tmp_path / "empty.html"
    assert told(written, "--day", "2020-02-29", "--out", str(out)).code == 0
    assert "None." in out.read_text()
    wrong = told(written, "--day", "tomorrow", "--json")
    assert (wrong.code, "--day is a date" in wrong.err) == (2, True)
    assert told(written).code == 2
    nowhere = written.run("report", "--json", "--data-dir", str(tmp_path / "nowhere"))
    assert (nowhere.code, "Traceback" in nowhere.err) == (5, False), nowhere.err


@pytest.mark.parametrize(
    "drawn",
    [
        line_chart([(1.0, 5.0), (2.0, -3.0)], "USD", (0.0, 24.0), 'a <"title">'),
        line_chart([], "USD", (0.0, 24.0), "empty"),
        bar_chart([("<b>", 1.0), ("c", -2.0)], "bps", "bars"),
        bar_chart([], "bps", "none"),
        strip_chart([("a & b", [0.0, 1.0, 5000.0])], "ms", "strip"),
        strip_chart([("one", [1.0])], "ms", "strip"),
    ],
)
def test_plots_are_well_formed_whatever_they_draw(drawn: str) -> None:
    """Markup in names is escaped, and no number is not a number."""
    found = xml.dom.minidom.parseString(drawn)
    assert found.documentElement is not None
    assert found.documentElement.tagName == "svg"
    assert "nan" not in drawn
    assert "inf" not in drawn
