"""Bans no linter knows: raw clocks, chance and threads outside the seams; what the repository must not hold."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEAMS = ROOT / "engine" / "seams"

BANNED_CALLS = re.compile(
    r"time\.(time|monotonic|perf_counter|process_time|thread_time)(_ns)?$"
    r"|time\.(sleep|localtime|gmtime|ctime|strftime)$"
    r"|datetime\.(datetime\.)?(now|utcnow|today)$|datetime\.(date\.)?today$"
    r"|uuid\.uuid(1|4|6|7|8)$"
    r"|random\.(?!Random$)[a-z_]+$|random\.SystemRandom$"
    r"|secrets\.|os\.(urandom|getrandom)$"
    r"|trio\.(to_thread|from_thread)\b"
)
BANNED_MODULES = {"asyncio", "threading", "_thread", "concurrent", "multiprocessing", "secrets", "queue"}
TOP_LEVEL = {"pyproject.toml", "engine", "tests", "config", "README.md", "justfile", "LICENSE"}


class _Lint(ast.NodeVisitor):
    """Finds banned names through whatever alias a file imported them by."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._names: dict[str, str] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)
            first = alias.name.partition(".")[0]
            self._names[alias.asname or first] = alias.name if alias.asname else first

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        self._check_module(node, module)
        for alias in node.names:
            full = f"{module}.{alias.name}"
            self._names[alias.asname or alias.name] = full
            self._check_name(node, full)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        full = self._full_name(node)
        if full is None:
            self.generic_visit(node)
        else:
            self._check_name(node, full)

    def visit_Name(self, node: ast.Name) -> None:
        # The import of a banned function is reported once, at the import; here only what a module alias hides.
        return

    def visit_Call(self, node: ast.Call) -> None:
        if not node.args and not node.keywords and self._full_name(node.func) == "random.Random":
            self.found.append((node.lineno, "random.Random() without a seed"))
        self.generic_visit(node)

    def _full_name(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._full_name(node.value)
            return None if base is None else f"{base}.{node.attr}"
        return None

    def _check_module(self, node: ast.stmt, module: str) -> None:
        if module.partition(".")[0] in BANNED_MODULES:
            self.found.append((node.lineno, module))

    def _check_name(self, node: ast.AST, full: str) -> None:
        if BANNED_CALLS.match(full):
            self.found.append((getattr(node, "lineno", 0), full))


def _banned(source: str) -> list[tuple[int, str]]:
    lint = _Lint()
    lint.visit(ast.parse(source))
    return sorted(set(lint.found))


def test_no_raw_clock_chance_or_thread_outside_the_seams() -> None:
    """Time, randomness, ids and threads come in through engine.seams alone."""
    faults = [
        f"{file.relative_to(ROOT)}:{line}: {what} (only engine/seams may)"
        for file in sorted((ROOT / "engine").rglob("*.py"))
        if not file.is_relative_to(SEAMS)
        for line, what in _banned(file.read_text())
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import time\ntime.time()", 2),
        ("import time\nx = time.monotonic", 2),
        ("import time as t\nt.perf_counter_ns()", 2),
        ("from time import time_ns", 1),
        ("from time import sleep as nap", 1),
        ("import datetime\ndatetime.datetime.now(tz)", 2),
        ("import datetime as dt\ndt.datetime.utcnow()", 2),
        ("from datetime import datetime\ndatetime.today()", 2),
        ("from datetime import date\ndate.today()", 2),
        ("import uuid\nuuid.uuid4()", 2),
        ("from uuid import uuid1", 1),
        ("import random\nrandom.random()", 2),
        ("import random\nrandom.shuffle(x)", 2),
        ("from random import choice", 1),
        ("import random\nrandom.Random()", 2),
        ("from random import Random\nRandom()", 2),
        ("import random\nrandom.SystemRandom()", 2),
        ("import secrets", 1),
        ("from secrets import token_hex", 1),
        ("import os\nos.urandom(8)", 2),
        ("from os import urandom", 1),
        ("import threading", 1),
        ("def f():\n    import threading", 2),
        ("from concurrent.futures import ThreadPoolExecutor", 1),
        ("import trio\nawait_ = trio.to_thread.run_sync", 2),
        ("from trio import to_thread", 1),
        ("from trio.to_thread import run_sync", 1),
        ("import trio.to_thread as threads\nthreads.run_sync(f)", 2),
        ("import asyncio", 1),
    ],
)
def test_lint_finds_planted(source: str, line: int) -> None:
    """Each banned call is found at its line, through aliases and from-imports too."""
    assert [number for number, _ in _banned(source)][-1:] == [line]


@pytest.mark.parametrize(
    "source",
    [
        "import random\ndef f(rng: random.Random) -> None:\n    rng.random()",
        "import random\nrandom.Random('seed/tag')",
        "import trio\ntrio.sleep(1)\ntrio.current_time()",
        "from datetime import UTC, datetime\ndatetime.fromtimestamp(1, UTC)",
        "import uuid\nuuid.UUID(bytes=b'x' * 16)",
        "def f(time):\n    return time.time()",
        "import os\nos.getpid()",
    ],
)
def test_lint_leaves_the_rest_alone(source: str) -> None:
    """Types, seeded generators and trio's own time are what the ban wants."""
    assert _banned(source) == []


def _repository_files() -> list[Path]:
    """Return what is in the repository or about to be: tracked files, and new ones that are not ignored."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def _texts() -> Iterator[tuple[Path, int, str]]:
    for file in _repository_files():
        try:
            lines = file.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, start=1):
            yield file.relative_to(ROOT), number, line


# Put together here, so that this file does not hold what it looks for.
_INDEXES = ("py" + "pi.org", "python" + "hosted", "simple" + "/pip", "npm" + "js", "index" + "-url", "index" + "_url")
_INDEXES_ALLOWED = re.compile("--no-emit-" + "index" + "-url")
_MACHINE = ("/" + "work/", "/" + "opt/venv", "/" + "root/", "/" + "home/", "/" + "Users/", "." + "pyenv")
_POSTPONED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the machine's business."""
    faults = [
        f"{file}:{number}: {line.strip()[:80]}"
        for file, number, line in _texts()
        if any(host in _INDEXES_ALLOWED.sub("", line).lower() for host in _INDEXES)
    ]
    assert not faults, "\n".join(faults)


def test_no_file_names_a_place_of_one_machine() -> None:
    """Nothing in the project reads outside its root, and nothing tells where it was written."""
    faults = [
        f"{file}:{number}: {line.strip()[:80]}"
        for file, number, line in _texts()
        if any(re.search(r"(?<![\w.])" + re.escape(place), line) for place in _MACHINE)
    ]
    assert not faults, "\n".join(faults)


def test_nothing_is_postponed_in_comments() -> None:
    """What is left to do stands in an issue."""
    faults = [f"{file}:{number}: {line.strip()[:80]}" for file, number, line in _texts() if _POSTPONED.search(line)]
    assert not faults, "\n".join(faults)


def test_top_level_is_what_it_was_agreed_to_be() -> None:
    """Nothing new lands beside the rooms."""
    top = {file.relative_to(ROOT).parts[0] for file in _repository_files()}
    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL
