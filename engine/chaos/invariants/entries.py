"""Entries: none while halted, none beyond a limit, none on a price that nobody saw."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from engine.chaos.invariants.base import Invariant
from engine.chaos.ledger import ZERO, Twin
from engine.chaos.tap import Asked
from engine.journal.row import Row
from engine.orders.replay import Intent
from engine.sim.events import OrderReport

SEEN_WITHIN_S = 15.0
"""A touch is believed for as long as a silent stream is: its heartbeat bound of ten seconds, and the way here."""


class HaltedSendsNoEntry(Invariant):
    """While trading is halted no entry goes out on the wire."""

    name = "halted_sends_no_entry"

    def on_asked(self, asked: Asked) -> None:
        """Look at the latch as the journal has it."""
        if asked.kind != "new" or not self.ledger.halted:
            return
        for name in asked.names:
            twin = self.ledger.orders.get(name)
            strategy = self.ledger.cases[twin.signal_id].signal.strategy_id if twin is not None else ""
            if twin is not None and twin.role == "entry" and {"", strategy} & set(self.ledger.halted):
                self.broken(f"halted ({self.ledger.halted})", name)


class LimitsHold(Invariant):
    """With what is in flight counted, no entry breaks a limit on orders, their number and value, or positions."""

    name = "limits_hold"

    def on_row(self, row: Row, fact: Any) -> None:
        """Count what lives when an entry is decided: exits that come after it are never kept back."""
        if not isinstance(fact, Intent) or fact.role != "entry" or fact.why.startswith("adopted"):
            return
        limits, spec = self.court.world.settings.limits, fact.spec
        value = spec.order_qty * (spec.limit_price or ZERO)
        if limits.order_value_most is not None and value > limits.order_value_most:
            self.broken(f"worth {value}, at most {limits.order_value_most}", row.cl_ord_id)
        living = sum(t.venue is not None and t.venue.is_open and not t.child for t in self.ledger.orders.values())
        if limits.open_orders_most is not None and living + 1 > limits.open_orders_most:
            self.broken(f"{living} orders live, at most {limits.open_orders_most} with this one", row.cl_ord_id)

    def on_asked(self, asked: Asked) -> None:
        """Add up what stands on the exchange and what is on its way."""
        if asked.kind != "new":
            return
        for name in asked.names:
            twin = self.ledger.orders.get(name)
            if twin is not None and twin.role == "entry":
                self._judge(twin)

    def _judge(self, twin: Twin) -> None:
        limits, symbol = self.court.world.settings.limits, twin.spec.symbol
        of_symbol = limits.of_symbol(symbol)
        if of_symbol.order_qty_most is not None and twin.spec.order_qty > of_symbol.order_qty_most:
            self.broken(f"order for {twin.spec.order_qty}, at most {of_symbol.order_qty_most}", twin.cl_ord_id)
        if of_symbol.position_qty_most is None:
            return
        total = twin.spec.order_qty if twin.spec.side == "buy" else -twin.spec.order_qty
        for case in self.ledger.cases.values():
            if case.signal.symbol == symbol and case.closed is None:
                total += case.held if case.signal.side == "buy" else -case.held
                living = [t for t in case.of("entry") if t is not twin]
                total += sum((t.leaves if t.spec.side == "buy" else -t.leaves for t in living), ZERO)
        if abs(total) > of_symbol.position_qty_most:
            self.broken(f"position may come to {total}, at most {of_symbol.position_qty_most}", twin.cl_ord_id)


class DecisionsOnFreshBooks(Invariant):
    """Entries and targets are decided on a verified book only, a target only where its price was really touched."""

    name = "decisions_on_fresh_books"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._seen: dict[tuple[str, str], deque[tuple[float, Decimal]]] = {}

    def on_tick(self) -> None:
        """Note the best prices of the exchange."""
        for symbol in sorted({case.signal.symbol for case in self.ledger.cases.values()}):
            self._note(symbol)

    def _note(self, symbol: str) -> None:
        bids, asks = self.court.world.exchange.truth.levels(symbol, 1)
        for side, levels in (("sell", bids), ("buy", asks)):
            seen = self._seen.setdefault((symbol, side), deque(maxlen=200))
            if levels:
                seen.append((self.court.now_s, levels[0][0]))

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Prices change with trades, too."""
        self._note(report.order.symbol)

    def on_row(self, row: Row, fact: Any) -> None:
        """Judge a decision at the moment it is taken."""
        if not isinstance(fact, Intent) or fact.role not in ("entry", "target") or fact.why.startswith("adopted"):
            return
        if not self.ledger.up:
            return  # a bracket resumed while its engine opens: nothing to ask it by yet
        if fact.role == "target" and fact.spec.time_in_force != "ioc" and fact.spec.order_type != "market":
            return  # one that rests waits for its price at the exchange: no book is asked
        engine = self.court.world.engine
        book = engine.services.link.book(fact.spec.symbol)
        if book is None or not book.usable:
            self.broken(f"{fact.role} decided while the book is not usable", row.cl_ord_id)
        if fact.role == "target" and fact.spec.limit_price is not None:
            self._was_touched(row, fact)

    def _was_touched(self, row: Row, fact: Intent) -> None:
        price = fact.spec.limit_price or ZERO
        self._note(fact.spec.symbol)
        seen = self._seen.get((fact.spec.symbol, fact.spec.side), ())
        recent = [at for at_s, at in seen if at_s >= self.court.now_s - SEEN_WITHIN_S]
        if not any(at >= price if fact.spec.side == "sell" else at <= price for at in recent):
            self.broken(f"target at {price}, the exchange's best of late: {recent[-3:]}", row.cl_ord_id)


RULES = (HaltedSendsNoEntry, LimitsHold, DecisionsOnFreshBooks)
