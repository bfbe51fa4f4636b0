"""The ledger in the journal: fills are folded from the last snapshot on, so that a year is not read again."""

from __future__ import annotations

from typing import Final

from engine.accounts.charges import ROLLOVER, Charge
from engine.accounts.ledger import EMPTY_BOOKS, Books, Fact, Ledger, Rates
from engine.accounts.results import Result
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.journal.snapshot import OF_NO_SIGNAL
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent, Opened
from engine.orders.reports import Fill
from engine.orders.signal import Signal
from engine.values.instrument import Instrument
from engine.values.money import Side, trimmed

LEDGER_ROW: Final = "ledger"
"""The journal's kind for Books: they hold every fill and every charge of the rows before them."""
CHARGE_ROW: Final = "charge"
"""The journal's kind for a Charge: a row of the signal whose fill the entry names, of none for what nobody owns."""
_FILL: Final = b'"fill":'
"""Stands in every order row that tells of a fill, and in few others: those are read in full."""


def fact_of(signal: Signal, instrument: Instrument, side: Side, fill: Fill, ts_ns: int) -> Fact:
    """Return a fill as the ledger sees it; ``ts_ns`` is when we learnt of it."""
    return Fact(
        strategy_id=signal.strategy_id,
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        side=side,
        qty=fill.last_qty,
        cost=fill.cost,
        ts_ns=ts_ns,
        fees=fill.fees,
        margin=signal.margin,
        signal_id=signal.signal_id,
        exec_id=fill.exec_id,
        traded_ns=fill.ts_ns,
    )


def read_ledger(journal: JournalReader, rates: Rates) -> tuple[Ledger, int]:
    """Fold every fill and charge behind the last books; returns the ledger, and how many of them were folded."""
    books, after = EMPTY_BOOKS, 0
    last = journal.newest(LEDGER_ROW)
    if last is not None:
        books, after = last.decode(Books), last.seq
    ledger, folded = Ledger(books), 0
    facts = _Facts(journal)
    for row in journal.rows(after=after):
        if row.kind in ("signal", "intent"):
            facts.note(row)
        elif row.kind == "order" and _FILL in row.body:
            event = row.decode(OrderEvent)
            if event.fill is None:
                continue
            fact = facts.of(row, event.fill, event.ts_ns)
            if fact is not None:
                ledger.book(fact)
                ledger.raise_peak(rates)
            folded += 1
        elif row.kind == CHARGE_ROW:
            ledger.charge(row.decode(Charge))
            ledger.raise_peak(rates)
            folded += 1
    return ledger, folded


def charge_words(row: Row) -> str:
    """Say a charge's row in a sentence."""
    charge = row.decode(Charge)
    movement = charge.movement
    if not charge.qty:
        return f"the venue's entry of fill {movement.ref_id}: nothing beside the fee that the fill has told"
    said = f"{trimmed(charge.qty)} {movement.asset} {ROLLOVER if movement.kind == ROLLOVER else 'opening fee'}"
    return f"{said} of {movement.ref_id}: a loss of {charge.lot.strategy_id} in {charge.lot.symbol}"


def read_days(journal: JournalReader) -> list[Result]:
    """Return the result of every day that the journal's books have closed, oldest first."""
    rows = journal.rows(kind=LEDGER_ROW, signal_id=OF_NO_SIGNAL)
    return [one for row in rows for one in row.decode(Books).ended]


class _Facts:
    """Finds what a fill's row does not say: its signal, its market, its side. Most of it stands shortly before."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self._noted: dict[tuple[str, str], Row] = {}
        self._opened: dict[str, Opened] = {}
        self._sides: dict[str, Side] = {}

    def note(self, row: Row) -> None:
        """Remember a signal's or an order's first row; it is read when a fill needs it."""
        self._noted[row.kind, row.signal_id if row.kind == "signal" else row.cl_ord_id] = row

    def of(self, row: Row, fill: Fill, ts_ns: int) -> Fact | None:
        """Return the fact; None for coins that were there before their bracket: they are no position of ours."""
        if row.signal_id not in self._opened:
            first = self._noted.get(("signal", row.signal_id))
            first = first or next(self._journal.rows(signal_id=row.signal_id, kind="signal"))
            self._opened[row.signal_id] = first.decode(Opened)
        if row.cl_ord_id not in self._sides:
            intent = self._noted.get(("intent", row.cl_ord_id))
            intent = intent or next(self._journal.rows(cl_ord_id=row.cl_ord_id, kind="intent"))
            self._sides[row.cl_ord_id] = intent.decode(Intent).spec.side
        one = self._opened[row.signal_id]
        if not one.signal.entered:
            return None
        return fact_of(one.signal, one.instrument, self._sides[row.cl_ord_id], fill, ts_ns)
