"""A process that writes a journal: PATH ROWS, or PATH endless. Prints sequence number and hash after each sync."""

from __future__ import annotations

import itertools
import sys
from decimal import Decimal
from pathlib import Path

import trio

from engine.journal import open_journal
from tests.journal.conftest import IDENTITY, StillClock


async def write(path: Path, rows: str) -> None:
    words = ("intent", "request", "answer", "fill")
    with open_journal(path, IDENTITY, StillClock()) as journal:
        for number in itertools.count() if rows == "endless" else range(int(rows)):
            body = {word: Decimal(number) for word in set(words)}  # a set of strings: its order is the hash seed's
            journal.append(words[number % 4], body, ts_ns=number, signal_id=f"s{number % 7}")
            await journal.sync()
            print(*journal.head, flush=True)


trio.run(write, Path(sys.argv[1]), sys.argv[2])
