"""Seeds worth keeping: a text file with a line each, ``weather seed  # what it once broke``."""

from __future__ import annotations

from pathlib import Path

from engine.chaos.weather import WEATHERS
from engine.errors import ConfigError


def read_corpus(path: Path) -> list[tuple[str, int]]:
    """Return (weather, seed) of every line. Raises ConfigError naming the line that is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in WEATHERS or not words[1].isdigit():
            raise ConfigError(f"{path}, line {number}: not a weather and a seed: {line.strip()!r}")
        found.append((words[0], int(words[1])))
    return found


def keep_seed(path: Path, weather: str, seed: int, why: str) -> None:
    """Add a seed unless the file has it already."""
    if path.exists() and (weather, seed) in read_corpus(path):
        return
    with path.open("a") as file:
        file.write(f"{weather} {seed}  # {why}\n")
