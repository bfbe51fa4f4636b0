"""Planted bugs: patches of the order path, each a mistake a good engineer could make, applied to copies of engine/.

``python -m tests.chaos.planting`` lists them and tells which apply; with ``NAME FOLDER`` it makes a copy with that one
planted, and runs in it the command that follows, if one does. The checkout itself is never changed.

For other programs: ``patches()`` lists what there is, ``apply_patch(name, folder)`` plants one in a fresh copy and
returns the folder, ``run_in(folder, command)`` runs a command whose ``import engine`` finds that copy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PLANTED = Path(__file__).parent / "planted"
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class PatchFault(Exception):
    """A patch that cannot be read, or that does not fit the engine any more. Names the patch and the file."""


class Hunk(NamedTuple):
    """Replace ``old`` by ``new`` (whole lines, context included) in ``file``, named from the root (``engine/…``)."""

    file: str
    old: str
    new: str


class Patch(NamedTuple):
    """One planted bug. ``mistake`` says in one sentence what it does wrong."""

    name: str
    mistake: str
    hunks: tuple[Hunk, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files it changes, named from the root."""
        return tuple(dict.fromkeys(hunk.file for hunk in self.hunks))


def patches(place: Path = PLANTED) -> list[Patch]:
    """Return every patch of a directory, by name. Raises PatchFault for one that is no unified diff of engine/."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(place.glob("*.patch"))]


def named(name: str) -> Patch:
    """Return one planted bug. Raises PatchFault when there is none of that name."""
    path = PLANTED / f"{name}.patch"
    if not path.is_file():
        raise PatchFault(f"{name}: no such patch in {PLANTED.name}/")
    return parse(name, path.read_text(encoding="utf-8"))


def patched(patch: Patch, root: Path = ROOT) -> dict[str, str]:
    """Return the new text of every file that a patch changes, by its name from ``root``; nothing is written.

    A hunk must fit exactly one place, wherever that has moved to: its line numbers count for nothing. Raises
    PatchFault for one that fits none, or several.
    """
    texts: dict[str, str] = {}
    for hunk in patch.hunks:
        text = texts.get(hunk.file)
        if text is None:
            text = _read(patch.name, root / hunk.file)
        places = list(_places(text, hunk.old))
        if len(places) != 1:
            first = next((line for line in hunk.old.splitlines() if line.strip()), "").strip()
            raise PatchFault(f"{patch.name}: a hunk fits {len(places)} places of {hunk.file}, near: {first}")
        at = places[0]
        texts[hunk.file] = text[:at] + hunk.new + text[at + len(hunk.old) :]
    return texts


def apply_patch(name: str, folder: Path) -> Path:
    """Copy engine/ into ``folder`` (made if missing; it must hold no engine/), plant a bug there, return ``folder``.

    Compiled files come along, so that a start is no slower than the checkout's. Raises PatchFault, and leaves no copy,
    when the patch does not apply; FileExistsError when an engine/ is there already.
    """
    changed = patched(named(name))
    shutil.copytree(ROOT / "engine", folder / "engine", ignore=shutil.ignore_patterns("*.pyc.*"))
    for file, text in changed.items():
        path = folder / file
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            stale.unlink()  # by its time and size alone it could pass for fresh
        path.write_text(text, encoding="utf-8")
    return folder


def run_in(
    folder: Path, command: Sequence[str], timeout_s: float | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder made by ``apply_patch``, whose engine/ it imports; its output is captured as text.

    ``more`` are further environment variables. The exit code is the caller's to judge. Raises subprocess.TimeoutExpired
    (the command is killed then).
    """
    env = {**os.environ, "PYTHONPATH": str(folder), **more}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)


def parse(name: str, text: str) -> Patch:
    """Read a unified diff whose first line is ``# `` and the mistake. Raises PatchFault."""
    lines = text.splitlines(keepends=True)
    if not lines or not lines[0].startswith("# "):
        raise PatchFault(f"{name}: its first line says no mistake")
    hunks: list[Hunk] = []
    file, at = "", 1
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("+++ b/engine/"):
            file = line.removeprefix("+++ b/").strip()
        elif (head := _HUNK.match(line)) is not None and file:
            hunk, at = _hunk(name, file, lines, at, int(head[1] or 1), int(head[2] or 1))
            hunks.append(hunk)
        elif not line.startswith("--- a/engine/"):
            raise PatchFault(f"{name}: line {at} belongs to no hunk of engine/: {line.strip()[:60]}")
    if not hunks:
        raise PatchFault(f"{name}: it changes nothing")
    return Patch(name, lines[0].removeprefix("# ").strip(), tuple(hunks))


def _hunk(name: str, file: str, lines: list[str], at: int, olds: int, news: int) -> tuple[Hunk, int]:
    """Read the lines that a hunk's head has announced; return it and where the next one begins."""
    old: list[str] = []
    new: list[str] = []
    while len(old) < olds or len(new) < news:
        line = lines[at] if at < len(lines) else ""
        if line[:1] not in (" ", "-", "+"):
            raise PatchFault(f"{name}: a hunk of {file} ends early, at line {at + 1}")
        if line[0] != "+":
            old.append(line[1:])
        if line[0] != "-":
            new.append(line[1:])
        at += 1
    return Hunk(file, "".join(old), "".join(new)), at


def _places(text: str, block: str) -> Iterator[int]:
    """Yield where a block of whole lines stands in a text."""
    at = text.find(block)
    while at >= 0:
        if at == 0 or text[at - 1] == "\n":
            yield at
        at = text.find(block, at + 1)


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PatchFault(f"{name}: {path.name} is gone") from None


def _list() -> int:
    """Print every patch and whether it applies; return how many do not."""
    faults = 0
    for patch in patches():
        try:
            patched(patch)
            print(f"{patch.name:34} {patch.mistake}")
        except PatchFault as fault:
            faults += 1
            print(f"DOES NOT APPLY  {fault}")
    return faults


def main(arguments: list[str]) -> int:
    """List, or plant one and run what follows; the exit code is the command's, or 1 when a patch does not apply."""
    if not arguments:
        return int(_list() > 0)
    if len(arguments) == 1:
        print("usage: python -m tests.chaos.planting [NAME FOLDER [COMMAND ...]]")
        return 2
    name, folder, *command = arguments
    place = apply_patch(name, Path(folder).absolute())
    print(f"{name} is planted in {place}")
    if not command:
        return 0
    done = run_in(place, command)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
