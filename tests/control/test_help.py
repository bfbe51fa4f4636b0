"""The help pages: complete, true to the code as far as a test can tell, and every example of them runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import engine.control.help as pages
from engine.cli.app import app
from engine.cli.catalogue import CATALOGUE
from engine.control.help import TOPICS, examples_of, load_page, to_html
from engine.orders.machine import ENDED
from engine.orders.signal import parse_signal

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")
CODES = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`")


@pytest.fixture(scope="module")
def sources() -> str:
    """Everything in which a word of ours can be defined."""
    files = [*(ROOT / "engine").rglob("*.py"), *(ROOT / "config").glob("*.toml")]
    return "\n".join(path.read_text() for path in files)


def test_every_page_is_a_topic_and_every_topic_a_page() -> None:
    there = {path.name.removesuffix(".md") for path in resources.files(pages).iterdir() if path.name.endswith(".md")}
    assert there == set(TOPICS)
    for name, about in TOPICS.items():
        page = load_page(name)
        assert page.text.startswith("# ")
        assert about
        assert "{{" not in page.text, "a part that is made was not"
    with pytest.raises(KeyError):
        load_page("no-such-page")


@pytest.mark.parametrize("name", TOPICS)
def test_examples_of_a_page_are_whole(name: str) -> None:
    """Commands parse, signals are signals; of the languages there is none that nobody checks."""
    found = examples_of(load_page(name))
    assert found or name in ("order-table", "parts")  # tables alone
    for example in found:
        if example.language == "sh":
            for line in example.text.splitlines():
                words = shlex.split(line)
                assert words[:3] == ["python", "-m", "engine"], line
                _, bound, _ = app.parse_args(words[3:], exit_on_error=False, print_error=False)
                bound.apply_defaults()
        elif example.language == "json":
            parse_signal(example.text)
        else:
            assert example.language == "python"


@pytest.mark.process
@pytest.mark.parametrize("name", [name for name in TOPICS if "```python" in load_page(name).text])
def test_programs_of_a_page_run(name: str, tmp_path: Path) -> None:
    """Each by itself, as it stands, in an interpreter of its own."""
    for example in examples_of(load_page(name)):
        if example.language == "python":
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", example.text],
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", TOPICS)
def test_a_page_names_nothing_that_is_not_there(name: str, sources: str) -> None:
    """Codes stand in the catalogue, settings and members in the code."""
    text = load_page(name).text
    assert set(CODES.findall(text)) <= {one.code for one in CATALOGUE}
    missing = [word for word in set(WORDS.findall(text)) if not re.search(rf"\b{word}\b", sources)]
    assert missing == []
    for path in re.findall(r"`((?:engine|tests)/[a-z_/.]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", TOPICS)
def test_a_page_is_html_without_markup_of_its_text(name: str) -> None:
    html = to_html(load_page(name))
    assert html.startswith("<h1>")
    assert "<script" not in html
    assert ("<table>" in html) == ("\n|---" in load_page(name).text or "| ---" in load_page(name).text)


def test_markup_inside_a_page_is_text() -> None:
    page = pages.Page("x", "y", "# a\n\n<script>alert(1)</script> [b](javascript:alert(1))\n")
    html = to_html(page)
    assert "<script" not in html
    assert 'href="javascript' not in html


def test_the_order_table_is_the_machines_own() -> None:
    """Every state stands there, the ended ones too."""
    text = load_page("order-table").text
    for state in ("new", "pending", "unknown", *ENDED):
        assert f"| `{state}` |" in text
