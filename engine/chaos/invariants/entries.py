"""Entries: none while halted, none beyond a limit, none on a price that nobody saw."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from engine.chaos.invariants.base import Invariant
from engine.chaos.ledger import ZERO, Case, Twin
from engine.chaos.tap import Asked
from engine.journal.row import Row
from engine.orders.machine import ENDED
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
        told = [t for t in self.ledger.orders.values() if not (t.child or t.misled)]
        living = sum(t.venue is not None and t.venue.is_open for t in told)
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
        # coins that a person had protected were never bought here: limits are on what entries build up
        cases = [c for c in self.ledger.cases.values() if c.signal.symbol == symbol and c.signal.entered]
        total = twin.spec.order_qty + sum((_at_worst(case, twin) for case in cases), ZERO)
        if total > of_symbol.position_qty_most:
            self.broken(
                f"{twin.spec.side} side may come to {total}, at most {of_symbol.position_qty_most}", twin.cl_ord_id
            )


class DecisionsOnFreshBooks(Invariant):
    """Entries and targets are decided on a verified book only, a target only where its price was really touched."""

    name = "decisions_on_fresh_books"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._seen: dict[tuple[str, str], deque[tuple[float, Decimal]]] = {}

    def on_tick(self) -> None:
        """Note the best prices of the exchange, which may not have moved for long."""
        for symbol in sorted({case.signal.symbol for case in self.ledger.cases.values()}):
            self._note(symbol)

    def on_market(self, symbol: str) -> None:
        """Prices come and go between two ticks."""
        self._note(symbol)

    def _note(self, symbol: str) -> None:
        bids, asks = self.court.world.exchange.truth.levels(symbol, 1)
        for side, levels in (("sell", bids), ("buy", asks)):
            seen = self._seen.setdefault((symbol, side), deque(maxlen=1000))
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


class ReducingAddsNothing(Invariant):
    """While trading is reducing no entry goes out that makes its strategy's position larger."""

    name = "reducing_adds_nothing"

    def on_asked(self, asked: Asked) -> None:
        """Look where the strategy stands, by the exchange and by the journal: where either reduces, it may."""
        if asked.kind != "new" or not self.ledger.reducing:
            return
        for name in asked.names:
            twin = self.ledger.orders.get(name)
            case = self.ledger.cases[twin.signal_id] if twin is not None else None
            if twin is None or case is None or twin.role != "entry":
                continue
            if {"", case.signal.strategy_id} & self.ledger.reducing and not self._reduces(case):
                self.broken(f"a {twin.spec.side} goes out where nothing is to be reduced", name)

    def _reduces(self, case: Case) -> bool:
        """Tell whether anything stands against this entry's side."""
        own = [
            one
            for one in self.ledger.cases.values()
            if one.signal.symbol == case.signal.symbol and one.signal.strategy_id == case.signal.strategy_id
        ]
        opposite = [one for one in own if one.signal.side != case.signal.side]
        return any(one.held > ZERO or one.told_held > ZERO for one in opposite)


class ValidityKept(Invariant):
    """No entry goes out once its signal's time is over by its engine's steady clock."""

    name = "validity_kept"

    def on_asked(self, asked: Asked) -> None:
        """Look at the clock."""
        for name in asked.names if asked.kind == "new" else ():
            twin = self.ledger.orders.get(name)
            until_ns = self.ledger.cases[twin.signal_id].signal.valid_until_ns if twin is not None else None
            late_ns = self.court.world.engine.services.clock.now_ns() - until_ns if until_ns is not None else 0
            if twin is not None and twin.role == "entry" and late_ns > 0:
                self.broken(f"sent {late_ns / 1e9:.3f} s after its time", name)


def _at_worst(case: Case, twin: Twin) -> Decimal:
    """The most that a signal may come to on the side of an entry: its exits may take away what stands on the other.

    What is left of one that has ended has no exits any more: it stands against the others.
    """
    held = case.net if twin.spec.side == "buy" else -case.net
    if case.closed is not None:
        return min(held, ZERO)
    others = (t for t in case.of("entry") if t is not twin and t.spec.side == twin.spec.side)
    return max(held, ZERO) + sum((_to_come(t) for t in others), ZERO)


def _to_come(twin: Twin) -> Decimal:
    """What an entry may still fill: what rests, and all of one whose request is out and not told of.

    Nobody knows of one that lives for all proofs of its death.
    """
    if twin.misled:
        return ZERO
    if twin.venue is None and twin.requests and twin.state not in ENDED:
        return twin.spec.order_qty
    return twin.leaves


RULES = (HaltedSendsNoEntry, LimitsHold, DecisionsOnFreshBooks, ReducingAddsNothing, ValidityKept)
