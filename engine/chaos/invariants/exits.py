"""Exits: never more than is held, never kept back, never a target where a stop is missing."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.chaos.invariants.base import STATES, Invariant
from engine.chaos.ledger import ZERO, Case, Twin
from engine.chaos.tap import Asked
from engine.journal.row import Row
from engine.orders.bracket_events import BracketEvent
from engine.orders.endings import GONE
from engine.orders.events import OrderEvent
from engine.orders.losses import MAX_VANISHED
from engine.orders.replay import Intent
from engine.sim.events import OrderReport

EXIT_CODES = frozenset({"EXIT_EXCEEDS_POSITION", "EXIT_OFF_TICK", "EXIT_OFF_LOT", "EXIT_BELOW_MINIMUM"})
"""The only checks of ours that an exit meets."""


RECOVERY_S = 8.0
TURN_S = 0.5
"""From its intent to the limiter: a turn of the loop, and a slow sync at worst."""
SHRINK_S = 2.0
"""An amend's wire deadline and a round trip."""
DEAREST_AMEND = 4
"""Points of a pair's counter: the amend of an order that has only just come."""
UNPROVEN = frozenset({"pending", "unknown"})
"""What is not known to rest cannot be canceled."""


class ExitsWithinPosition(Invariant):
    """Exits that live on the exchange never exceed what the signal holds there."""

    name = "exits_within_position"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._touched: set[str] = set()
        self._full_s: dict[str, float] = {}
        self._no_amend_s: dict[str, float] = {}
        self._unproven_s: dict[str, float] = {}
        self._calls_full_s = -math.inf
        self._unanswered_s: dict[str, float] = {}

    def on_tick(self) -> None:
        """Note when requests or REST calls had no room, who waited then, and whose stops are not known to rest."""
        if self.court.calls_full():
            self._calls_full_s = self.court.now_s
        for symbol in {case.signal.symbol for case in self.ledger.cases.values()}:
            if self.court.counter_full(symbol, DEAREST_AMEND):
                self._no_amend_s[symbol] = self.court.now_s
        states_wait = self.court.calls_short(STATES)
        for case in self.ledger.cases.values():
            if states_wait and any(self._unanswered(twin) for twin in case.of("stop") + case.of("target")):
                self._unanswered_s[case.signal_id] = self.court.now_s
            if any(twin.state in UNPROVEN for twin in case.of("stop")):
                self._unproven_s[case.signal_id] = self.court.now_s

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Remember whom the command concerned."""
        if twin is not None:
            self._touched.add(twin.signal_id)

    def on_done(self) -> None:
        """Judge when the command is over: in its middle one order may stand for another."""
        for signal_id in sorted(self._touched):
            self._judge(self.ledger.cases[signal_id])
        self._touched.clear()

    def _judge(self, case: Case) -> None:
        """A target whose end is not known within the swap's bound gets its stop back first, whatever it has traded."""
        live, held = case.resting(), max(case.held, ZERO)
        if case.signal.exits == "both-rest":
            live = max(case.resting("stop", "close"), case.resting("target"))
            if live > held and self._sibling_just_traded(case):
                return
        if live > held + self._unheard(case) + self._just_taken(case):
            self.broken(f"exits for {live} live, held is {held}", case.signal_id, *case.orders)

    def _sibling_just_traded(self, case: Case) -> bool:
        """Both exits rest: what the one has traded the other offers until a shrink or a cancel has come through.

        Four stops cost 32 points to cancel: where the counter has no room for that they go one after the other. By REST
        a shrink is a call, and so is the question what became of a cancel that nobody has answered.
        """
        just = max((twin.filled_s for twin in case.of("stop") + case.of("target")), default=0.0)
        if self.court.counter_full(case.signal.symbol):
            self._full_s[case.signal.symbol] = self.court.now_s
        full_s = self._full_s.get(case.signal.symbol, 0.0)
        if self._shrink_waits_for_a_call(case):
            return True
        asked_s = self._unanswered_s.get(case.signal_id, 0.0)
        return self.court.now_s <= max(just, full_s, asked_s, self.ledger.quiet_since_s + RECOVERY_S) + SHRINK_S

    def _unanswered(self, twin: Twin) -> bool:
        return twin.state == "pending_cancel" and self.court.now_s > twin.state_since_s + SHRINK_S

    def _just_taken(self, case: Case) -> Decimal:
        """Base fees that a stop cannot have left out yet: until a shrink has come through it is for all that filled.

        A conditional close's stop is the venue's own, and an order that REST tells of has a quantity before it has
        fills with their fees. By REST a shrink is one call, and waits while there is room for none; and any waits while
        its pair's counter takes none, which a crowd keeps full for as long as its stops shrink in turn.
        """
        entries = [twin for twin in case.of("entry") if twin.venue is not None and twin.venue.cum_qty]
        filled_s = max((twin.filled_s for twin in entries), default=0.0)
        full_s = self._no_amend_s.get(case.signal.symbol, 0.0)
        until_s = max(self.ledger.quiet_since_s + RECOVERY_S, filled_s, full_s) + SHRINK_S
        if self.court.now_s > until_s and not self._shrink_waits_for_a_call(case):
            return ZERO
        fees = [t.venue.fee for t in entries if t.venue is not None and t.venue.fee_asset == case.instrument.base]
        return sum(fees, ZERO)

    def _shrink_waits_for_a_call(self, case: Case) -> bool:
        full = self.court.calls_full() or self.court.now_s <= self._calls_full_s + SHRINK_S
        return full and any(twin.state == "pending_amend" for twin in case.of("stop"))

    def _unheard(self, case: Case) -> Decimal:
        """What such targets have traded and the journal has not heard of, or only just: the stop shrinks again then.

        A stop that came about meanwhile goes once it is known to rest, and the weather leaves its change a way.
        """
        bound_s, now_s = self.court.world.settings.policy.swap_bound_s, self.court.now_s
        total = ZERO
        for twin in case.of("target"):
            if twin.venue is None or now_s < twin.decided_s + bound_s:
                continue
            unproven_s, recovered_s = self._unproven_s.get(case.signal_id, 0.0), self.ledger.quiet_since_s + RECOVERY_S
            known_s = max(twin.state_since_s, unproven_s, recovered_s)
            just = twin.state_since_s >= twin.decided_s + bound_s and now_s <= known_s + SHRINK_S
            total += twin.venue.cum_qty if just else twin.venue.cum_qty - twin.cum_qty
        return total


class TargetHasStop(Invariant):
    """A target never rests while its quantity has no stop."""

    name = "target_has_stop"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._beside: dict[str, Decimal] = {}

    def on_row(self, row: Row, fact: Any) -> None:
        """Note what stops rested by the journal's word when a target was decided: more nobody could know."""
        if isinstance(fact, Intent) and fact.role == "target":
            self._beside[row.cl_ord_id] = self.ledger.cases[row.signal_id].told_resting("stop")

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """An immediate target rests never; any other only beside a stop, or where nothing is held any more."""
        if twin is None or twin.role != "target" or report.exec_type != "new":
            return
        case, spec = self.ledger.cases[twin.signal_id], twin.spec
        if spec.order_type == "market" or spec.time_in_force == "ioc" or not case.signal.stop_loss:
            return
        wanted = min(twin.leaves, max(case.held, ZERO))
        if max(case.resting("stop"), self._beside.get(twin.cl_ord_id, ZERO)) < wanted:
            self.broken(f"target for {wanted}, stops for {case.resting('stop')}", twin.cl_ord_id)


class ExitsNeverDenied(Invariant):
    """No exit is denied by a check that is meant for entries."""

    name = "exits_never_denied"

    def on_row(self, row: Row, fact: Any) -> None:
        """Look at the code of a denial."""
        twin = self.ledger.orders.get(row.cl_ord_id)
        if not isinstance(fact, OrderEvent) or twin is None or twin.role == "entry" or fact.move != "deny":
            return
        if fact.code not in EXIT_CODES and fact.code != "NOT_SENT":
            self.broken(f"denied by {fact.code}: {fact.why}", row.cl_ord_id)


class ExitsGoFirst(Invariant):
    """No entry goes out while a stop or a close of the same market, decided before, still waits for its turn.

    An entry has its turn, and its points, with its row; by REST alone it may wait for its call after that.
    """

    name = "exits_go_first"

    def on_asked(self, asked: Asked) -> None:
        """Look for exits whose intent stands and whose request does not."""
        for name in asked.names if asked.kind == "new" else ():
            twin = self.ledger.orders.get(name)
            if twin is not None and twin.role == "entry":
                self._judge(twin)

    def _judge(self, entry: Twin) -> None:
        had_turn = entry.state == "pending"
        before_s = (entry.state_since_s if had_turn else self.court.now_s) - TURN_S
        for twin in self.ledger.orders.values():
            if twin.role not in ("stop", "close") or twin.spec.symbol != entry.spec.symbol:
                continue
            waits = twin.state == "new" and not twin.requests and twin.intended and not twin.child
            if waits and self.ledger.up_since_s < twin.decided_s <= before_s:
                told = f"the {twin.role} has waited since {twin.decided_s:.3f}, the entry goes"
                self.broken(told, entry.cl_ord_id, twin.cl_ord_id)


class TakenOverTruly(Invariant):
    """A bracket is left to a person only where its stops, or its coins, were truly taken from it."""

    name = "taken_over_truly"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._asked_ns: dict[str, int] = {}

    def on_asked(self, asked: Asked) -> None:
        """Note when the engine first asked for an order's end."""
        if asked.kind == "cancel":
            for name in (*asked.ids, *asked.names):
                self._asked_ns.setdefault(name, self.court.world.exchange.clock.now_ns())

    def on_row(self, row: Row, fact: Any) -> None:
        """Count the stops that the exchange has ended before the engine asked it to, or because a person did."""
        if not isinstance(fact, BracketEvent) or fact.move != "hand_over" or fact.closing in GONE:
            return
        case = self.ledger.cases.get(row.signal_id)
        stops = [twin for twin in case.of("stop") if twin.venue is not None] if case is not None else []
        taken = sum(self._taken(twin) for twin in stops)
        if taken < MAX_VANISHED:
            self.broken(f"{taken} stops were taken from it: {fact.why}", row.signal_id)

    def _taken(self, twin: Twin) -> bool:
        """A cancel of ours that comes too late meets an order that is gone already."""
        if twin.venue is None or twin.venue.status != "canceled" or twin.venue.closed_ns is None:
            return False
        asked = [self._asked_ns[name] for name in (twin.cl_ord_id, *twin.venue_ids) if name in self._asked_ns]
        by_person = twin.cl_ord_id in self.ledger.given_up | self.ledger.taken
        return by_person or not asked or twin.venue.closed_ns < min(asked)


RULES = (ExitsWithinPosition, TargetHasStop, ExitsNeverDenied, ExitsGoFirst, TakenOverTruly)
