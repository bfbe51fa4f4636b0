"""The judge: the journal against the exchange's REST, and both against what was asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from engine.journal.opening import read_journal
from engine.journal.row import Row
from engine.orders.events import OrderEvent, Role
from engine.orders.replay import Intent, Opened
from tests.killing.hunt import Hunt, Life
from tests.killing.rest import Rest
from tests.killing.venue_view import Exposure, VenueOrder, orders_of
from tests.killing.watching import living

PROTECTED_AGAIN_S = Decimal(10)
DUST = Decimal("0.00009")
"""Below any minimum of the two markets: nothing can cover that."""


@dataclass
class Told:
    """The journal of a hunt, read to the end."""

    signals: dict[str, Opened] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    intents: dict[str, tuple[str, Role]] = field(default_factory=dict)  # cl_ord_id -> signal, role
    fills: Counter[tuple[str, str]] = field(default_factory=Counter)  # (cl_ord_id, exec_id)
    filled: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    states: dict[str, str] = field(default_factory=dict)
    living: dict[str, str] = field(default_factory=dict)


def read_told(journal: Path) -> Told:
    """Verify the chain and read what the rows say. Raises JournalError."""
    told = Told()
    with read_journal(journal) as reader:
        reader.verify()
        rows = list(reader.rows())
    for row in rows:
        _take(told, row)
    told.living = living(rows)
    return told


def _take(told: Told, row: Row) -> None:
    if row.kind == "signal":
        told.signals[row.signal_id] = row.decode(Opened)
    elif row.kind == "denied":
        told.denied.add(row.signal_id)
    elif row.kind == "intent":
        told.intents[row.cl_ord_id] = (row.signal_id, row.decode(Intent).role)
    elif row.kind == "order":
        event = row.decode(OrderEvent)
        told.states[row.cl_ord_id] = event.to_state
        if event.fill is not None:
            told.fills[row.cl_ord_id, event.fill.exec_id] += 1
            told.filled[row.cl_ord_id] += event.fill.last_qty


class Judge:
    """Holds journal and exchange against each other. ``slowest_s`` is the longest way back to protection it saw."""

    def __init__(self, hunt: Hunt, told: Told, rest: Rest, protected_again_s: Decimal = PROTECTED_AGAIN_S) -> None:
        self._hunt, self._told, self._protected_again_s = hunt, told, protected_again_s
        self._resting = rest.open_orders()
        self._trades = rest.trades()
        self.orders = orders_of({**rest.closed_orders(), **self._resting}, self._trades)
        self._names = {order.cl_ord_id: order for order in self.orders.values()}
        self.slowest_s = Decimal(0)

    def violations(self) -> list[str]:
        """Return everything that must not be, a line each."""
        found = list(self._hunt.faults)
        for part in (self._lost, self._twice, self._fills, self._brackets, self._protection):
            found += part()
        return found

    def _lost(self) -> Iterator[str]:
        told = self._told
        for signal_id in self._hunt.signals:
            if signal_id not in told.signals and signal_id not in told.denied:
                yield f"signal {signal_id} is lost"
        for signal_id, state in told.living.items():
            yield f"bracket {signal_id} has not ended: {state}"
        for order in self.orders.values():
            if order.cl_ord_id not in told.intents:
                yield f"order {order.order_id} ({order.cl_ord_id}) is not in the journal"
        for order_id in self._resting:
            yield f"order {order_id} still rests"
        for name, state in told.states.items():
            if state != "settled":
                yield f"order {name} ended as {state}"

    def _twice(self) -> Iterator[str]:
        for name, count in Counter(order.cl_ord_id for order in self.orders.values()).items():
            if count > 1:
                yield f"cl_ord_id {name} was used by {count} orders"
        for signal_id in self._told.signals:
            entries = sorted(self._of(signal_id, entry=True), key=lambda order: order.opened_s)
            for before, after in pairwise(entries):
                if after.opened_s < before.closed_s:
                    yield f"signal {signal_id} was live twice: {before.order_id} and {after.order_id}"

    def _fills(self) -> Iterator[str]:
        venue = Counter((self.orders[row["ordertxid"]].cl_ord_id, name) for name, row in self._trades.items())
        for name, exec_id in venue - self._told.fills:
            yield f"fill {exec_id} of {name} is not in the journal"
        for name, exec_id in self._told.fills - venue:
            yield f"fill {exec_id} of {name} is in the journal more often than at the exchange"
        for name, qty in self._told.filled.items():
            at_venue = self._names[name].cum_qty if name in self._names else Decimal(0)
            if qty != at_venue:
                yield f"order {name}: {qty} filled by the journal, {at_venue} by the exchange"

    def _brackets(self) -> Iterator[str]:
        """Entries never hold more than the intent, exits never more than the entries got, and both end even."""
        for signal_id, opened in self._told.signals.items():
            entries, exits = self._of(signal_id, entry=True), self._of(signal_id, entry=False)
            exposure = Exposure(entries, exits)
            for at_s in set(exposure.moments()):
                engaged = sum((one.filled(at_s) + one.leaves(at_s) for one in entries), Decimal(0))
                if engaged > opened.signal.order_qty:
                    yield f"signal {signal_id}: {engaged} filled and open of {opened.signal.order_qty}"
                if exposure.held(at_s) < 0:
                    yield f"signal {signal_id}: exits sold {-exposure.held(at_s)} more than was held"
            rest = sum((one.cum_qty for one in entries), Decimal(0)) - sum((one.cum_qty for one in exits), Decimal(0))
            if abs(rest) > DUST:
                yield f"signal {signal_id} ended with {rest} held"

    def _protection(self) -> Iterator[str]:
        for signal_id in self._told.signals:
            exposure = Exposure(self._of(signal_id, entry=True), self._of(signal_id, entry=False))
            for life in self._hunt.lives:
                bare_s = _bare_for(exposure, life)
                self.slowest_s = max(self.slowest_s, bare_s)
                if bare_s > self._protected_again_s:
                    yield f"signal {signal_id} stood uncovered for {bare_s:.1f} s after a restart"

    def _of(self, signal_id: str, *, entry: bool) -> list[VenueOrder]:
        named = ((name, role) for name, (owner, role) in self._told.intents.items() if owner == signal_id)
        return [self._names[name] for name, role in named if (role == "entry") == entry and name in self._names]


def _bare_for(exposure: Exposure, life: Life) -> Decimal:
    """Return how long what stood uncovered when a life began stayed so, at most up to the life's end."""
    start, end = Decimal(life.started_s), Decimal(life.ended_s)
    if exposure.uncovered(start) <= DUST:
        return Decimal(0)
    for at_s in sorted(when for when in exposure.moments() if start < when < end):
        if exposure.uncovered(at_s) <= DUST:
            return at_s - start
    return end - start
