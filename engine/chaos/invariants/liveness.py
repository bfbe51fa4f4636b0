"""What must come about: within its bound while the weather is calm, and in the end always."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import trio

from engine.chaos.invariants.base import Court, Invariant, Moment
from engine.chaos.ledger import ZERO, Case, Twin
from engine.chaos.tap import Asked
from engine.journal.row import Row
from engine.orders.bracket_events import BracketEvent
from engine.orders.endings import TAKEN_TWICE
from engine.orders.events import OrderEvent
from engine.orders.losses import MAX_VANISHED
from engine.risk.trading_state import TradingEvent

CALM_BARE_S = 2.0
"""Cover or flat within this in calm weather, and a round trip."""
SLACK_S = 0.6
"""The cover window (0.2 s), a round trip, and the tick of half a second in which it is seen."""
RECOVERY_S = 8.0
"""After a fault, or a restart, cover or flat takes ten seconds, two of which are there at any time."""
DOUBT_S = 72.0
"""An order in doubt while the stream was broken: REST may lag by 60 s; then a deadline, and rounds of questions."""
PROOF_S = 5.0 + 3.0 + 60.0 + 5.0
"""An unknown order: its deadline, the skew of the clocks, what REST may lag a broken stream, and five seconds."""
NEW_ORDER = 2
"""Points: without one no stop and no close can be placed, and the engine's count may be fuller by another."""
UNKNOWN_S = 5.0
KILL_S = 3.0
AGREE_S = 10.0
SHUTDOWN_S = 15.0
DOUBTFUL = frozenset({"unknown", "pending", "pending_cancel", "pending_amend"})


class EveryCaseEnds(Invariant):
    """After the weather every signal ends, stands protected, or is held as unknown with an alarm."""

    name = "every_signal_ends"

    def on_moment(self, moment: Moment) -> None:
        """Judge what is left."""
        if moment != "settled":
            return
        for case in self.ledger.cases.values():
            covered = case.state == "covered" and case.resting("stop") >= case.held  # its price lies beyond the sweep
            if case.closed is not None or covered or case.state == "taken_over":
                continue
            doubtful = [t for t in case.orders.values() if t.state == "unknown"]
            if not (doubtful and all(t.alarmed for t in doubtful)):
                told = {t.cl_ord_id[:8]: (t.role, t.state) for t in case.orders.values()}
                self.broken(f"stands in {case.state}: {told}", case.signal_id, *case.orders)


class UnknownsSettle(Invariant):
    """An order in doubt is settled when its deadline, the skew, the visibility lag and five seconds have passed."""

    name = "unknowns_settle"

    def on_tick(self) -> None:
        """Look for doubts that have stood through a quiet time."""
        quiet_s = self.ledger.quiet_since_s
        if self.court.now_s > quiet_s + PROOF_S and not self.ledger.had("foreign_order"):
            self._judge(quiet_s, PROOF_S)

    def on_moment(self, moment: Moment) -> None:
        """Look for any that are left."""
        if moment == "settled":
            self._judge(0.0, UNKNOWN_S)

    def _judge(self, quiet_s: float, bound_s: float) -> None:
        for twin in self.ledger.orders.values():
            if twin.state in DOUBTFUL and self.court.now_s > max(twin.state_since_s, quiet_s) + bound_s:
                self.broken(f"{twin.state} for {self.court.now_s - twin.state_since_s:.1f} s", twin.cl_ord_id)


class CoverInTime(Invariant):
    """Held quantity stands bare for at most two seconds while it is calm, and for ten after a fault.

    Who cannot know whether an exit lives may not send a second one: that takes its proof, and two seconds more. Nor may
    who has passed the counter with a batch of entries that were to go at once, before it has run down to its threshold;
    nor a bracket of that market whose exit was in doubt then, so that nothing could go before the batch. And nobody
    keeps points for the base fee of an exit, which that exit's own end leaves bare, nor covers a fill that neither a
    stream can tell of nor a call; nor such a fee while the single fills, which tell it, wait for the room of a list.
    """

    name = "cover_or_flat_in_time"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._doubted_s: dict[str, float] = {}
        self._batched: set[str] = set()
        self._behind: set[str] = set()
        self._short_s: dict[str, float] = {}

    def on_asked(self, asked: Asked) -> None:
        """Note whose entries a halt, or a person, takes back in one batch: that alone may pass a full counter."""
        twins = [twin for name in asked.ids if (twin := self.ledger.by_order_id.get(name)) is not None]
        if asked.kind == "cancel" and len(twins) > 1 and all(twin.role == "entry" for twin in twins):
            taken = [t for t in twins if self.ledger.halted or t.signal_id in self.ledger.taken_back]
            symbols = {twin.spec.symbol for twin in taken}
            cases = [case for case in self.ledger.cases.values() if case.closed is None]
            self._batched.update(twin.signal_id for twin in taken)
            self._behind.update(c.signal_id for c in cases if c.signal.symbol in symbols and _exit_unknown(c))

    def on_tick(self) -> None:
        """Follow each signal's bare time."""
        for case in self.ledger.cases.values():
            if case.closed is None:
                self._follow(case)

    def _follow(self, case: Case) -> None:
        now_s = self.court.now_s
        bare = case.held - max(case.resting("stop"), ZERO) - case.resting("close", "target")
        waits = case.signal.protect_from == "full_fill" and any(t.leaves for t in case.of("entry"))
        left = case.state == "taken_over" or self._let_go(case)
        if case.signal.stop_loss is None or left or waits or bare < case.dust():
            case.see_bare(ZERO, now_s)
            return
        case.see_bare(bare, now_s)
        if any(t.state in DOUBTFUL or (t.child and t.state == "new") for t in case.orders.values()):
            self._doubted_s[case.signal_id] = now_s
        recovered_s = self.ledger.quiet_since_s + RECOVERY_S
        doubted_s = min(self._doubted_s.get(case.signal_id, 0.0), recovered_s + DOUBT_S)
        if self.court.counter_full(case.signal.symbol, NEW_ORDER):
            if case.signal_id in self._batched | self._behind or bare <= case.base_fees():
                self._short_s[case.signal_id] = now_s
        elif not _exit_unknown(case):
            self._behind.discard(case.signal_id)  # what that batch had taken has run down
        if self.court.deaf() and any(_untold(twin) for twin in case.of("entry")):
            self._short_s[case.signal_id] = now_s
        if bare <= _untold_base_fees(case) and self.court.calls_short():
            self._short_s[case.signal_id] = now_s
        short_s = self._short_s.get(case.signal_id, 0.0)
        since_s = max(case.bare_since_s or 0.0, recovered_s, doubted_s, short_s)
        if now_s - since_s > CALM_BARE_S + SLACK_S:
            self.broken(f"{bare} bare for {now_s - since_s:.1f} s in {case.state}", case.signal_id, *case.orders)

    def _let_go(self, case: Case) -> bool:
        """Tell whether a person has truly taken two of its stops, and the engine says so: the rest goes as it can."""
        gone = (t for t in case.of("stop") if t.cl_ord_id in self.ledger.given_up and not t.leaves)
        return case.why == TAKEN_TWICE and sum(1 for _ in gone) >= MAX_VANISHED


def _untold(twin: Twin) -> bool:
    return twin.venue is not None and twin.venue.cum_qty > max(twin.cum_qty, twin.counted)


def _untold_base_fees(case: Case) -> Decimal:
    """Return what exits have paid in base by fills that the journal lacks, though it knows how much has filled."""
    base, paid = case.instrument.base, ZERO
    for twin in case.orders.values():
        lacks = twin.role != "entry" and twin.counted > twin.cum_qty
        if lacks and twin.venue is not None and twin.venue.fee_asset == base:
            paid += twin.venue.fee - twin.told_fees.get(base, ZERO)
    return paid


def _exit_unknown(case: Case) -> bool:
    return any(twin.state == "unknown" for twin in case.orders.values() if twin.role != "entry")


class CalmIsQuiet(Invariant):
    """Where nothing has disturbed anything for long, and the counter has room, no bracket comes to stand naked.

    A close of everything by REST alone takes each cancel and each sale in its turn, one call at a time.
    """

    name = "calm_is_quiet"

    def on_row(self, row: Row, fact: Any) -> None:
        """Look how long it has been quiet when a bracket calls itself naked."""
        if not isinstance(fact, BracketEvent) or fact.alarm != "NAKED":
            return
        quiet = self.court.now_s > self.ledger.quiet_since_s + RECOVERY_S + DOUBT_S
        in_turn = fact.close_all and self.court.by_rest_alone()
        if quiet and not in_turn and not self.court.counter_full():
            self.broken(f"{fact.uncovered} naked in quiet weather: {fact.why}", row.signal_id)


class RestartAgrees(Invariant):
    """Ten seconds after a restart, and after the weather, the engine's orders are those on the exchange."""

    name = "restart_agrees"
    _judged_s = 0.0

    def on_tick(self) -> None:
        """Compare once after each start that no fault has followed."""
        up_s = self.ledger.up_since_s
        if up_s > self._judged_s and self.court.now_s > up_s + AGREE_S:
            self._judged_s = up_s
            if self.ledger.quiet_since_s <= up_s:
                self._judge()

    def on_moment(self, moment: Moment) -> None:
        """Compare at the end."""
        if moment in ("calm", "settled") and self.ledger.up:
            self._judge()

    def _judge(self) -> None:
        live = self.court.world.engine.services.desk.live
        for twin in self.ledger.orders.values():
            rests = twin.venue is not None and twin.venue.is_open
            handle = live.get(twin.cl_ord_id)
            if rests and handle is None:
                self.broken("rests on the exchange, and no scope of the engine lives for it", twin.cl_ord_id)
            elif rests and handle is not None and not handle.view.busy and handle.view.order_qty != _qty(twin.venue):
                self.broken(f"engine {handle.view.order_qty}, exchange {_qty(twin.venue)}", twin.cl_ord_id)


def _qty(venue: object) -> object:
    return getattr(venue, "order_qty", None)


class KillInTime(Invariant):
    """Three seconds after a halt, or after a person's cancel, no entry concerned is live while the weather is calm.

    One that is alone waits for room in a full counter: only a batch of cancels may pass it, and a batch needs two.
    """

    name = "kill_in_time"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._halted_s: float | None = None
        self._full_s = -math.inf

    def on_row(self, row: Row, fact: Any) -> None:
        """Note when everything is halted."""
        if isinstance(fact, TradingEvent) and not fact.strategy_id:
            self._halted_s = self.court.now_s if fact.to_state == "HALTED" else None

    def on_tick(self) -> None:
        """Judge a halt that stands, and cancels."""
        self._judge(self._asked_s, RECOVERY_S)

    def on_moment(self, moment: Moment) -> None:
        """Judge the cancel of everything; at the end of the weather what was asked while it raged has had its time."""
        if moment == "taken_back":
            self._judge(lambda _: self.court.now_s - KILL_S, RECOVERY_S)
        elif moment == "calm":
            self._judge(self._asked_s, AGREE_S - KILL_S)

    def _asked_s(self, signal_id: str) -> float:
        """Return since when a signal's entry shall be gone; infinite where nobody has said so."""
        stands = "" in self.ledger.halted  # a loss of power may take back a halt that was not durable yet
        halted_s = self._halted_s if stands and self._halted_s is not None else math.inf
        return min(halted_s, self.ledger.taken_back.get(signal_id, math.inf))

    def _judge(self, asked_s: Callable[[str], float], recovery_s: float) -> None:
        quiet_s, now_s = self.ledger.quiet_since_s, self.court.now_s
        entries = [t for t in self.ledger.orders.values() if t.role == "entry" and asked_s(t.signal_id) < math.inf]
        living = [t for t in entries if t.venue is not None and t.venue.is_open]
        for twin in living:
            since_s = asked_s(twin.signal_id)
            grace_s = recovery_s + (DOUBT_S if twin.state in DOUBTFUL else 0.0)
            if now_s >= max(since_s, quiet_s + grace_s) + KILL_S and not self._waits_alone(twin, living):
                self.broken(f"still live {now_s - since_s:.1f} s after it", twin.cl_ord_id)

    def _waits_alone(self, twin: Twin, living: list[Twin]) -> bool:
        symbol = twin.spec.symbol
        if any(one.spec.symbol == symbol for one in living if one is not twin):
            return False
        if self.court.counter_full(symbol):
            self._full_s = self.court.now_s
        return self.court.now_s < self._full_s + KILL_S


class ShutdownInTime(Invariant):
    """An engine that is stopped in order has ended within fifteen seconds, whatever goes on around it."""

    name = "shutdown_in_time"

    def on_tick(self) -> None:
        """Look how long a stop has been under way."""
        since_s = self.court.world.stopping_since_s
        if since_s is not None and trio.current_time() > since_s + SHUTDOWN_S + SLACK_S:
            self.broken(f"under way for {trio.current_time() - since_s:.1f} s", str(self.court.world.lives))


class DamageIsAlarmed(Invariant):
    """Where REST lags beyond what the engine allows for, damage is never silent: it has an alarm."""

    name = "damage_is_alarmed"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._told: set[str] = set()

    def on_row(self, row: Row, fact: Any) -> None:
        """Note which order is told to live after all."""
        if isinstance(fact, OrderEvent) and fact.alarm == "REFUSED_BUT_LIVE":
            self._told.add(row.cl_ord_id)

    def on_moment(self, moment: Moment) -> None:
        """More filled than asked for, or an order lived that was proved dead, and nobody has said so."""
        if moment != "settled":
            return
        for twin in self.ledger.orders.values():
            if twin.misled and twin.cl_ord_id not in self._told:
                self.broken("proved dead, it lived, and no alarm", twin.cl_ord_id)
        for case in self.ledger.cases.values():
            entries = [t.venue for t in case.of("entry") if t.venue is not None]
            filled = sum((v.cum_qty for v in entries), ZERO)
            alarmed = any(t.alarmed for t in case.orders.values())
            if case.signal.order_qty and filled > case.signal.order_qty and not alarmed:
                self.broken(f"{filled} filled of {case.signal.order_qty} and no alarm", case.signal_id)


RULES = (
    EveryCaseEnds,
    UnknownsSettle,
    CoverInTime,
    CalmIsQuiet,
    RestartAgrees,
    KillInTime,
    ShutdownInTime,
    DamageIsAlarmed,
)
