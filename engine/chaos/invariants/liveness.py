"""What must come about: within its bound while the weather is calm, and in the end always."""

from __future__ import annotations

from typing import Any

from engine.chaos.invariants.base import Court, Invariant, Moment
from engine.chaos.ledger import ZERO, Case
from engine.journal.row import Row
from engine.risk.trading_state import TradingEvent

CALM_BARE_S = 2.0
"""Cover or flat within this in calm weather, and a round trip."""
SLACK_S = 0.6
"""The cover window (0.2 s), a round trip, and the tick of half a second in which it is seen."""
UNKNOWN_S = 5.0
KILL_S = 3.0


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
    """In the end nothing is in doubt: the deadline, the skew, the visibility lag and five seconds have passed."""

    name = "unknowns_settle"

    def on_moment(self, moment: Moment) -> None:
        """Look for doubts."""
        if moment != "settled":
            return
        for twin in self.ledger.orders.values():
            if twin.state in ("unknown", "pending", "pending_cancel", "pending_amend"):
                since_s = self.court.now_s - twin.state_since_s
                if since_s > UNKNOWN_S:
                    self.broken(f"{twin.state} for {since_s:.1f} s", twin.cl_ord_id)


class CoverInTime(Invariant):
    """Held quantity stands without a stop for at most two seconds while the weather is calm."""

    name = "cover_or_flat_in_time"

    def on_tick(self) -> None:
        """Follow each signal's bare time."""
        for case in self.ledger.cases.values():
            if case.closed is None:
                self._follow(case)

    def _follow(self, case: Case) -> None:
        now_s = self.court.now_s
        bare = case.held - max(case.resting("stop"), ZERO) - case.resting("close", "target")
        waits = case.signal.protect_from == "full_fill" and any(t.leaves for t in case.of("entry"))
        if case.signal.stop_loss is None or case.state == "taken_over" or waits or bare < case.dust():
            case.bare_since_s = None
            return
        if case.bare_since_s is None:
            case.bare_since_s = now_s
        since_s = max(case.bare_since_s, self.ledger.trouble_until_s)
        if now_s - since_s > CALM_BARE_S + SLACK_S:
            self.broken(f"{bare} bare for {now_s - since_s:.1f} s in {case.state}", case.signal_id, *case.orders)


class RestartAgrees(Invariant):
    """After the last restart the engine's orders are those on the exchange."""

    name = "restart_agrees"

    def on_moment(self, moment: Moment) -> None:
        """Compare living orders with living orders."""
        world = self.court.world
        if moment not in ("calm", "settled") or not self.ledger.up:
            return
        live = world.engine.services.desk.live
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
    """Three seconds after a halt, or after every entry was canceled, no entry is live while the weather is calm."""

    name = "kill_in_time"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._halted_s: float | None = None

    def on_row(self, row: Row, fact: Any) -> None:
        """Note when everything is halted."""
        if isinstance(fact, TradingEvent) and not fact.strategy_id:
            self._halted_s = self.court.now_s if fact.to_state == "HALTED" else None

    def on_tick(self) -> None:
        """Judge a halt that stands."""
        if self._halted_s is not None and self.court.now_s > self._halted_s + KILL_S:
            self._judge(self._halted_s)

    def on_moment(self, moment: Moment) -> None:
        """Judge the cancel of everything."""
        if moment == "taken_back":
            self._judge(self.court.now_s - KILL_S)

    def _judge(self, since_s: float) -> None:
        if self.court.now_s < max(since_s, self.ledger.trouble_until_s) + KILL_S:
            return
        for twin in self.ledger.orders.values():
            if twin.role == "entry" and twin.venue is not None and twin.venue.is_open:
                self.broken("still live", twin.cl_ord_id)


class DamageIsAlarmed(Invariant):
    """Where REST lags beyond what the engine allows for, damage is never silent: it has an alarm."""

    name = "damage_is_alarmed"

    def on_moment(self, moment: Moment) -> None:
        """More filled than asked for, and nobody has said so."""
        if moment != "settled":
            return
        for case in self.ledger.cases.values():
            entries = [t.venue for t in case.of("entry") if t.venue is not None]
            filled = sum((v.cum_qty for v in entries), ZERO)
            alarmed = any(t.alarmed for t in case.orders.values())
            if case.signal.order_qty and filled > case.signal.order_qty and not alarmed:
                self.broken(f"{filled} filled of {case.signal.order_qty} and no alarm", case.signal_id)


RULES = (EveryCaseEnds, UnknownsSettle, CoverInTime, RestartAgrees, KillInTime, DamageIsAlarmed)
