"""10 000 fills a day for a year: start-up with and without snapshots, memory. A twelfth of the year is really built.

``python -m tests.bench.year DIRECTORY`` is the process that is started on it; it prints what the start took. With a
number of fills behind it, that process builds a journal of so many first: 3650000 is the whole year.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from engine.accounts.ledger import Fact, Ledger
from engine.journal.opening import read_journal
from engine.journal.row import GENESIS, Row, canonical_body, row_hash
from engine.journal.snapshot import SNAPSHOT, Snapshot, Strand
from engine.orders.events import OrderEvent
from engine.orders.replay import Closed, Intent, Opened, Requested
from engine.orders.reports import Answer, Fill, Outcome
from engine.orders.signal import Signal
from engine.orders.specs import entry_order
from engine.runtime.account_desk import SNAPSHOT_FILLS
from engine.runtime.counting import Counting
from engine.runtime.ledger_rows import LEDGER_ROW
from engine.runtime.opening import JOURNAL_FILE
from engine.runtime.settings import EngineSettings
from engine.seams.chance import SeededChance
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty
from tests.bench.figures import Figure, Section
from tests.bench.money import YEAR_FILLS, facts
from tests.bench.rig import quiet
from tests.bench.start import embedded, opened

SHARE = 12
"""What is built is the year's fills divided by this; what grows with them is multiplied by it again."""
START_LIMIT_S, MEMORY_LIMIT = 10.0, 500 * 2**20
BATCH_ROWS = 10_000
SNAPSHOT_ROWS = EngineSettings().snapshot_rows or 0


class Started(msgspec.Struct):
    """What one start took: seconds to an open engine, by the clock and of the processor; resident bytes at most.

    ``rows`` are in the journal, ``walked`` of them were proved.
    """

    took_s: float
    own_s: float
    memory: int
    rows: int
    walked: int


class _Rows:
    """Rows as an engine writes them for fills of market entries: a signal, an order and nine rows each."""

    def __init__(self, seq: int, head: str, strand: Strand) -> None:
        self._seq, self._head, self._strand = seq, head, strand
        self._snapped_at = 0

    def of(self, fills: int) -> Iterator[Row]:
        """Yield them, with the ledger's rows and snapshots where an engine has them."""
        ledger = Ledger()
        for number, fact in enumerate(itertools.islice(facts(random.Random(4)), fills)):
            yield from self._fill(number, fact)
            ledger.book(fact)
            if (number + 1) % SNAPSHOT_FILLS == 0:
                yield self._of_none(LEDGER_ROW, ledger.books(), fact.ts_ns)
                ledger.forget_days()
            if self._seq - self._snapped_at >= SNAPSHOT_ROWS:
                self._snapped_at = self._seq
                yield self._of_none(SNAPSHOT, Snapshot(self._seq, self._head, {"": self._strand}), fact.ts_ns)

    def _fill(self, number: int, fact: Fact) -> Iterator[Row]:
        signal_id, name, at = f"signal-{number}", f"order-{number}", fact.ts_ns
        signal = Signal(signal_id, fact.symbol, fact.side, "market", Qty(fact.qty), None, fact.strategy_id)
        spec = entry_order(signal, _market(fact.symbol, fact.base, fact.quote), name)
        fill = Fill(f"T{number}", Qty(fact.qty), Price(fact.cost / fact.qty), fact.cost, fact.fees, "taker", at)
        bodies: tuple[tuple[str, msgspec.Struct], ...] = (
            ("intent", Intent(spec, "entry", "")),
            ("request", Requested(spec, "ws", GENESIS, at)),
            ("order", OrderEvent("dispatch", "new", "pending", at)),
            ("answer", Answer("new", name, Outcome.ACCEPTED, at, f"V{number}", transport="ws")),
            ("order", OrderEvent("accept", "pending", "open", at)),
            ("order", OrderEvent("trade", "open", "filled", at, fill=fill)),
            ("order", OrderEvent("settle", "filled", "settled", at)),
        )
        yield self._row("signal", Opened(signal, _market(fact.symbol, fact.base, fact.quote)), at, signal_id)
        for kind, body in bodies:
            yield self._row(kind, body, at, signal_id, name)
        yield self._row("closed", Closed("flat", Qty(Decimal(0)), ""), at, signal_id)

    def _of_none(self, kind: str, body: msgspec.Struct, ts_ns: int) -> Row:
        row = self._row(kind, body, ts_ns)
        self._strand = self._strand.extended((row,))
        return row

    def _row(self, kind: str, body: msgspec.Struct, ts_ns: int, signal_id: str = "", cl_ord_id: str = "") -> Row:
        self._seq += 1
        columns: tuple[Any, ...] = (self._seq, ts_ns, kind, signal_id, cl_ord_id, 0, canonical_body(body))
        self._head = row_hash(self._head, Row(*columns, GENESIS))
        return Row(*columns, self._head)


def _market(symbol: str, base: str, quote: str) -> Instrument:
    tick, least = Price(Decimal("0.1")), Qty(Decimal("1E-4"))
    return Instrument(symbol, base, quote, "online", 1, tick, 8, Qty(Decimal("1E-8")), least, 5, Decimal("0.5"))


def fill_journal(path: Path, fills: int) -> None:
    """Write the rows of so many fills behind those that are there: past the engine, into its tables."""
    with read_journal(path) as journal:
        seq, head = journal.head
        rows = _Rows(seq, head, Strand().extended(journal.rows(signal_id=""))).of(fills)
    with contextlib.closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA synchronous=OFF")
        while batch := [msgspec.structs.astuple(row) for row in itertools.islice(rows, BATCH_ROWS)]:
            store.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", batch)
            store.commit()
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def start(directory: Path, fills: int = 0) -> Started:
    """Open an engine in this process, on a journal to which so many fills are added first."""
    quiet()
    async with embedded(chance=SeededChance("year")) as (exchange, port):
        if fills:
            async with opened(exchange, port, directory):
                pass
            fill_journal(directory / JOURNAL_FILE, fills)
        began_s, began_own_s = time.perf_counter(), time.process_time()
        async with opened(exchange, port, directory) as engine:
            took_s, own_s = time.perf_counter() - began_s, time.process_time() - began_own_s
            memory = _memory()
            footing = engine.journal.footing
    return Started(took_s, own_s, memory, footing.rows, footing.walked)


def _memory() -> int:
    """Return the most this process has had resident, in bytes; getrusage would count the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def _in_a_process(directory: Path, *fills: str) -> Started:
    command = [sys.executable, "-m", "tests.bench.year", str(directory), *fills]
    done = await trio.run_process(command, capture_stdout=True)
    return msgspec.json.decode(done.stdout, type=Started)


def _without(path: Path) -> float:
    """Walk and replay as a start does that has no snapshot; returns the processor's seconds."""
    began_s = time.process_time()
    with read_journal(path) as journal:
        journal.verify()
        if Counting.of(journal).brackets:
            raise RuntimeError("every bracket has ended")
    return time.process_time() - began_s


async def measure(directory: Path) -> list[Section]:
    """Start on an empty journal and on a twelfth of a year; then read that one as if it had no snapshot."""
    fills = YEAR_FILLS // SHARE
    empty = await _in_a_process(directory / "empty")
    built = await _in_a_process(directory / "year", str(fills))
    again = [await _in_a_process(directory / "year") for _ in range(3)]
    took_s, own_s = (sorted(seconds)[1] for seconds in ([x.took_s for x in again], [x.own_s for x in again]))
    memory = max(one.memory for one in again)
    whole_s = await trio.to_thread.run_sync(partial(_without, directory / "year" / JOURNAL_FILE))
    year_s = empty.own_s + SHARE * max(0.0, own_s - empty.own_s)
    year_memory = empty.memory + SHARE * max(0, memory - empty.memory)
    size = (directory / "year" / JOURNAL_FILE).stat().st_size
    figures = [
        Figure(f"processor time of a start on {fills:,} fills", "s", len(again), own_s, limit=START_LIMIT_S),
        Figure("the same on an empty journal", "s", 1, empty.own_s, floor=True, times_p50=own_s / empty.own_s),
        Figure("the same by the clock, venue's answers included", "s", len(again), took_s, limit=START_LIMIT_S),
        Figure("processor time without snapshots: chain walked, every row replayed", "s", 1, whole_s),
        Figure("a year's start, by what grew", "s", 1, year_s, limit=START_LIMIT_S),
        Figure("a year's start without snapshots, likewise", "s", 1, SHARE * whole_s),
        Figure("resident memory at most, exchange included", "B", len(again), float(memory), limit=MEMORY_LIMIT),
        Figure(
            "the same on an empty journal", "B", 1, float(empty.memory), floor=True, times_p50=memory / empty.memory
        ),
        Figure("a year's, by what grew", "B", 1, float(year_memory), limit=MEMORY_LIMIT),
    ]
    notes = [
        f"{built.rows:,} rows, {size / 2**20:,.0f} MiB: a year would be {SHARE} times that",
        f"a start walks {again[0].walked:,} of them; an engine takes a snapshot every {SNAPSHOT_ROWS:,} rows",
        "written past the engine; every bracket has ended. Cost of a fill beside its floor: --only money",
    ]
    return [Section(f"A year of 10 000 fills a day: 1/{SHARE} of it built, in processes of their own", figures, notes)]


if __name__ == "__main__":
    asked = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sys.stdout.buffer.write(msgspec.json.encode(trio.run(start, Path(sys.argv[1]), asked)) + b"\n")
