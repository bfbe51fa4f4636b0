"""What a journal alone proves about every attempt: certainly not sent, maybe sent, or sent.

An attempt's bytes leave only after its request row is synced. So without that row, or with the answer that nothing
left, it was certainly not sent; with any word of the venue about it, it was; in between it may have been.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from engine.errors import OrderInvariantError, VenueRefused
from engine.journal.row import Row
from engine.orders.commands import NewOrder, OrderType, RequestKind, kind_of
from engine.orders.events import OrderEvent, Role
from engine.orders.replay import Intent, Requested
from engine.orders.reports import Answer, OrderReport, Outcome
from engine.values.money import NO_QTY, Qty, Side
from engine.values.time import rfc3339
from engine.venue.protocol import VenueLink

Certainty = Literal["not_sent", "maybe_sent", "sent"]

EVIDENCE = frozenset({"accept", "reject", "trade", "amended", "fill_out", "cancel", "expire"})
"""Moves that only the venue's word can cause."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to place an order. ``generation`` counts the attempts of the same role in the same bracket from 1.

    ``deadline`` is venue time ("" before the limiter let it go), ``state`` where the order's last row left it, ``row``
    the journal row that decides, ``why`` what it says.
    """

    cl_ord_id: str
    signal_id: str
    role: Role
    symbol: str
    side: Side
    order_type: OrderType
    order_qty: Qty
    generation: int
    sent: Certainty
    transport: str
    deadline: str
    state: str
    order_id: str | None
    cum_qty: Qty
    row: int
    why: str


class Change(msgspec.Struct, frozen=True):
    """One amend or cancel that was decided and reached its request row."""

    cl_ord_id: str
    request: RequestKind
    sent: Certainty
    transport: str
    deadline: str
    row: int
    why: str


class Attempts(msgspec.Struct, frozen=True):
    """All attempts of a journal in the order in which they were decided."""

    attempts: tuple[Attempt, ...]
    changes: tuple[Change, ...]

    def count(self, certainty: Certainty) -> int:
        """Return how many orders are as certain as that."""
        return sum(attempt.sent == certainty for attempt in self.attempts)


@dataclass
class _Trail:
    """What the rows say so far of one request: whether it may have gone, and the row that decides."""

    transport: str = ""
    deadline: str = ""
    gone: bool = False  # a request row stands that no "not sent" has taken back
    proven: bool = False
    row: int = 0
    why: str = "no request row: its bytes were never let go"

    def written(self, row: Row, requested: Requested) -> None:
        self.transport, self.gone = requested.transport, True
        self.deadline = rfc3339(requested.request.deadline_ns)
        self._note(row, "its request row is synced before its bytes leave; no later row answers it")

    def answered(self, row: Row, answer: Answer) -> None:
        said = f"{answer.code}: {answer.text}" if answer.code and answer.text else answer.code or answer.text
        text = f"answer {answer.outcome}{f' ({said})' if said else ''}"
        if answer.outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
            self.prove(row, text)
        elif not self.proven:
            self.gone = self.gone and answer.outcome is not Outcome.NOT_SENT
            self._note(row, text)

    def prove(self, row: Row, why: str) -> None:
        if not self.proven:
            self.proven = True
            self.row, self.why = row.seq, why

    def _note(self, row: Row, why: str) -> None:
        if not self.proven:
            self.row, self.why = row.seq, why

    @property
    def sent(self) -> Certainty:
        if self.proven:
            return "sent"
        return "maybe_sent" if self.gone else "not_sent"


@dataclass
class _OrderTrail:
    """One order: its spec, the trail of its placing, and where it stood last."""

    intent: Intent
    signal_id: str
    generation: int
    new: _Trail = field(default_factory=_Trail)
    state: str = "new"
    order_id: str | None = None
    cum_qty: Qty = NO_QTY

    def happened(self, row: Row, event: OrderEvent) -> None:
        self.state = event.to_state
        self.order_id = event.order_id or self.order_id
        if event.fill is not None:
            self.cum_qty = Qty(self.cum_qty + event.fill.last_qty)
        if event.move in EVIDENCE or event.order_id or event.fill or event.triggered or event.venue_cum:
            self.new.prove(row, f"the venue's word: {event.move or event.why}")

    def attempt(self) -> Attempt:
        spec, new = self.intent.spec, self.new
        return Attempt(
            cl_ord_id=spec.cl_ord_id,
            signal_id=self.signal_id,
            role=self.intent.role,
            symbol=spec.symbol,
            side=spec.side,
            order_type=spec.order_type,
            order_qty=spec.order_qty,
            generation=self.generation,
            sent=new.sent,
            transport=new.transport,
            deadline=new.deadline,
            state=self.state,
            order_id=self.order_id,
            cum_qty=self.cum_qty,
            row=new.row,
            why=new.why,
        )


class AttemptReader:
    """Takes a journal's rows in order; ``attempts`` may be asked for at any row."""

    def __init__(self) -> None:
        self._orders: dict[str, _OrderTrail] = {}
        self._changes: list[tuple[str, RequestKind, _Trail]] = []
        self._unanswered: dict[tuple[str, RequestKind], _Trail] = {}
        self._generations: Counter[tuple[str, Role]] = Counter()

    def take(self, row: Row) -> None:
        """Learn from one row. Kinds that say nothing of an attempt are passed over."""
        match row.kind:
            case "intent":
                intent = row.decode(Intent)
                self._generations[row.signal_id, intent.role] += 1
                generation = self._generations[row.signal_id, intent.role]
                trail = _OrderTrail(intent, row.signal_id, generation)
                trail.new.row = row.seq
                self._orders[row.cl_ord_id] = trail
            case "request":
                self._requested(row, row.decode(Requested))
            case "answer":
                answer = row.decode(Answer)
                key = (row.cl_ord_id, answer.request)
                found = self._known(row).new if answer.request == "new" else self._unanswered.pop(key, None)
                if found is not None:  # an amend or cancel that never got its request row has no trail
                    found.answered(row, answer)
            case "order":
                self._known(row).happened(row, row.decode(OrderEvent))

    def _requested(self, row: Row, requested: Requested) -> None:
        kind = kind_of(requested.request)
        if isinstance(requested.request, NewOrder):
            self._known(row).new.written(row, requested)
            return
        trail = self._unanswered[row.cl_ord_id, kind] = _Trail()
        trail.written(row, requested)
        self._changes.append((row.cl_ord_id, kind, trail))

    def _known(self, row: Row) -> _OrderTrail:
        trail = self._orders.get(row.cl_ord_id)
        if trail is None:
            raise OrderInvariantError(f"journal: row {row.seq} of order {row.cl_ord_id} stands before its intent")
        return trail

    def attempts(self) -> Attempts:
        """Return what the rows taken so far prove."""
        return Attempts(
            tuple(trail.attempt() for trail in self._orders.values()),
            tuple(
                Change(cl_ord_id, kind, trail.sent, trail.transport, trail.deadline, trail.row, trail.why)
                for cl_ord_id, kind, trail in self._changes
            ),
        )


def read_attempts(rows: Iterable[Row]) -> Attempts:
    """Classify every attempt of a journal from its rows alone, a clean prefix of one included.

    Raises OrderInvariantError for a row of an order that stands before the order's intent.
    """
    reader = AttemptReader()
    for row in rows:
        reader.take(row)
    return reader.attempts()


class Finding(msgspec.Struct, frozen=True):
    """What became of an attempt at the venue. ``absent`` is no proof of death: REST lags, lists are bounded."""

    cl_ord_id: str
    sent: Certainty
    found: Literal["open", "closed", "absent"]
    order_id: str | None = None
    ord_status: str = ""
    cum_qty: Qty | None = None


async def ask(attempts: Sequence[Attempt], link: VenueLink) -> list[Finding]:
    """Ask the venue what became of each attempt: two lists by id, then the closed list for each that is left.

    Raises the VenueErrors of the link's queries.
    """
    reports: dict[str, OrderReport] = {r.cl_ord_id: r for r in await link.open_orders() if r.cl_ord_id}
    named = {a.order_id: a.cl_ord_id for a in attempts if a.order_id and a.cl_ord_id not in reports}
    for start in range(0, len(named), 50):
        for report in await _query(link, list(named)[start : start + 50]):
            if report.order_id in named:
                reports[named[report.order_id]] = report
    for attempt in attempts:
        if attempt.cl_ord_id not in reports:
            for report in await link.closed_orders(cl_ord_id=attempt.cl_ord_id):
                reports[attempt.cl_ord_id] = report
    return [_finding(attempt, reports.get(attempt.cl_ord_id)) for attempt in attempts]


async def _query(link: VenueLink, order_ids: list[str]) -> list[OrderReport]:
    """Ask by the venue's ids. One it does not know makes it refuse them all: the closed list must tell then."""
    try:
        return await link.query_orders(order_ids)
    except VenueRefused:
        return []


def _finding(attempt: Attempt, report: OrderReport | None) -> Finding:
    if report is None:
        return Finding(attempt.cl_ord_id, attempt.sent, "absent")
    found: Literal["open", "closed"] = "closed" if report.ord_status in ("filled", "canceled", "expired") else "open"
    return Finding(attempt.cl_ord_id, attempt.sent, found, report.order_id, report.ord_status, report.cum_qty)
