"""One day of a journal, gathered for people: signals, fills, profit, latencies, alarms, unknowns, halts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

import msgspec

from engine.accounts.quality import SignalQuality, Stages
from engine.journal.reader import JournalReader
from engine.orders.bracket_events import BracketEvent
from engine.orders.events import ExecutionReport
from engine.risk.trading_state import TRADING_ROW, TradingEvent
from engine.runtime.bus import reports_from
from engine.runtime.quality_rows import quality_of
from engine.values.money import ZERO
from engine.values.time import NS

DAY_NS = 86_400 * NS
SIGNALS_MOST = 2000
"""Each is folded from its own rows, about a millisecond; a page with more is read by nobody."""
STAGES = (
    ("signal", "journal", "signal to decision"),
    ("journal", "wire", "decision to wire"),
    ("wire", "ack", "wire to answer"),
    ("wire", "open", "wire to first report"),
    ("first_fill", "covered", "first fill to cover"),
)
"""Pairs of stages whose distance is told, and what it is called."""


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds between two stages, sorted; one for each signal that reached both, in that order."""

    name: str
    ms: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """Return the value at a share of the sorted ones: the nearest one there is."""
        return self.ms[round((len(self.ms) - 1) * share)]


class Point(msgspec.Struct, frozen=True):
    """Realised profit after fees in ``quote``, summed up over the day until then."""

    ts_ns: int
    quote: str
    profit: Decimal


class Incident(msgspec.Struct, frozen=True):
    """Something that a person should know of, with the row that tells it."""

    ts_ns: int
    kind: str
    code: str
    subject: str
    text: str
    row: int


class Unknown(msgspec.Struct, frozen=True):
    """An order whose outcome was in doubt; ``until_ns`` 0: it still was at the day's end."""

    cl_ord_id: str
    symbol: str
    role: str
    since_ns: int
    until_ns: int
    became: str
    reason: str


class Day(msgspec.Struct, frozen=True):
    """Everything of one UTC day. ``left_out`` signals were too many; ``fees`` in units of each asset."""

    name: str
    signals: tuple[SignalQuality, ...]
    left_out: int
    denials: tuple[ExecutionReport, ...]
    fills: tuple[ExecutionReport, ...]
    profit: tuple[Point, ...]
    fees: dict[str, Decimal]
    latencies: tuple[Latency, ...]
    incidents: tuple[Incident, ...]
    unknowns: tuple[Unknown, ...]
    outcomes: dict[str, int]


def gather(journal: JournalReader, name: str, begin_ns: int) -> Day:
    """Read one day. Raises JournalCorrupt at a row that cannot be read."""
    end_ns = begin_ns + DAY_NS
    first = _first_at(journal, begin_ns)
    reports = list(_until(reports_from(journal, first), end_ns))
    names: dict[str, None] = {}
    incidents: list[Incident] = []
    for row in journal.rows(after=first):
        if row.ts_ns >= end_ns:
            break
        if row.kind in ("signal", "order", "closed"):
            names[row.signal_id] = None
        elif row.kind == TRADING_ROW:
            moved = row.decode(TradingEvent)
            who = moved.strategy_id or "all trading"
            incidents.append(Incident(row.ts_ns, moved.move, moved.code, who, moved.reason, row.seq))
        elif row.kind == "bracket":
            event = row.decode(BracketEvent)
            if event.alarm:
                text = f"{event.from_state} to {event.to_state}: {event.why}"
                incidents.append(Incident(row.ts_ns, "alarm", event.alarm, row.signal_id, text, row.seq))
    chosen = [found for one in islice(names, SIGNALS_MOST) if (found := quality_of(journal, one)) is not None]
    signals = tuple(sorted(chosen, key=lambda one: one.stages.signal))
    incidents += [
        Incident(one.ts_ns, "alarm", one.alarm, one.cl_ord_id, one.reason, one.offset) for one in reports if one.alarm
    ]
    return Day(
        name=name,
        signals=signals,
        left_out=max(0, len(names) - SIGNALS_MOST),
        denials=tuple(one for one in reports if one.exec_type == "denied" and not one.cl_ord_id),
        fills=tuple(one for one in reports if one.exec_type == "trade"),
        profit=tuple(_profit(signals, begin_ns, end_ns)),
        fees=_fees(signals),
        latencies=tuple(_latencies(signals)),
        incidents=tuple(sorted(incidents, key=lambda one: (one.ts_ns, one.row))),
        unknowns=tuple(_unknowns(reports)),
        outcomes=dict(Counter(one.outcome or "living" for one in signals)),
    )


def last_day(journal: JournalReader) -> int:
    """Return the newest row's time, 0 for an empty journal: what is reported on when nobody names a day."""
    head, _ = journal.head
    return next((row.ts_ns for row in journal.rows(after=max(0, head - 1))), 0)


def _first_at(journal: JournalReader, begin_ns: int) -> int:
    """Return the last row before a time, by halving: a year is not read for its last day."""
    low, (high, _) = 0, journal.head
    while low < high:
        middle = (low + high) // 2
        row = next(journal.rows(after=middle), None)
        if row is None or row.ts_ns >= begin_ns:
            high = middle
        else:
            low = middle + 1
    return low


def _until(reports: Iterator[ExecutionReport], end_ns: int) -> Iterator[ExecutionReport]:
    for one in reports:
        if one.ts_ns >= end_ns:
            return
        yield one


def _profit(signals: tuple[SignalQuality, ...], begin_ns: int, end_ns: int) -> Iterator[Point]:
    sums: dict[str, Decimal] = {}
    for one in sorted(signals, key=lambda signal: signal.stages.flat):
        if begin_ns <= one.stages.flat < end_ns:
            quote = one.symbol.partition("/")[2]
            sums[quote] = sums.get(quote, ZERO) + one.money.realized_pnl
            yield Point(one.stages.flat, quote, sums[quote])


def _fees(signals: tuple[SignalQuality, ...]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in signals:
        for asset, fee in one.fees.items():
            sums[asset] = sums.get(asset, ZERO) + fee
    return sums


def _latencies(signals: tuple[SignalQuality, ...]) -> Iterator[Latency]:
    for earlier, later, name in STAGES:
        found = sorted(ms for one in signals if (ms := _distance_ms(one.stages, earlier, later)) is not None)
        if found:
            yield Latency(name, tuple(found))


def _distance_ms(stages: Stages, earlier: str, later: str) -> float | None:
    begun, done = getattr(stages, earlier), getattr(stages, later)
    return (done - begun) / 1e6 if begun and done and done >= begun else None


def _unknowns(reports: list[ExecutionReport]) -> Iterator[Unknown]:
    doubts: dict[str, ExecutionReport] = {}
    for one in reports:
        doubt = doubts.get(one.cl_ord_id)
        if doubt is None:
            if one.ord_status == "unknown":
                doubts[one.cl_ord_id] = one
        elif one.ord_status != "unknown":
            del doubts[one.cl_ord_id]
            yield _unknown(doubt, one.ts_ns, one.ord_status)
    for doubt in doubts.values():
        yield _unknown(doubt, 0, "unknown")


def _unknown(doubt: ExecutionReport, until_ns: int, became: str) -> Unknown:
    return Unknown(doubt.cl_ord_id, doubt.symbol, doubt.role, doubt.ts_ns, until_ns, became, doubt.reason)
