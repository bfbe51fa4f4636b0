"""What Kraken lets an account do, and how much of it is left: points, calls, slots."""

from __future__ import annotations

from typing import Any

from engine.chaos.invariants.base import Court, Invariant
from engine.chaos.ledger import Case, Twin
from engine.journal.row import Row
from engine.orders.commands import NewOrder
from engine.orders.replay import Requested
from engine.orders.reports import Answer, Outcome
from engine.sim import TIERS
from engine.values.time import NS

FOREIGN_LOAD = ("foreign_order", "foreign_cancel", "slots_taken", "counter_filled")
LOST_ROWS = ("power_loss", "disk_full", "sync_fails")
"""An engine counts on from what its journal holds: not from what was lost, or sent with no journal left to write to."""
HELD_UP = ("half_open_to_server", "slow_trickle")
"""Bytes come to the exchange when the engine has long given up waiting, and are counted there only then."""
RUNS_EMPTY_S = 90.0
MISCOUNTED = 2.0
"""Points by which the engine's count may be less: a request that was carried out late runs down from then on."""
CARRIED_OUT_LATE = 8
"""As many more where the weather has held one back for seconds, with no answer in time: the dearest cancel."""
ENDED_BY_AMEND = 7
"""As many more for an amend below what had filled, which nobody had been told: the venue takes it for a cancel."""
COVER_POINTS = 2
"""For each bracket that has no exit yet: its stop and one more."""
SWAP_POINTS = 10
"""Once for a market: a young stop's cancel, the exit in its place, the stop put back."""


class WithinOwnCounters(Invariant):
    """The exchange never refuses a request of ours for its rate, unless somebody else has used the account lately.

    Nor does it count more for a market than the engine does, whatever became of the engine's requests. A batch that
    takes entries back may pass the counter: what had its leave before it is refused behind it, which is allowed for.
    """

    name = "within_own_counters"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._leaves_beyond: set[int] = set()

    def on_row(self, row: Row, fact: Any) -> None:
        """Note which requests had their leave while the engine itself counted beyond the bound."""
        match fact:
            case Requested() if self._counts_beyond(fact.request.symbol):
                self._leaves_beyond.add(row.seq)
            case Answer(outcome=Outcome.REFUSED, code="RATE_LIMIT") if row.causation_id in self._leaves_beyond:
                if self.court.counter_full() and not self._lately(*FOREIGN_LOAD, *LOST_ROWS, "rate_limited"):
                    self.broken("refused for its rate; its leave came while the counter was passed", row.cl_ord_id)

    def on_tick(self) -> None:
        """Compare the exchange's counters with the engine's."""
        world, core = self.court.world, self.court.world.exchange._venue.core
        now_ns = core.clock.now_ns()
        levels = {symbol: float(core.rates.level("client", symbol, now_ns)) for symbol in core.markets}
        if max(levels.values()) <= MISCOUNTED or not (self.ledger.up and world.running):
            return
        if self._lately(*FOREIGN_LOAD, *LOST_ROWS, *HELD_UP):
            return
        ours = {row.symbol: row.level for row in world.engine.services.link.headroom()}
        allowed = MISCOUNTED + (CARRIED_OUT_LATE if self._lately("late_execution") else 0)
        for symbol, level in levels.items():
            missing = level - ours.get(symbol, 0.0) - allowed
            if missing > 0 and missing > ENDED_BY_AMEND * self._ended_by_amend(symbol, now_ns):
                self.broken(f"the exchange counts {level:.1f} for {symbol}, the engine {ours.get(symbol, 0.0)}", symbol)

    def _ended_by_amend(self, symbol: str, now_ns: int) -> int:
        """Return how many orders have ended so while their points stand in the counter."""
        found = [
            one.venue for one in self.ledger.orders.values() if one.spec.symbol == symbol and one.venue is not None
        ]
        since_ns = now_ns - int(RUNS_EMPTY_S * NS)
        ended = [one for one in found if one.status == "canceled" and (one.closed_ns or 0) > since_ns]
        return sum(one.order_qty == one.cum_qty > 0 and one.order_qty < one.amends[0].order_qty for one in ended)

    def on_answered(self, end: str, data: bytes) -> None:
        """Look for a refusal, and whether the exchange's own counters stand behind it: the weather invents some."""
        if b"xceeded" not in data:
            return
        told = data[-200:].decode("utf-8", "replace")
        if b"Exceeded msg rate" in data:
            self.broken(f"more messages than a connection may send: {told}")
        elif b"EOrder:Rate limit exceeded" in data and self.court.counter_full():
            excused = self._lately(*FOREIGN_LOAD, *LOST_ROWS) or self._invented("rate_limited")
            if not (excused or self._counts_beyond()):
                self.broken(f"refused for its rate: {told}")
        elif b"EAPI:Rate limit exceeded" in data and self._call_counter() and not self._lately(*LOST_ROWS):
            if not self._invented("rest_rate_limited"):
                self.broken(f"refused for the rate of its calls: {told}")
        elif b"EOrder:Orders limit exceeded" in data and not self._lately("slots_taken", "foreign_order"):
            self.broken(f"more open orders than there may be: {told}")

    def _lately(self, *kinds: str) -> bool:
        """A full counter takes about a minute to run empty."""
        return self.ledger.had_since(self.court.now_s - RUNS_EMPTY_S, *kinds)

    def _counts_beyond(self, symbol: str = "") -> bool:
        """Whether the engine's own count stands past its bound, of this market or of any: only a batch may do that."""
        if not (self.ledger.up and self.court.world.running):
            return False
        rows = self.court.world.engine.services.link.headroom()
        return any(row.level > row.threshold for row in rows if symbol in ("", row.symbol))

    def _invented(self, kind: str) -> bool:
        """The weather refuses in the instant in which it strikes; counters may stand nearly full beside that."""
        return self.ledger.had_since(self.court.now_s, kind)

    def _call_counter(self) -> bool:
        venue = self.court.world.exchange._venue
        bound = TIERS[venue.settings.tier or "intermediate"].rest_max - venue.settings.rest_history_cost
        return any(key.calls.level(venue.clock.now_ns()) > bound for key in venue.keys.values())


class EntriesLeaveRoom(Invariant):
    """An entry goes only while there is room for a stop and one more of each bracket that has none, and for a swap.

    It has its leave with its row. Swaps that come between that and its first byte would have come after it as well.
    """

    name = "entries_leave_room"

    def on_row(self, row: Row, fact: Any) -> None:
        """Add up what the brackets of its market may want, before the exchange has counted the entry."""
        entering = self.ledger.orders.get(row.cl_ord_id)
        if entering is None or entering.role != "entry":
            return
        if not isinstance(fact, Requested) or not isinstance(fact.request, NewOrder):
            return
        if self.ledger.had_since(self.court.now_s - RUNS_EMPTY_S, *FOREIGN_LOAD, *LOST_ROWS):
            return
        symbol, core = entering.spec.symbol, self.court.world.exchange._venue.core
        level = float(core.rates.level("client", symbol, core.clock.now_ns()))
        bound = float(core.rates.threshold_of("client"))
        own = self.ledger.cases[entering.signal_id]
        bare = [case for case in self.ledger.cases.values() if case is own or self._may_need(case, symbol)]
        wanted = 1 + COVER_POINTS * len(bare) + SWAP_POINTS
        if level + wanted > bound + MISCOUNTED:
            text = f"{len(bare)} brackets without an exit, {level:.1f} of {bound:g} points taken"
            self.broken(text, row.cl_ord_id)

    def _may_need(self, case: Case, symbol: str) -> bool:
        if case.signal.symbol != symbol or case.closed is not None or case.signal.stop_loss is None:
            return False
        exits = any(_rests(twin) for twin in case.orders.values() if twin.role != "entry")
        enters = any(_rests(twin) or twin.state == "pending" for twin in case.of("entry"))
        return not exits and (case.held >= case.dust() or enters)


def _rests(twin: Twin) -> bool:
    return twin.venue is not None and twin.venue.is_open


RULES = (WithinOwnCounters, EntriesLeaveRoom)
