"""What the engine counts while it works, for whoever scrapes it: taken from the rows it journals anyway.

Nothing here decides anything, blocks or is read by an order. Figures are of this process: they begin at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import structlog
import trio

from engine.errors import EngineError
from engine.journal.journal import Journal
from engine.orders.bracket_events import BracketEvent
from engine.orders.commands import NewOrder, Request, kind_of
from engine.orders.events import ExecutionReport, OrderEvent, Role
from engine.orders.replay import Closed, Intent, Opened, Refused, Requested
from engine.orders.reports import Answer, Fill, Outcome
from engine.runtime.histogram import BRIEF_S, LATENCY_S, Histogram, Named, NamedHistograms
from engine.seams.clock import Clock
from engine.values.money import Side, sign
from engine.values.time import NS

log = structlog.get_logger()

SLIPPAGE: Final = (-0.01, -0.0025, -0.001, -0.0005, -0.0001, 0.0, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)
"""Shares of the reference price; above zero is worse than the reference."""


@dataclass(slots=True)
class _Known:
    """An order: whose it is, what it is measured by, and when it was decided."""

    role: Role
    symbol: str
    side: Side
    reference: Decimal | None
    decided_ns: int


@dataclass(slots=True)
class _Bracket:
    """A signal's bracket. ``came_ns`` is 0 once its entry has been written, or when an earlier process took it."""

    came_ns: int
    arrival: Decimal | None
    orders: dict[str, _Known] = field(default_factory=dict)


class Metrics:
    """``take`` is a tap of the journal; the other methods are called by whoever sees what no row tells."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._brackets: dict[str, _Bracket] = {}
        self._wire_ns: dict[str, int] = {}
        self._framed_s: dict[int, float] = {}  # by the row of a report that waits: emptied at every sync
        self.faults = 0
        """Rows that could not be counted: a fault here, and none of the engine's."""

        self.signals = Named()  # accepted, denied
        self.denials, self.refusals = Named(), Named()  # by code: ours, the venue's
        self.requests, self.answers = Named(), Named()  # request and transport; request and outcome
        self.transitions, self.phases = Named(), Named()  # from and to, of orders and of brackets
        self.outcomes = Named()
        self.fills = Named()  # symbol, side, role, liquidity
        self.slippage = NamedHistograms(SLIPPAGE)

        self.signal_to_wire = Histogram(LATENCY_S)
        self.decision_to_wire = NamedHistograms(LATENCY_S)  # by role
        self.wire_to_ack = NamedHistograms(LATENCY_S)  # by request
        self.frame_to_report = Histogram(LATENCY_S)
        self.sync = Histogram(LATENCY_S)
        self.late = Histogram(LATENCY_S)
        """By how much a task that slept a second was woken too late."""
        self.busy = Histogram(BRIEF_S)
        """How long one round of the loop took from its events to its next wait."""
        self.gc_pause = NamedHistograms(BRIEF_S)

        self._stood_s: float | None = None
        self.unwatched = self.uncovered = 0
        self.unwatched_s = self.uncovered_s = 0.0
        """Brackets times seconds, to the second: with a target nobody could watch; with quantity without a stop."""
        self._take: dict[type, Callable[[Any, int, str, str], None]] = {
            Opened: self._opened,
            Refused: self._denied,
            Intent: self._intended,
            Requested: self._requested,
            Answer: self._answered,
            OrderEvent: self._happened,
            BracketEvent: self._moved,
            Closed: self._closed,
        }

    # --- what it is told --------------------------------------------------------------------------------------------

    def take(self, kind: str, body: Any, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:
        """Count one row as it is appended."""
        counts = self._take.get(type(body))
        if counts is None:
            return
        try:
            counts(body, ts_ns, signal_id, cl_ord_id)
        except (EngineError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError):
            self.faults += 1  # a figure less is no reason to stop an order
            if self.faults == 1:
                log.exception("metrics.fault", kind=kind)

    def written(self, request: Request, signal_id: str) -> None:
        """A request's row is synced and its bytes leave now."""
        now_ns, name = self._clock.now_ns(), request.cl_ord_id
        self._wire_ns[name] = now_ns
        bracket = self._brackets.get(signal_id)
        known = bracket.orders.get(name) if bracket is not None else None
        if bracket is None or known is None or not isinstance(request, NewOrder):
            return
        self.decision_to_wire.observe(known.role, (now_ns - known.decided_ns) / NS)
        if known.role == "entry" and bracket.came_ns:
            self.signal_to_wire.observe((now_ns - bracket.came_ns) / NS)
            bracket.came_ns = 0

    def posted(self, report: ExecutionReport, framed_s: float | None) -> None:
        """A report waits for its row; ``framed_s`` is when the frame behind it was read, None where there was none."""
        if framed_s is not None:
            self._framed_s[report.offset] = framed_s

    def published(self, report: ExecutionReport) -> None:
        """A report goes to the subscribers now."""
        framed_s = self._framed_s.pop(report.offset, None)
        if framed_s is not None:
            self.frame_to_report.observe(trio.current_time() - framed_s)

    def stood(self, *, unwatched: int, uncovered: int) -> None:
        """So many brackets stand without a watched target, or without cover, since the last look."""
        now_s = trio.current_time()
        passed_s = now_s - self._stood_s if self._stood_s is not None else 0.0
        self.unwatched_s += self.unwatched * passed_s
        self.uncovered_s += self.uncovered * passed_s
        self._stood_s, self.unwatched, self.uncovered = now_s, unwatched, uncovered

    # --- rows -------------------------------------------------------------------------------------------------------

    def _opened(self, opened: Opened, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002 - one shape
        self.signals.add("accepted")
        self._brackets[signal_id] = _Bracket(ts_ns, _middle(opened))

    def _denied(self, refused: Refused, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002
        self.signals.add("denied")
        self.denials.add(refused.code)

    def _intended(self, intent: Intent, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:
        bracket = self._brackets.get(signal_id) or self._remembered(signal_id)
        bracket.orders[cl_ord_id] = _known(intent, bracket.arrival, ts_ns)

    def _requested(self, requested: Requested, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002
        self.requests.add(kind_of(requested.request), requested.transport)

    def _answered(self, answer: Answer, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002
        self.answers.add(answer.request, str(answer.outcome))
        if answer.outcome is Outcome.REFUSED:
            self.refusals.add(answer.code)
        wire_ns = self._wire_ns.pop(cl_ord_id, None)
        if wire_ns is not None and answer.outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
            self.wire_to_ack.observe(answer.request, (ts_ns - wire_ns) / NS)

    def _happened(self, event: OrderEvent, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002
        if event.from_state != event.to_state:
            self.transitions.add(event.from_state, event.to_state)
            if event.to_state == "denied":
                self.denials.add(event.code)
        if event.fill is not None:
            self._filled(event.fill, self._order(signal_id, cl_ord_id))
        if event.trigger_price is not None:
            known = self._order(signal_id, cl_ord_id)
            known.reference = event.trigger_price if known.role == "stop" else known.reference

    def _filled(self, fill: Fill, known: _Known) -> None:
        self.fills.add(known.symbol, known.side, known.role, fill.liquidity_ind)
        if known.reference:
            worse = sign(known.side) * (fill.last_px - known.reference) / known.reference
            self.slippage.observe(known.role, float(worse))

    def _moved(self, event: BracketEvent, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002
        if event.from_state != event.to_state:
            self.phases.add(event.from_state, event.to_state)

    def _closed(self, closed: Closed, ts_ns: int, signal_id: str, cl_ord_id: str) -> None:  # noqa: ARG002
        self.outcomes.add(closed.outcome)
        self._brackets.pop(signal_id, None)

    # --- brackets of an earlier process, or looked into again -------------------------------------------------------

    def _order(self, signal_id: str, cl_ord_id: str) -> _Known:
        bracket = self._brackets.get(signal_id) or self._remembered(signal_id)
        known = bracket.orders.get(cl_ord_id)
        if known is None:
            row = next(self._journal.rows(cl_ord_id=cl_ord_id, kind="intent"))
            known = bracket.orders[cl_ord_id] = _known(row.decode(Intent), bracket.arrival, row.ts_ns)
        return known

    def _remembered(self, signal_id: str) -> _Bracket:
        row = next(self._journal.rows(signal_id=signal_id, kind="signal"))
        bracket = self._brackets[signal_id] = _Bracket(0, _middle(row.decode(Opened)))
        return bracket


def _middle(opened: Opened) -> Decimal | None:
    return (opened.bid + opened.ask) / 2 if opened.bid is not None and opened.ask is not None else None


def _known(intent: Intent, arrival: Decimal | None, ts_ns: int) -> _Known:
    """Measure an entry by its arrival, a stop by its trigger, a target by its limit, a close by nothing."""
    spec = intent.spec
    references = {"entry": arrival, "stop": spec.trigger_price, "target": spec.limit_price}
    return _Known(intent.role, spec.symbol, spec.side, references.get(intent.role), ts_ns)
