"""What the dashboard ships: pictures that are fresh, others' files that are theirs, nothing that asks anybody else."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from tests.browser.diagrams import MACHINES, PICTURES, digest

PAGES = PICTURES.parent
VENDOR = PAGES / "vendor"
OURS = [path for path in sorted(PAGES.rglob("*")) if path.is_file() and path.parent != VENDOR]


@pytest.mark.parametrize("name", MACHINES)
def test_a_shipped_picture_is_drawn_from_the_machine_as_it_is(name: str):
    """A changed machine makes its picture stale: just diagrams renews it."""
    svg = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert re.findall(r'data-source="(\w+)"', svg) == [digest(name)]
    states = {state.id for state in MACHINES[name].states}
    assert states <= set(re.findall(r"<title>([^<]+)</title>", svg))
    assert "style=" not in svg


def test_vendored_files_are_those_that_were_published():
    """Each has a version, a licence that lies beside it, and the hash it was published with; no other file is there."""
    manifest = tomllib.loads((VENDOR / "VENDORED.toml").read_text(encoding="utf-8"))
    listed = {"VENDORED.toml"}
    for one in manifest.values():
        assert one["version"]
        assert one["licence"] in (VENDOR / one["licence_file"]).read_text(encoding="utf-8")
        for name, file in one["files"].items():
            assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == file["sha256"], name
            listed.add(name)
    assert {path.name for path in VENDOR.iterdir()} == listed


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(PAGES).as_posix())
def test_our_files_name_no_other_host_and_keep_to_the_policy(path: Path):
    """No address but those of standards, no inline style or script, no markup made of text."""
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if path.suffix == ".html":
        assert not re.search(r'\sstyle=|\son\w+=|<script(?! (?:type="module"|defer) src="/static/)|<style', text)


def test_every_file_that_the_page_names_is_shipped():
    """Links of the page and imports of its modules lead to files."""
    index = (PAGES / "index.html").read_text(encoding="utf-8")
    for name in re.findall(r'(?:href|src)="/static/([^"]+)"', index):
        assert (PAGES / name).is_file(), name
    for module in (PAGES / "js").glob("*.js"):
        for name in re.findall(r'from "([^"]+)"', module.read_text(encoding="utf-8")):
            assert (module.parent / name).resolve().is_file(), (module.name, name)
