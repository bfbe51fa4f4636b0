"""Orders: one per attempt, one for one intent, and never told otherwise than they are."""

from __future__ import annotations

from typing import Any

from engine.chaos.invariants.base import Court, Invariant
from engine.chaos.ledger import ZERO, Case, Twin
from engine.journal.row import Row
from engine.orders.bracket_events import BracketEvent
from engine.orders.bracket_machine import BRACKET_ROWS
from engine.orders.events import OrderEvent
from engine.orders.machine import ENDED, ORDER_ROWS, Rows
from engine.orders.replay import Intent, Requested
from engine.orders.steps import NOT_APPLIED
from engine.sim import SimOrder
from engine.sim.events import OrderReport
from engine.values.time import NS

_TOLD = frozenset({"open", "partial", *ENDED})
"""Nothing is under way for an order in these."""
REOPENED_S = 10.0
"""A fill that was told late is heard, or asked for, within this, and its bracket open again."""


class OneOrderPerAttempt(Invariant):
    """The exchange has at most one order of any cl_ord_id, ever."""

    name = "one_order_per_attempt"

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Count ids by name."""
        if twin is not None and len(twin.venue_ids) > 1:
            self.broken(f"two orders of one name: {sorted(twin.venue_ids)}", twin.cl_ord_id)


class OneLiveForOneIntent(Invariant):
    """Of a signal at most one entry is live on the exchange."""

    name = "one_live_for_one_intent"

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Count living entries."""
        if twin is None or twin.role != "entry" or report.exec_type not in ("pending_new", "new"):
            return
        case = self.ledger.cases[twin.signal_id]
        entries = [t for t in case.of("entry") if not t.misled]
        living = [t.cl_ord_id for t in entries if t.venue is not None and t.venue.is_open]
        if len(living) > 1:
            self.broken(f"{len(living)} entries of signal {case.signal_id} are live", *living)


class IntentNotExceeded(Invariant):
    """What the entries of a signal have filled and what of them is open never exceeds what the signal asked for."""

    name = "intent_not_exceeded"

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Sum all entries of the signal."""
        if twin is None or twin.role != "entry":
            return
        case = self.ledger.cases[twin.signal_id]
        entries = [t.venue for t in case.of("entry") if t.venue is not None and not t.misled]
        total = sum((v.cum_qty + v.leaves_qty for v in entries), ZERO)
        if total > case.signal.order_qty and case.signal.order_qty:
            names = [t.cl_ord_id for t in case.of("entry")]
            self.broken(f"filled and open: {total}, asked for: {case.signal.order_qty}", *names)


class RetryAfterDeath(Invariant):
    """A further entry is decided only when every earlier one has ended for certain and has no fill."""

    name = "retry_after_death"

    def on_row(self, row: Row, fact: Any) -> None:
        """Look at the earlier attempts, here and on the exchange."""
        if not isinstance(fact, Intent) or fact.role != "entry" or fact.why.startswith("adopted"):
            return
        case = self.ledger.cases.get(row.signal_id)
        for twin in case.of("entry") if case is not None else ():
            lives = twin.venue is not None and (twin.venue.is_open or twin.venue.cum_qty)
            if twin.state not in ENDED or (lives and not twin.misled):
                self.broken(
                    f"the earlier attempt stands in {twin.state}, on the exchange: {twin.venue}",
                    twin.cl_ord_id,
                    row.cl_ord_id,
                )


class DeclaredTransitions(Invariant):
    """Orders and brackets move along rows of their machines only, each from where it stood."""

    name = "declared_transitions"

    def on_row(self, row: Row, fact: Any) -> None:
        """Look the move up."""
        if isinstance(fact, OrderEvent) and fact.move:
            twin = self.ledger.orders.get(row.cl_ord_id)
            stood = twin.state if twin is not None else ""
            reopened = stood == "settled" and fact.from_state in ENDED
            if stood != fact.from_state and not reopened:
                self.broken(f"{fact.move!r} starts in {fact.from_state}, the order stood in {stood}", row.cl_ord_id)
            if not _declared(ORDER_ROWS, fact.from_state, fact.move, fact.to_state):
                self.broken(f"no row: {fact.from_state} --{fact.move}--> {fact.to_state}", row.cl_ord_id)
        elif isinstance(fact, BracketEvent) and fact.move:
            case = self.ledger.cases.get(row.signal_id)
            if case is not None and case.state != fact.from_state:
                self.broken(f"{fact.move!r} starts in {fact.from_state}, it stood in {case.state}", row.signal_id)
            if not _declared(BRACKET_ROWS, fact.from_state, fact.move, fact.to_state):
                self.broken(f"no row: {fact.from_state} --{fact.move}--> {fact.to_state}", row.signal_id)


def _declared(rows: Rows, before: str, move: str, after: str) -> bool:
    return any(target == after for _, target in rows.get(before, {}).get(move, ()))


class TerminalAgrees(Invariant):
    """A state told as final is final on the exchange, too; what was denied or rejected has never been there.

    While REST lags further than it may, an order of which no frame has told may be proved dead and live: that is
    damage, and is judged by whether it is alarmed.
    """

    name = "terminal_agrees"

    def on_row(self, row: Row, fact: Any) -> None:
        """Compare at the moment of the row: the exchange is never behind."""
        twin = self.ledger.orders.get(row.cl_ord_id)
        if not isinstance(fact, OrderEvent) or fact.to_state not in ENDED or twin is None or not fact.move:
            return
        if twin.misled and fact.from_state == "rejected":
            return
        venue = twin.venue
        if fact.to_state in ("denied", "rejected"):
            if venue is None or not (venue.is_open or venue.cum_qty):
                return
            twin.misled = fact.move == "prove_dead" and self.court.rest_lags_beyond()
            if not twin.misled:
                self.broken(f"told {fact.to_state} ({fact.why}), the exchange has {venue}", row.cl_ord_id)
        elif venue is None:
            if fact.from_state not in ("denied", "rejected"):
                self.broken(f"told {fact.to_state}, the exchange never had it", row.cl_ord_id)
        elif venue.is_open or fact.to_state not in ("settled", venue.status, _by_fills(venue)):
            self.broken(f"told {fact.to_state}, the exchange has {venue}", row.cl_ord_id)

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """An order that comes to life after it was told dead."""
        if twin is None or report.exec_type != "pending_new":
            return
        if twin.state in ("denied", "rejected"):
            self.broken("held for denied or rejected, and now the exchange takes it", twin.cl_ord_id)


def _by_fills(venue: SimOrder) -> str:
    """What an order is by its fills alone: one that was canceled and of which all has filled, told late, is filled."""
    return "filled" if venue.cum_qty == venue.order_qty else venue.status


class ProofAfterDeadline(Invariant):
    """No order is proved dead while the venue may still take its request: its deadline has passed, by their clock."""

    name = "proof_after_deadline"

    def on_row(self, row: Row, fact: Any) -> None:
        """Ask the exchange for its time; a person's word is no proof."""
        twin = self.ledger.orders.get(row.cl_ord_id)
        if not isinstance(fact, OrderEvent) or fact.move != "prove_dead" or fact.why.startswith("operator") or not twin:
            return
        early_ns = twin.deadline_ns - self.court.world.exchange._venue.clock.now_ns()
        if early_ns > 0:
            self.broken(f"proved dead {early_ns / NS:.3f} s before its deadline", row.cl_ord_id)


class ChangesAgree(Invariant):
    """An amend takes effect only while it is pending, and none that has taken effect is told as not applied."""

    name = "changes_agree"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._done: set[str] = set()
        self._terms: dict[str, tuple[object, ...]] = {}

    def on_row(self, row: Row, fact: Any) -> None:
        """Look what became of the amend that an order has gone back from."""
        if isinstance(fact, Requested):
            self._done.discard(row.cl_ord_id)
        elif isinstance(fact, OrderEvent) and self._tells_undone(row.cl_ord_id, fact):
            self.broken("told as not applied, and the exchange has done it", row.cl_ord_id)

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Look how the order stood when the exchange changed it."""
        if twin is None:
            return
        order, before = report.order, self._terms.get(twin.cl_ord_id)
        self._terms[twin.cl_ord_id] = terms = (order.order_qty, order.limit_price, order.trigger_price)
        if report.exec_type != "amended":
            return
        self._done.add(twin.cl_ord_id)
        # asked twice for the same, the first one's word may be taken for the second's: that one changes nothing
        if terms != before and twin.state in _TOLD and not self.ledger.had("lag_beyond"):
            self.broken(f"amended to {report.order.order_qty}, its order stood in {twin.state}", twin.cl_ord_id)

    def _tells_undone(self, cl_ord_id: str, event: OrderEvent) -> bool:
        """Whether an amend that was done counts as not applied: by REST that lags further than it may, it does."""
        undone = event.from_state == "pending_amend" and event.code == NOT_APPLIED
        return undone and cl_ord_id in self._done and not self.ledger.had("lag_beyond")


class ScopeOutlivesOrders(Invariant):
    """No order of a signal is live on the exchange when its bracket has ended."""

    name = "no_order_outlives_its_scope"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._made_late: dict[str, float] = {}

    def on_row(self, row: Row, fact: Any) -> None:
        """Look at the exchange when a bracket closes."""
        case = self.ledger.cases.get(row.signal_id)
        if row.kind != "closed" or case is None:
            return
        if self.ledger.had_since(self.court.now_s - REOPENED_S, "late_fill"):
            self._made_late[case.signal_id] = self.court.now_s  # what has come of such a fill may still be on its way
        else:
            self._look(case)

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """An order that comes to life after the end."""
        if twin is None or report.exec_type != "pending_new":
            return
        case = self.ledger.cases[twin.signal_id]
        if case.closed is None:
            return
        if twin.child:
            self._made_late[case.signal_id] = self.court.now_s
        else:
            self._look(case)

    def on_tick(self) -> None:
        """What the venue has made of a fill that it told after the end has the bracket opened again."""
        for signal_id, at_s in list(self._made_late.items()):
            if self.court.now_s > max(at_s, self.ledger.quiet_since_s) + REOPENED_S:
                del self._made_late[signal_id]
                if self.ledger.cases[signal_id].closed is not None:
                    self._look(self.ledger.cases[signal_id])

    def _look(self, case: Case) -> None:
        living = [t.cl_ord_id for t in case.orders.values() if t.venue is not None and t.venue.is_open]
        if living:
            self.broken(f"signal {case.signal_id} has ended with {len(living)} live orders", *living)


RULES = (
    OneOrderPerAttempt,
    OneLiveForOneIntent,
    IntentNotExceeded,
    RetryAfterDeath,
    DeclaredTransitions,
    TerminalAgrees,
    ProofAfterDeadline,
    ChangesAgree,
    ScopeOutlivesOrders,
)
