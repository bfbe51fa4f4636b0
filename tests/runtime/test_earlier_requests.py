"""The journal's last minutes as requests that the venue may have counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import msgspec
import pytest

from engine.errors import JournalCorrupt
from engine.journal.journal import Journal
from engine.journal.opening import seeded_journal
from engine.journal.row import Row
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, kind_of
from engine.orders.replay import Intent, Requested
from engine.orders.reports import Answer, Outcome
from engine.runtime.earlier_requests import SPAN_NS, STRIDE_ROWS, STRIDES_MOST, earlier_requests
from engine.seams.disk import Disk
from engine.values.money import Qty
from engine.values.time import NS
from tests.journal.conftest import CREATED_NS, IDENTITY, StillClock

BTC, ONE = "BTC/USD", Qty(Decimal(1))
SKEW_S = 40
"""The venue's clock stands so far ahead of ours."""
ANSWER_S, DEADLINE_S = 0.25, 1.0
NEW = NewOrder("c1", BTC, "buy", "limit", ONE)
AMEND = AmendOrder("c1", "O1", BTC, ONE)
CANCEL = CancelOrder("c1", "O1", BTC)


class Pen:
    """Writes a journal. Seconds count from its beginning; ``skew_s`` is what the venue's clock shows beyond ours."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.skew_s = journal, float(SKEW_S)

    def asked(self, request: Request, second: float) -> int:
        """Write a request; returns its row."""
        venue_ns = _ns(second)
        request = msgspec.structs.replace(request, deadline_ns=venue_ns + round(DEADLINE_S * NS))
        return self._append("request", Requested(request, "ws", "", venue_ns), second, request.cl_ord_id)

    def answered(self, request: Request, row: int, second: float, outcome: Outcome) -> None:
        """Write a request's end."""
        answer = Answer(kind_of(request), request.cl_ord_id, outcome, _ns(second), code=outcome.upper())
        self._append("answer", answer, second, request.cl_ord_id, row)

    def done(self, request: Request, second: float, outcome: Outcome = Outcome.ACCEPTED) -> None:
        """Write a request and its end."""
        self.answered(request, self.asked(request, second), second + ANSWER_S, outcome)

    def intended(self, second: float) -> None:
        """Write that an order exists."""
        self._append("intent", Intent(NEW, "stop", ""), second, NEW.cl_ord_id)

    def noise(self, rows: int) -> None:
        """Write rows that are no requests."""
        for _ in range(rows):
            self.journal.append("look", {}, ts_ns=CREATED_NS)

    def read(self) -> list[tuple[str, float, float, str]]:
        """Return of each request its kind, when it counted at the latest, its order's age at least, and its end."""
        return [
            (kind_of(one.request), (one.counted_ns - _ns(0)) / NS, (one.sent_ns - one.born_ns) / NS, one.code)
            for one in earlier_requests(self.journal)
        ]

    def _append(self, kind: str, body: msgspec.Struct, second: float, name: str, cause: int = 0) -> int:
        ts_ns = _ns(second - self.skew_s)
        return self.journal.append(kind, body, ts_ns=ts_ns, cl_ord_id=name, causation_id=cause)


def _ns(second: float) -> int:
    return CREATED_NS + SKEW_S * NS + round(second * 1000) * 1_000_000


@pytest.fixture
def pen() -> Iterator[Pen]:
    """An empty journal on the simulated disk."""
    with closing(seeded_journal(Disk(), IDENTITY, StillClock())) as journal:
        yield Pen(journal)


def test_age_runs_from_the_last_change_that_was_taken(pen: Pen) -> None:
    """Made at 0, amended at 10; an amend that is refused and one that stayed here leave the age as it was."""
    pen.done(NEW, 0)
    pen.done(AMEND, 10)
    pen.done(AMEND, 20, Outcome.REFUSED)
    pen.done(AMEND, 22, Outcome.NOT_SENT)
    pen.done(CANCEL, 30)
    assert pen.read() == [
        ("new", 0.25, 0, "ACCEPTED"),
        ("amend", 10.25, 9.75, "ACCEPTED"),
        ("amend", 20.25, 9.75, "REFUSED"),
        ("cancel", 30.25, 19.75, "ACCEPTED"),
    ]


def test_request_without_an_end_counts_as_sent_until_its_deadline(pen: Pen) -> None:
    """Nobody knows whether it arrived; an answer that says as much tells no more. Its order may be as young as that."""
    pen.asked(NEW, 0)
    pen.done(AMEND, 3, Outcome.UNKNOWN)
    pen.asked(CANCEL, 5)
    assert pen.read() == [("new", 1, 0, ""), ("amend", 4, 2, ""), ("cancel", 6, 1, "")]


def test_order_that_the_venue_made_is_as_old_as_its_first_row(pen: Pen) -> None:
    """A stop of a conditional close: no request of ours placed it."""
    pen.intended(2)
    pen.asked(CANCEL, 8)
    assert pen.read() == [("cancel", 9, 6, "")]


def test_steps_of_our_clock_between_processes_do_not_touch_the_times(pen: Pen) -> None:
    """Our clock is set an hour back, later two hours ahead: requests carry the venue's time."""
    pen.done(NEW, 0)
    pen.skew_s = 3600
    pen.done(AMEND, 10)
    pen.skew_s = -3600
    pen.done(CANCEL, 20)
    assert [one[1:3] for one in pen.read()] == [(0.25, 0), (10.25, 9.75), (20.25, 9.75)]


def test_only_the_last_minutes_count(pen: Pen) -> None:
    """Counted from the last request; of what was made before, the age is known still."""
    span_s = SPAN_NS / NS
    pen.done(NEW, 0)
    pen.done(AMEND, span_s)
    pen.done(CANCEL, span_s + 100)
    assert pen.read() == [
        ("amend", span_s + 0.25, span_s - 0.25, "ACCEPTED"),
        ("cancel", span_s + 100.25, 99.75, "ACCEPTED"),
    ]


def test_long_journal_is_read_from_its_end(pen: Pen) -> None:
    """Twice as many rows as are looked through: the first request is not met, and of its order the age at least is."""
    looked: list[int] = []
    pen.done(NEW, 0)
    pen.noise(2 * STRIDE_ROWS * STRIDES_MOST)
    pen.done(NewOrder("c2", BTC, "buy", "limit", ONE), 60)
    pen.done(CANCEL, 90)
    rows = pen.journal.rows

    def noted(**wanted: int) -> Iterator[Row]:
        looked.append(wanted["upto"] - wanted["after"])
        return rows(**wanted)  # type: ignore[arg-type]

    pen.journal.rows = noted  # type: ignore[assignment,method-assign]
    assert pen.read() == [("new", 60.25, 0, "ACCEPTED"), ("cancel", 90.25, 30, "ACCEPTED")]
    assert sum(looked) == STRIDE_ROWS * STRIDES_MOST


def test_walk_ends_where_the_minutes_do(pen: Pen) -> None:
    """Twice the span: the requests of one, and the births of their orders' last five minutes."""
    for minute in range(60):
        pen.done(NewOrder(f"m{minute}", BTC, "buy", "limit", ONE), 60 * minute)
        pen.noise(STRIDE_ROWS)
    reads: list[int] = []
    rows = pen.journal.rows

    def noted(**wanted: int) -> Iterator[Row]:
        reads.append(wanted["after"])
        return rows(**wanted)  # type: ignore[arg-type]

    pen.journal.rows = noted  # type: ignore[assignment,method-assign]
    assert len(pen.read()) == SPAN_NS // NS // 60
    assert len(reads) <= 2 * SPAN_NS // NS // 60 + 2


def test_damaged_row_cuts_the_walk_and_stops_no_start(pen: Pen) -> None:
    """What is behind it counts; what to make of the damage is for the journal's proof."""
    pen.done(NEW, 0)
    pen.noise(STRIDE_ROWS)
    pen.done(CANCEL, 30)
    rows, head = pen.journal.rows, pen.journal.head[0]

    def damaged(**wanted: int) -> Iterator[Row]:
        if wanted["upto"] < head:
            raise JournalCorrupt("row 2 is damaged", 2)
        return rows(**wanted)  # type: ignore[arg-type]

    pen.journal.rows = damaged  # type: ignore[assignment,method-assign]
    assert pen.read() == [("cancel", 30.25, 0, "ACCEPTED")]


def test_journal_without_requests_tells_of_none(pen: Pen) -> None:
    """A first start."""
    pen.noise(3)
    assert pen.read() == []
