"""The demo, as a person and as a program see it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.processes import ROOT, Cli, Ended

pytestmark = pytest.mark.process


def test_demo_tells_a_whole_bracket_also_from_the_wheel(cli: Cli) -> None:
    """In words from the checkout, as an object from the built wheel in another directory; both at the same time."""
    site = unpacked_wheel(cli.place)
    told = cli.start("demo", "--json", env={"PYTHONPATH": str(site), "TMPDIR": str(cli.place)})
    check_words(cli.run("demo", env={"TMPDIR": str(cli.place)}))
    check_object(cli.end(told))


def check_words(ended: Ended) -> None:
    """An entry in three parts, covered each time, the target, flat; then path, journal, diagrams, next steps."""
    assert ended.code == 0, ended.err
    for words in ("open → partial", "partial → partial", "partial → filled", "exiting → flat", "│ settled │", "◉ flat"):
        assert words in ended.out
    assert ended.out.count("covering → covered") >= 3
    assert "python -m engine journal verify --data-dir" in ended.out
    assert "\x1b" not in ended.out
    assert [line for line in ended.err.splitlines() if "JOURNAL_SLOW" not in line] == [], "a slow disk may be told"


def unpacked_wheel(place: Path) -> Path:
    """Build and unpack the wheel, which holds its data files; its defaults need no file beside it."""
    pytest.importorskip("hatchling")
    wheel = build_wheel(place)
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("py.typed", "__init__.pyi", "cli/demo_market.toml", "cli/demo_signal.jsonl", "config/engine.toml"):
        assert f"engine/{name}" in names
    site = place / "site"
    zipfile.ZipFile(wheel).extractall(site)
    return site


def check_object(ended: Ended) -> None:
    """The outcome and the orders of the bracket, as ``run --json`` tells them."""
    assert ended.code == 0, ended.err
    told = ended.json
    (bracket,) = told["brackets"]
    assert (told["ok"], bracket["outcome"], bracket["net_qty"]) == (True, "target", "0")
    entry = bracket["orders"][0]
    assert entry["states"] == ["new", "pending", "open", "partial", "filled", "settled"]
    assert (entry["order_qty"], entry["cum_qty"], entry["avg_px"]) == ("0.02", "0.02", "50000")
    roles = [order["role"] for order in bracket["orders"]]
    assert (roles[0], set(roles[1:-1]), roles[-1]) == ("entry", {"stop"}, "target")  # a stop may be amended instead
    assert told["journal"]["verified"]


def build_wheel(place: Path) -> Path:
    """Build without isolation: the backend is of the dev extra, nothing is fetched."""
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", code, str(place)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return place / built.stdout.splitlines()[-1]
