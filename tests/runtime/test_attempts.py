"""Every attempt classified from the journal alone, at every row a crash may leave it."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import OrderInvariantError
from engine.journal.row import Row
from engine.orders.events import OrderEvent
from engine.orders.reports import Answer, OrderReport, Outcome, ReportType
from engine.runtime.attempts import AttemptReader, ask, read_attempts
from tests.runtime.worlds import FAULTS, SIGNAL_ID, told


@pytest.mark.parametrize("fault", FAULTS)
def test_not_sent_is_never_claimed_of_an_order_the_exchange_has(fault):
    """Cut after each row: whatever had reached the exchange by the next row is not called not_sent."""
    tale = told(fault)
    reader = AttemptReader()
    for cut, row in enumerate(tale.rows, start=1):
        reader.take(row)
        crash_ns = tale.rows[cut].ts_ns if cut < len(tale.rows) else 2**63
        there = {name for ts, name in tale.placed if ts <= crash_ns}
        claimed = {a.cl_ord_id for a in reader.attempts().attempts if a.sent == "not_sent"}
        assert not claimed & there, f"after row {cut}"


@pytest.mark.parametrize("fault", FAULTS)
def test_sent_is_only_claimed_of_what_arrived(fault):
    """What is called sent has arrived at the exchange, and what it has taken is never called not_sent."""
    tale = told(fault)
    arrived = {name for _, name in tale.placed}
    for cut in range(1, len(tale.rows) + 1):
        for attempt in read_attempts(tale.rows[:cut]).attempts:
            assert attempt.sent != "sent" or attempt.cl_ord_id in arrived, f"after row {cut}"
    for attempt in read_attempts(tale.rows).attempts:
        assert (attempt.cl_ord_id in tale.order_ids) <= (attempt.sent != "not_sent")


def test_an_attempt_walks_from_not_sent_over_maybe_to_sent():
    """Intent: not sent. Request row: maybe. The venue's word: sent, for ever."""
    tale = told()
    (entry,) = [row.cl_ord_id for row in tale.rows if row.kind == "intent"][:1]
    walk: list[str] = []
    reader = AttemptReader()
    for row in tale.rows:
        reader.take(row)
        now = [a.sent for a in reader.attempts().attempts if a.cl_ord_id == entry]
        walk += [state for state in now if not walk or walk[-1] != state]
    assert walk == ["not_sent", "maybe_sent", "sent"]


def test_an_attempt_tells_its_role_generation_deadline_and_end():
    """The record holds what a person needs to look the order up."""
    tale = told()
    entry, *rest = read_attempts(tale.rows).attempts
    assert (entry.role, entry.generation, entry.symbol, entry.signal_id) == ("entry", 1, "BTC/USD", SIGNAL_ID)
    assert entry.deadline.startswith("2026-01-01T00:00:05")
    assert (entry.state, entry.order_id) == ("settled", tale.order_ids[entry.cl_ord_id])
    assert [a.generation for a in rest if a.role == "stop"] == [1, 2, 3]


def test_amends_and_cancels_are_classified_too():
    """Every change that reached its request row is listed; a lost answer leaves it at maybe_sent."""
    assert {c.sent for c in read_attempts(told().rows).changes} == {"sent"}
    lost = [c for c in read_attempts(told("cancel answer lost").rows).changes if c.sent == "maybe_sent"]
    assert [c.request for c in lost] == ["cancel"]


def _until_request(kind: str = "request") -> list[Row]:
    rows = list(told().rows)
    return rows[: next(i for i, row in enumerate(rows) if row.kind == kind) + 1]


def _answer(last: Row, outcome: Outcome) -> Row:
    body = Answer("new", last.cl_ord_id, outcome, last.ts_ns, code="X", text="y")
    return Row(
        last.seq + 1, last.ts_ns, "answer", last.signal_id, last.cl_ord_id, last.seq, msgspec.json.encode(body), ""
    )


@pytest.mark.parametrize(
    ("outcome", "sent"),
    [(Outcome.NOT_SENT, "not_sent"), (Outcome.UNKNOWN, "maybe_sent"), (Outcome.REFUSED, "sent")],
)
def test_the_answer_decides(outcome, sent):
    """Not sent takes the request back, unknown leaves it open, a refusal proves arrival."""
    rows = _until_request()
    (attempt,) = read_attempts([*rows, _answer(rows[-1], outcome)]).attempts
    assert (attempt.sent, attempt.row) == (sent, rows[-1].seq + 1)


def test_evidence_outweighs_a_later_not_sent():
    """Once the venue has told of an order, no answer makes it unsent."""
    rows = _until_request()
    event = OrderEvent("accept", "pending", "open", rows[-1].ts_ns, order_id="OAAAAA-BBBBB-CCCCCC")
    seen = Row(99, 0, "order", SIGNAL_ID, rows[-1].cl_ord_id, 0, msgspec.json.encode(event), "")
    (attempt,) = read_attempts([*rows, seen, _answer(seen, Outcome.NOT_SENT)]).attempts
    assert (attempt.sent, attempt.row) == ("sent", 99)


def test_a_row_before_its_intent_is_refused():
    """Rows that cannot follow are no ground for a claim."""
    rows = _until_request()
    with pytest.raises(OrderInvariantError, match="before its intent"):
        read_attempts([row for row in rows if row.kind != "intent"])


class _Lists:
    """A venue's lists as they are."""

    def __init__(self, opened: list[OrderReport], closed: list[OrderReport]) -> None:
        self._open, self._closed = opened, closed

    async def open_orders(self, cl_ord_id: str | None = None) -> list[OrderReport]:
        return self._open

    async def query_orders(self, order_ids: list[str]) -> list[OrderReport]:
        return [report for report in self._closed if report.order_id in order_ids]

    async def closed_orders(self, *, cl_ord_id: str | None = None, since_ns: int | None = None) -> list[OrderReport]:
        return [report for report in self._closed if report.cl_ord_id == cl_ord_id]


async def test_asking_finds_open_closed_and_absent():
    """Each attempt is looked for among open orders, then by the venue's id, then by ours."""
    entry, stop, other, *_ = read_attempts(told().rows).attempts
    unnamed = msgspec.structs.replace(other, order_id=None)
    absent = msgspec.structs.replace(other, order_id=None, cl_ord_id="gone")
    live = OrderReport(ReportType.STATUS, "rest", "O1", "new", 0, cl_ord_id=entry.cl_ord_id)
    ended = OrderReport(ReportType.STATUS, "rest", stop.order_id or "", "canceled", 0)
    by_our_id = OrderReport(ReportType.STATUS, "rest", "O3", "filled", 0, cl_ord_id=unnamed.cl_ord_id)
    found = await ask([entry, stop, unnamed, absent], _Lists([live], [ended, by_our_id]))
    assert [(f.found, f.ord_status) for f in found] == [
        ("open", "new"),
        ("closed", "canceled"),
        ("closed", "filled"),
        ("absent", ""),
    ]
