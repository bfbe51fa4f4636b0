"""Requests: announced before they leave, under rising nonces, about our own orders only, within the counters."""

from __future__ import annotations

from datetime import datetime

from engine.chaos.invariants.base import Court, Invariant
from engine.chaos.ledger import ZERO, Twin
from engine.chaos.tap import WHOLESALE, Asked
from engine.sim.events import OrderReport
from engine.values.time import NS

LEAD_S = 5.0
"""The longest wire deadline."""
MISTAKEN_S = 5.0
"""By so much the engine may mistake the exchange's clock: REST tells whole seconds, four seconds old on a slow line."""


class RequestRowFirst(Invariant):
    """Every order-bearing request has a request row of its order that was synced before its first byte."""

    name = "request_row_first"

    def on_asked(self, asked: Asked) -> None:
        """Look for a durable row of the same order and kind."""
        if asked.kind == "other" or self.court.world.journal.failed is not None:
            return  # whose journal has failed takes its entries back without one
        for twin in _twins(self.ledger.orders, self.ledger.by_order_id, asked):
            rows = [seq for kind, seq in twin.requests if kind == asked.kind]
            if not any(seq <= self.ledger.durable for seq in rows):
                self.broken(
                    f"{asked.method} left with request rows {rows}, durable up to {self.ledger.durable}", twin.cl_ord_id
                )
        for name in asked.names:
            if name not in self.ledger.orders:
                self.broken(f"{asked.method} names {name}, which no intent does", name)


class OrdersMeetTerms(Invariant):
    """No order is sent that its market's terms forbid: below a minimum, or between two lots or ticks."""

    name = "orders_meet_terms"

    def on_asked(self, asked: Asked) -> None:
        """Compare with the exchange's own terms."""
        for name in asked.names if asked.kind == "new" else ():
            twin = self.ledger.orders.get(name)
            if twin is None or not twin.spec.order_qty:
                continue
            pairs = self.court.world.exchange.settings.pairs
            pair = next(one for one in pairs if one.symbol == twin.spec.symbol)
            qty, price = twin.spec.order_qty, twin.spec.limit_price
            if qty < pair.qty_min or qty % pair.lot:
                self.broken(f"an order for {qty}, at least {pair.qty_min}, in steps of {pair.lot}", name)
            if price is not None and (price % pair.tick or qty * price < pair.cost_min):
                self.broken(f"{qty} at {price}: ticks of {pair.tick}, worth at least {pair.cost_min}", name)


class NoncesRise(Invariant):
    """Nonces rise in the order in which requests are written, on whatever connection, over engines' lives, too.

    Which of two connections delivers first is the network's business: at worst an order that was passed is refused.
    """

    name = "nonces_rise"

    def __init__(self, court: Court) -> None:
        super().__init__(court)
        self._highest = 0

    def on_asked(self, asked: Asked) -> None:
        """Compare with those before."""
        text = asked.params.get("nonce")
        if text is None:
            return
        nonce = int(text)
        if nonce <= self._highest:
            self.broken(f"{asked.method} bears {nonce} after {self._highest}")
        self._highest = max(self._highest, nonce)


class DeadlinesInVenueTime(Invariant):
    """A wire deadline lies ahead by the exchange's clock, as far as it should: no step of the machine's moves it."""

    name = "deadlines_in_venue_time"

    def on_asked(self, asked: Asked) -> None:
        """Compare with the exchange's clock as the request is written."""
        text = asked.params.get("deadline")
        if text is None:
            return
        deadline_s = datetime.fromisoformat(text).timestamp()
        ahead_s = deadline_s - self.court.world.exchange.clock.now_ns() / NS
        if not -MISTAKEN_S <= ahead_s <= LEAD_S + MISTAKEN_S:
            self.broken(f"{asked.method} is good for {ahead_s:.1f} s", *asked.names)


class ForeignUntouched(Invariant):
    """No request names an order that is not ours, and none touches orders wholesale."""

    name = "foreign_untouched"

    def on_asked(self, asked: Asked) -> None:
        """Look every name up."""
        if asked.method in WHOLESALE:
            self.broken(f"{asked.method} touches orders without naming them")
        if asked.kind not in ("amend", "cancel"):
            return
        foreign = set(self.ledger.foreign) | {one.cl_ord_id for one in self.ledger.foreign.values()}
        for name in (*asked.ids, *asked.names):
            if name in foreign:
                self.broken(f"{asked.method} names {name}, which is not ours", name)


class AmendsNeverDouble(Invariant):
    """An amend never makes an order larger than its signal; an exit may also buy what base fees have taken from it."""

    name = "amends_never_double"

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """Look at the new total."""
        if twin is None or report.exec_type != "amended":
            return
        case = self.ledger.cases[twin.signal_id]
        most = case.signal.order_qty
        if most and report.order.order_qty > most + (ZERO if twin.role == "entry" else case.base_fees()):
            self.broken(f"amended to {report.order.order_qty}, the signal is for {most}", twin.cl_ord_id)


def _twins(by_name: dict[str, Twin], by_id: dict[str, Twin], asked: Asked) -> list[Twin]:
    named = [by_name[name] for name in asked.names if name in by_name]
    return named + [by_id[order_id] for order_id in asked.ids if order_id in by_id]


RULES = (
    RequestRowFirst,
    OrdersMeetTerms,
    NoncesRise,
    DeadlinesInVenueTime,
    ForeignUntouched,
    AmendsNeverDouble,
)
