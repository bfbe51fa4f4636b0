"""What money costs: a fill booked, profit told, and a start on a year of 10 000 fills a day."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import trio

from engine.accounts.ledger import DAY_NS, Fact, Ledger
from engine.accounts.movement import Movement
from engine.accounts.reconciliation import Reconciliation
from engine.journal.header import header_row
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.journal.row import GENESIS, Row, canonical_body, sealed
from engine.journal.sqlite_store import create_sqlite
from engine.orders.commands import NewOrder
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent, Opened
from engine.orders.reports import Fee, Fill
from engine.orders.signal import Signal
from engine.orders.specs import entry_order
from engine.runtime.account_desk import SNAPSHOT_FILLS
from engine.runtime.balance_desk import changes_of
from engine.runtime.ledger_rows import LEDGER_ROW, read_ledger
from engine.runtime.money_views import pnl_of
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty, Side
from engine.venue.protocol import VenueIdentity
from tests.bench.figures import Figure, Section, against, spread

SYMBOLS, STRATEGIES = 20, 5
FILLS_A_DAY, DAYS = 10_000, 365
YEAR_FILLS = FILLS_A_DAY * DAYS
WARM_UP, ROUNDS = 500, 5_000
STORED_FILLS = (10_000, 40_000)
"""Journals of one and of four days: a start that took longer on the longer one would not be one for a year."""
START_LIMIT_S = 1.0
T0 = 20_000 * DAY_NS
MINUTE_NS = DAY_NS // 1440
USD = {"USD": Decimal(1)}


def facts(rng: random.Random) -> Iterator[Fact]:
    """Fills that go both ways, spread over markets, strategies and a year, without end."""
    for number in itertools.count():
        side: Side = "buy" if rng.random() < 0.5 else "sell"
        qty, price = Decimal(rng.randrange(1, 10**8)).scaleb(-8), Decimal(rng.randrange(10**5, 10**6)).scaleb(-1)
        cost = (qty * price).quantize(Decimal("0.00001"))
        symbol = number % SYMBOLS
        yield Fact(
            strategy_id=f"s{number % STRATEGIES}",
            symbol=f"C{symbol}/USD",
            base=f"C{symbol}",
            quote="USD",
            side=side,
            qty=qty,
            cost=cost,
            ts_ns=T0 + number * DAY_NS // FILLS_A_DAY,
            fees=(Fee("USD", (cost / 400).quantize(Decimal("0.00001"))),),
        )


class _Floor:
    """The least that counting a fill takes: two sums and a fee, in Decimal."""

    def __init__(self) -> None:
        self.qty: dict[str, Decimal] = {}
        self.cost: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}

    def book(self, fact: Fact) -> None:
        """Add one fill up."""
        sign = 1 if fact.side == "buy" else -1
        self.qty[fact.symbol] = self.qty.get(fact.symbol, Decimal(0)) + sign * fact.qty
        self.cost[fact.symbol] = self.cost.get(fact.symbol, Decimal(0)) - sign * fact.cost
        for fee in fact.fees:
            self.fees[fee.asset] = self.fees.get(fee.asset, Decimal(0)) + fee.qty


def _times(act: Callable[[Fact], object]) -> list[float]:
    seconds: list[float] = []
    for fact in itertools.islice(facts(random.Random(1)), WARM_UP + ROUNDS):
        began_s = time.perf_counter()
        act(fact)
        seconds.append(time.perf_counter() - began_s)
    return seconds[WARM_UP:]


def _per_fill() -> Section:
    ledger, floor, balances, count = Ledger(), _Floor(), Reconciliation(), itertools.count()
    balances.opened({"USD": Decimal(10**9)}, T0)

    def book(fact: Fact) -> None:
        ledger.book(fact)
        ledger.raise_peak(USD)

    def reconcile(fact: Fact) -> None:
        balances.filled(f"T{next(count)}", changes_of(fact), fact.ts_ns - DAY_NS, fact.ts_ns)

    lender = Ledger()

    def lend(fact: Fact) -> None:
        name = f"T{next(count)}"
        lender.book(msgspec.structs.replace(fact, margin=True, exec_id=name, traded_ns=fact.ts_ns))
        entry = Movement(f"L{name}", name, "margin", "USD", Decimal(0), 2 * fact.fees[0].qty, fact.ts_ns)
        charge = lender.charges.charge(entry, fact.ts_ns, fact.ts_ns - MINUTE_NS)
        if charge is not None:
            lender.charge(charge)

    figures = [
        *against(spread("a fill booked: position, profit, fees, day, peak", _times(book)),
                 spread("floor: three sums", _times(floor.book))),
        spread("a fill on margin booked, and the entry of its opening fee", _times(lend)),
        spread("the same fill handed to the reconciliation", _times(reconcile)),
        spread(
            f"profit by strategy told, {len(ledger.results)} results",
            _times(lambda _: pnl_of(ledger, (), "strategy", {}, lambda a, b: None))[:500],
        ),
    ]  # fmt: skip
    return Section("Money, cost of a fill", figures)


def _memory() -> Section:
    """Book a year; days that have ended are dropped as their rows are written."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    ledger = Ledger()
    for number, fact in enumerate(itertools.islice(facts(random.Random(2)), 50_000)):
        ledger.book(msgspec.structs.replace(fact, ts_ns=T0 + number * 365 * DAY_NS // 50_000))
        if number % SNAPSHOT_FILLS == 0:
            ledger.forget_days()
    ledger.forget_days()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = len(canonical_body(ledger.books()))
    rows = YEAR_FILLS / SNAPSHOT_FILLS
    return Section(
        f"Money, memory: {len(ledger.results)} strategies in markets over 365 days",
        [
            Figure("the ledger in memory", "B", 1, float(held - before)),
            Figure("one snapshot in the journal", "B", 1, float(size)),
            Figure("snapshots of a year of 10 000 fills a day", "B", 1, size * rows),
        ],
        ["neither grows with the number of fills"],
    )


class _Year:
    """Rows of a journal as an engine writes them for its fills, a signal and an order each, with snapshots."""

    def __init__(self, fills: int) -> None:
        self.fills = fills
        self._head = GENESIS
        self._seq = 0

    def rows(self) -> Iterator[Row]:
        """Yield all rows."""
        identity = VenueIdentity("sim", "bench", "simulated")
        header = header_row(identity, T0)
        self._seq, self._head = 1, header.hash
        yield header
        ledger = Ledger()
        for number, fact in enumerate(itertools.islice(facts(random.Random(3)), self.fills)):
            yield from self._fill(number, fact)
            ledger.book(fact)
            if (number + 1) % SNAPSHOT_FILLS == 0:
                yield self._row(LEDGER_ROW, ledger.books(), fact.ts_ns)
                ledger.forget_days()

    def _fill(self, number: int, fact: Fact) -> Iterator[Row]:
        names = {"signal_id": f"signal-{number}", "cl_ord_id": f"order-{number}"}
        signal = Signal(names["signal_id"], fact.symbol, fact.side, "market", Qty(fact.qty), None, fact.strategy_id)
        market = Instrument(
            fact.symbol, fact.base, fact.quote, "online", 1, Price(Decimal("0.1")), 8, Qty(Decimal("1E-8")),
            Qty(Decimal("1E-4")), 5, Decimal("0.5"),
        )  # fmt: skip
        spec: NewOrder = entry_order(signal, market, names["cl_ord_id"])
        price = Price(fact.cost / fact.qty)
        fill = Fill(f"T{number}", Qty(fact.qty), price, fact.cost, fact.fees, "taker", fact.ts_ns)
        yield self._row("signal", Opened(signal, market), fact.ts_ns, signal_id=names["signal_id"])
        yield self._row("intent", Intent(spec, "entry", ""), fact.ts_ns, **names)
        for move, state in (("dispatch", "pending"), ("accept", "open")):
            yield self._row("order", OrderEvent(move, "new", state, fact.ts_ns), fact.ts_ns, **names)
        yield self._row("order", OrderEvent("trade", "open", "filled", fact.ts_ns, fill=fill), fact.ts_ns, **names)
        yield self._row("order", OrderEvent("settle", "filled", "settled", fact.ts_ns), fact.ts_ns, **names)

    def _row(self, kind: str, body: Any, ts_ns: int, signal_id: str = "", cl_ord_id: str = "") -> Row:
        self._seq += 1
        row = sealed(self._head, Row(self._seq, ts_ns, kind, signal_id, cl_ord_id, 0, canonical_body(body), GENESIS))
        self._head = row.hash
        return row


class _Unsnapped:
    """A journal whose snapshots are not looked for."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal

    def rows(self, **wanted: Any) -> Iterator[Row]:
        """Yield its rows."""
        return self._journal.rows(**wanted)

    def newest(self, kind: str) -> Row | None:
        """Hide the snapshots."""
        return None


def _seconds(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return time.perf_counter() - began_s


def _start(directory: Path) -> Section:
    figures: list[Figure] = []
    notes: list[str] = []
    for fills in STORED_FILLS:
        path = create_sqlite(directory / f"year-{fills}.sqlite", _Year(fills + SNAPSHOT_FILLS - 1).rows())
        with read_journal(path) as journal:
            rows, _ = journal.head
            snapped = spread("", [_seconds(partial(read_ledger, journal, USD)) for _ in range(5)])
            name = f"ledger read, {fills:,} fills in {rows:,} rows"
            figures.append(Figure(name, "s", 5, snapped.p50, limit=START_LIMIT_S))
            if fills == STORED_FILLS[0]:
                all_s = _seconds(partial(read_ledger, cast("JournalReader", _Unsnapped(journal)), USD))
                whole = Figure("the same without snapshots: every fill folded", "s", 1, all_s)
                figures.append(msgspec.structs.replace(whole, floor=True, times_p50=all_s / snapped.p50))
                year_s = all_s * YEAR_FILLS / fills
                notes.append(f"without snapshots a year of {YEAR_FILLS:,} fills would take {year_s:,.0f} s")
            else:
                walk_s = _seconds(journal.verify)
                figures.append(Figure("the chain verified, as a start without a snapshot does", "s", 1, walk_s))
                year_s = walk_s * YEAR_FILLS / fills
                notes.append(f"a year's chain would be verified in {year_s:,.0f} s; from a snapshot on: --only year")
    notes.append(f"a snapshot every {SNAPSHOT_FILLS:,} fills; each journal ends with as many fills behind its last one")
    return Section("Money, start on long journals", figures, notes)


async def measure(directory: Path) -> list[Section]:
    """Measure all three."""
    await trio.lowlevel.checkpoint()
    return [_per_fill(), _memory(), _start(directory)]
