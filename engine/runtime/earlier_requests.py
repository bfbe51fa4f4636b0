"""The requests of the last minutes, read from the end of the journal: what the process before may have sent."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec
import structlog

from engine.errors import JournalCorrupt
from engine.journal.reader import JournalReader
from engine.journal.row import Row
from engine.orders.commands import CancelOrder
from engine.orders.replay import Intent, Requested
from engine.orders.reports import Answer, Outcome
from engine.values.time import NS
from engine.venue.earlier import Earlier

log = structlog.get_logger()

SPAN_NS: Final = 300 * NS
"""The smallest tier's counter, filled five times over, has run down in this time. Of an older order nothing is charged
by its age, so the rows before, as far back again, tell all that is to be known of ages."""
STRIDE_ROWS: Final = 512
STRIDES_MOST: Final = 32
"""A start reads fewer rows than lie between two snapshots, in two tenths of a second, however long the journal is."""


def earlier_requests(journal: JournalReader) -> list[Earlier]:
    """Return every request of the journal's last minutes that is not known to have stayed here, the oldest first.

    The minutes are the journal's own, up to its last request: the clock may have been stepped since then.
    """
    tail = _tail(journal)
    first_skew_ns = next((_told_ns(row, fact) - row.ts_ns for row, fact in tail if isinstance(fact, Requested)), 0)
    reading = _Reading(first_skew_ns)
    for row, fact in tail:
        reading.take(row, fact)
    return reading.found()


class _Reading:
    """Folds rows in their order. Wall times become venue times as the newest request row tells the difference."""

    def __init__(self, skew_ns: int) -> None:
        self._skew_ns = skew_ns
        self._sent: dict[int, Earlier] = {}  # by row
        self._born_ns: dict[str, int] = {}
        self._before_ns: dict[int, int] = {}  # by row: when the order was born if this request has not changed it
        self._begin_ns = 0

    def take(self, row: Row, fact: Requested | Answer | Intent) -> None:
        """Take the next row."""
        match fact:
            case Requested():
                self._ask(row, fact)
            case Answer():
                self._answer(row, fact)
            case Intent():  # an order that the venue made of another was there by then; any other is sent later
                self._born_ns[row.cl_ord_id] = row.ts_ns + self._skew_ns

    def found(self) -> list[Earlier]:
        """Return what is young enough to count."""
        newest_ns = max((one.sent_ns for one in self._sent.values()), default=0)
        return [one for one in self._sent.values() if one.sent_ns > newest_ns - SPAN_NS]

    def _ask(self, row: Row, fact: Requested) -> None:
        name, request, sent_ns = row.cl_ord_id, fact.request, _told_ns(row, fact)
        self._skew_ns, self._begin_ns = sent_ns - row.ts_ns, self._begin_ns or sent_ns
        born_ns = self._born_ns.get(name, self._begin_ns)
        one = self._sent[row.seq] = Earlier(request, sent_ns, max(sent_ns, request.deadline_ns), born_ns)
        if not isinstance(request, CancelOrder):
            self._before_ns[row.seq], self._born_ns[name] = born_ns, one.counted_ns

    def _answer(self, row: Row, answer: Answer) -> None:
        asked = row.causation_id
        one = self._sent.get(asked)
        if one is None or answer.outcome is Outcome.UNKNOWN:
            return
        if answer.outcome is Outcome.NOT_SENT:
            del self._sent[asked]
        else:
            counted_ns = max(one.sent_ns, row.ts_ns + self._skew_ns)
            self._sent[asked] = msgspec.structs.replace(
                one, counted_ns=counted_ns, outcome=answer.outcome, code=answer.code
            )
        if asked in self._before_ns:
            taken = answer.outcome is Outcome.ACCEPTED
            self._born_ns[row.cl_ord_id] = self._sent[asked].counted_ns if taken else self._before_ns[asked]


_FACTS: Final[dict[str, type[Requested | Answer | Intent]]] = {
    "request": Requested,
    "answer": Answer,
    "intent": Intent,
}


def _tail(journal: JournalReader) -> list[tuple[Row, Requested | Answer | Intent]]:
    """Return the facts of as many rows as matter, the oldest first.

    A damaged row among them ends the walk: what it means for the journal is for the proof to say.
    """
    facts: deque[tuple[Row, Requested | Answer | Intent]] = deque()
    upto, _ = journal.head
    newest_ns: int | None = None
    for _ in range(STRIDES_MOST):
        after = max(0, upto - STRIDE_ROWS)
        try:
            rows = [row for row in journal.rows(after=after, upto=upto) if row.kind in _FACTS]
        except JournalCorrupt as fault:
            log.warning("earlier_requests.cut", row=fault.row, why=str(fault))
            break
        some = [(row, row.decode(_FACTS[row.kind])) for row in rows]
        facts.extendleft(reversed(some))
        sent_ns = [_told_ns(row, fact) for row, fact in some if isinstance(fact, Requested)]
        if sent_ns:
            newest_ns = sent_ns[-1] if newest_ns is None else newest_ns
        if after == 0 or (newest_ns is not None and sent_ns and sent_ns[0] <= newest_ns - 2 * SPAN_NS):
            break
        upto = after
    return list(facts)


def _told_ns(row: Row, fact: Requested) -> int:
    """Return when it was let go, in venue time: steps of our wall clock between two processes do not touch that."""
    return fact.stamped_ns or row.ts_ns
