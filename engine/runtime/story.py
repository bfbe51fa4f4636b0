"""An order's or a signal's whole story, cause by cause, from the journal alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.events import OrderEvent
from engine.orders.replay import FACT_OF_KIND, Intent
from engine.orders.reports import Answer
from engine.runtime.close_report import CLOSE_ROW, CLOSED_ROW, close_words
from engine.runtime.ledger_rows import CHARGE_ROW, charge_words
from engine.runtime.telling import tell
from engine.values.time import NS, rfc3339


class Step(msgspec.Struct, frozen=True):
    """One row of the journal told in words. ``cause`` is the row that caused it (0 = none, the story begins).

    ``after_s`` counts from the story's first row; ``body`` is the row's content as it was written.
    """

    row: int
    cause: int
    at: str
    after_s: float
    kind: str
    cl_ord_id: str
    role: str
    text: str
    alarm: str
    body: msgspec.Raw


class Walk(msgspec.Struct, frozen=True):
    """The way one order took through its machine: (from, move, to), without the moves that are none."""

    cl_ord_id: str
    role: str
    order_id: str | None
    state: str
    moves: tuple[tuple[str, str, str], ...]

    def lane(self) -> str:
        """Draw the way in one line."""
        return "".join([self.moves[0][0] if self.moves else self.state, *(f" -{m}-> {to}" for _, m, to in self.moves)])


class Story(msgspec.Struct, frozen=True):
    """Steps in journal order, and the walk of every order in them."""

    subject: Literal["order", "signal"]
    id: str
    signal_id: str
    steps: tuple[Step, ...]
    walks: tuple[Walk, ...]

    def lines(self) -> list[str]:
        """Render for a terminal: row, time, cause, order, what happened; at the end the walked paths."""
        first = self.steps[0].at if self.steps else ""
        lines = [f"{self.subject} {self.id}", f"signal {self.signal_id}, first row at {first}", ""]
        width = max((len(str(step.row)) for step in self.steps), default=1)
        for step in self.steps:
            cause = f"because of {step.cause}" if step.cause else ""
            who = f"{step.role} {step.cl_ord_id[:8]}" if step.cl_ord_id else ""
            alarm = f"  ALARM {step.alarm}" if step.alarm else ""
            lines.append(
                f"{step.row:>{width}}  +{step.after_s:<11.6f} {cause:<{width + 12}} {step.kind:<10} {who:<15} "
                f"{step.text}{alarm}".rstrip()
            )
        lines += ["", "walked:"]
        lines += [f"  {walk.role} {walk.cl_ord_id[:8]}: {walk.lane()}" for walk in self.walks]
        return lines


class Subject(msgspec.Struct, frozen=True):
    """What an id given by a person means. ``cl_ord_id`` is "" for a signal."""

    signal_id: str
    cl_ord_id: str = ""


class Finder:
    """Looks for what an id may mean: cl_ord_id, signal_id, the venue's order_id, or the beginning of one of ours."""

    def __init__(self, text: str) -> None:
        self._exact = text
        self._prefix = text.lower()
        self._bytes = text.encode()
        self._whole: dict[Subject, None] = {}
        self._begun: dict[Subject, None] = {}

    def take(self, row: Row) -> None:
        """Look at one row."""
        if row.kind in ("signal", "denied", "conflict"):
            self._compare(row.signal_id, Subject(row.signal_id))
        elif row.kind == "intent":
            self._compare(row.cl_ord_id, Subject(row.signal_id, row.cl_ord_id))
        elif row.kind in ("order", "answer") and self._bytes in row.body:
            named = row.decode(OrderEvent).order_id if row.kind == "order" else row.decode(Answer).order_id
            if named == self._exact:
                self._whole[Subject(row.signal_id, row.cl_ord_id)] = None

    def _compare(self, known: str, subject: Subject) -> None:
        if known == self._prefix:
            self._whole[subject] = None
        elif known.startswith(self._prefix):
            self._begun[subject] = None

    def found(self) -> list[Subject]:
        """Return what it means: nothing, one thing, or several; a whole id outranks beginnings."""
        return list(self._whole or self._begun)


def quick_find(journal: JournalReader, text: str) -> Subject | None:
    """Look an id up by the journal's indexes: our own ids in full. None = the rows must be searched."""
    own = text.lower()
    for row in journal.rows(cl_ord_id=own, kind="intent"):
        return Subject(row.signal_id, own)
    for _ in journal.rows(signal_id=own):
        return Subject(own)
    return None


def find(journal: JournalReader, text: str) -> list[Subject]:
    """Return what an id may mean in this journal; searches every row unless it is one of ours in full."""
    subject = quick_find(journal, text)
    if subject is not None:
        return [subject]
    finder = Finder(text)
    for row in journal.rows():
        finder.take(row)
    return finder.found()


def tell_story(journal: JournalReader, subject: Subject) -> Story:
    """Gather and tell everything the journal holds of a signal, or of one order and what caused it."""
    rows = list(journal.rows(signal_id=subject.signal_id))
    chosen = _with_causes(rows, subject.cl_ord_id) if subject.cl_ord_id else rows
    roles = {row.cl_ord_id: row.decode(Intent).role for row in rows if row.kind == "intent"}
    first_ns = chosen[0].ts_ns if chosen else 0
    steps = tuple(_step(row, roles.get(row.cl_ord_id, ""), first_ns) for row in chosen)
    return Story(
        subject="order" if subject.cl_ord_id else "signal",
        id=subject.cl_ord_id or subject.signal_id,
        signal_id=subject.signal_id,
        steps=steps,
        walks=tuple(_walk(chosen, cl_ord_id, role) for cl_ord_id, role in roles.items() if _has(chosen, cl_ord_id)),
    )


def _with_causes(rows: list[Row], cl_ord_id: str) -> list[Row]:
    """Return an order's rows and, back to the signal, the rows that led to them."""
    by_seq = {row.seq: row for row in rows}
    chosen = {row.seq for row in rows if row.cl_ord_id == cl_ord_id}
    for seq in list(chosen):
        cause = by_seq[seq].causation_id
        while cause in by_seq and cause not in chosen:
            chosen.add(cause)
            cause = by_seq[cause].causation_id
    chosen |= {row.seq for row in rows[:1] if chosen}  # the signal, whatever the chain says
    return [by_seq[seq] for seq in sorted(chosen)]


def _step(row: Row, role: str, first_ns: int) -> Step:
    kind = FACT_OF_KIND.get("denied" if row.kind == "conflict" else row.kind)
    fact = None if kind is None else row.decode(kind)
    kind_told, text, alarm = tell(row.kind, fact)
    if row.kind in (CLOSE_ROW, CLOSED_ROW):
        text = close_words(row)
    if row.kind == CHARGE_ROW:
        text = charge_words(row)
    return Step(
        row=row.seq,
        cause=row.causation_id,
        at=rfc3339(row.ts_ns),
        after_s=round((row.ts_ns - first_ns) / NS, 6),
        kind=kind_told,
        cl_ord_id=row.cl_ord_id,
        role=role,
        text=text,
        alarm=alarm,
        body=msgspec.Raw(row.body),
    )


def _has(rows: Iterable[Row], cl_ord_id: str) -> bool:
    return any(row.cl_ord_id == cl_ord_id for row in rows)


def _walk(rows: Iterable[Row], cl_ord_id: str, role: str) -> Walk:
    moves: list[tuple[str, str, str]] = []
    order_id: str | None = None
    for row in rows:
        if row.kind == "order" and row.cl_ord_id == cl_ord_id:
            event = row.decode(OrderEvent)
            order_id = event.order_id or order_id
            if event.move:
                moves.append((event.from_state, event.move, event.to_state))
    return Walk(cl_ord_id, role, order_id, moves[-1][2] if moves else "new", tuple(moves))
