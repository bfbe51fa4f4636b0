"""A bracket's rows in the journal, each caused by the one before."""

from __future__ import annotations

import structlog

from engine.accounts.pnl import money_of
from engine.orders.bracket_events import BracketEvent
from engine.orders.brackets import Bracket
from engine.orders.commands import NewOrder
from engine.orders.events import Role
from engine.orders.replay import Closed, Intent
from engine.risk.denials import Denial
from engine.runtime.bracket_end import end_reason, outcome_of
from engine.runtime.services import Services
from engine.values.money import Qty, sign

log = structlog.get_logger()


class BracketJournal:
    """Writes them. ``cause`` is the newest row of the bracket's own, first that of its signal."""

    def __init__(self, services: Services, bracket: Bracket, opened_row: int) -> None:
        self._services, self._bracket = services, bracket
        self.cause = opened_row

    def intend(self, spec: NewOrder, role: Role, why: str) -> int:
        """Note that an order is decided; returns the row."""
        return self._services.journal.append(
            "intent",
            Intent(spec, role, why),
            ts_ns=self._services.clock.now_ns(),
            signal_id=self._bracket.signal.signal_id,
            cl_ord_id=spec.cl_ord_id,
            causation_id=self.cause,
        )

    def record(self, events: list[BracketEvent]) -> None:
        """Note what the bracket has concluded."""
        signal_id = self._bracket.signal.signal_id
        for event in events:
            self.cause = self._services.journal.append(
                "bracket", event, ts_ns=event.ts_ns, signal_id=signal_id, causation_id=self.cause
            )
            if event.alarm:
                log.warning("bracket.alarm", alarm=event.alarm, why=event.why, uncovered=str(event.uncovered))

    def close(self, denial: Denial | None) -> None:
        """Note how the bracket has ended, and what is left of it. ``denial``: why its entry got no further attempt."""
        bracket, outcome = self._bracket, outcome_of(self._bracket)
        money = money_of(bracket.signal, bracket.instrument, bracket.orders.values())
        left = Qty(sign(bracket.signal.side) * bracket.exposure)
        reason = f"{denial.code}: {denial.reason}" if denial else end_reason(bracket)
        self._services.journal.append(
            "closed",
            Closed(outcome, left, reason),
            ts_ns=self._services.clock.now_ns(),
            signal_id=bracket.signal.signal_id,
            causation_id=self.cause,
        )
        log.info("bracket.ended", outcome=outcome, net_qty=str(left), pnl=str(money.realized_pnl), why=reason)
