"""Requests: announced before they leave, under rising nonces, about our own orders only, within the counters."""

from __future__ import annotations

from datetime import datetime

from engine.chaos.invariants.base import Court, Invariant
from engine.chaos.ledger import ZERO, Twin
from engine.chaos.tap import WHOLESALE, Asked
from engine.sim import TIERS
from engine.sim.events import OrderReport
from engine.values.time import NS

_FOREIGN_LOAD = ("foreign_order", "foreign_cancel", "slots_taken", "counter_filled")
_LOST_ROWS = ("power_loss", "disk_full", "sync_fails")
"""An engine counts on from what its journal holds: not from what was lost, or sent with no journal left to write to."""
_FOREIGN_CALLS = ("power_loss", "disk_full", "sync_fails")
RUNS_EMPTY_S = 90.0
MISCOUNTED = 2.0
"""Points by which the engine's count may be less: a request that was carried out late runs down from then on."""
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


class WithinOwnCounters(Invariant):
    """The exchange never refuses a request of ours for its rate, unless somebody else has used the account lately.

    Nor does it count more for a market than the engine does, whatever became of the engine's requests.
    """

    name = "within_own_counters"

    def on_tick(self) -> None:
        """Compare the exchange's counters with the engine's."""
        world, core = self.court.world, self.court.world.exchange._venue.core
        now_ns = core.clock.now_ns()
        levels = {symbol: float(core.rates.level("client", symbol, now_ns)) for symbol in core.markets}
        if max(levels.values()) <= MISCOUNTED or not (self.ledger.up and world.running):
            return
        if self._lately(*_FOREIGN_LOAD, *_LOST_ROWS):
            return
        ours = {row.symbol: row.level for row in world.engine.services.link.headroom()}
        for symbol, level in levels.items():
            if level > ours.get(symbol, 0.0) + MISCOUNTED:
                self.broken(f"the exchange counts {level:.1f} for {symbol}, the engine {ours.get(symbol, 0.0)}", symbol)

    def on_answered(self, end: str, data: bytes) -> None:
        """Look for a refusal, and whether the exchange's own counters stand behind it: the weather invents some."""
        if b"xceeded" not in data:
            return
        told = data[-200:].decode("utf-8", "replace")
        if b"Exceeded msg rate" in data:
            self.broken(f"more messages than a connection may send: {told}")
        elif b"EOrder:Rate limit exceeded" in data and self.court.counter_full():
            if not (self._lately(*_FOREIGN_LOAD, *_LOST_ROWS) or self._invented("rate_limited")):
                self.broken(f"refused for its rate: {told}")
        elif b"EAPI:Rate limit exceeded" in data and self._call_counter() and not self._lately(*_FOREIGN_CALLS):
            if not self._invented("rest_rate_limited"):
                self.broken(f"refused for the rate of its calls: {told}")
        elif b"EOrder:Orders limit exceeded" in data and not self._lately("slots_taken", "foreign_order"):
            self.broken(f"more open orders than there may be: {told}")

    def _lately(self, *kinds: str) -> bool:
        """A full counter takes about a minute to run empty."""
        return self.ledger.had_since(self.court.now_s - RUNS_EMPTY_S, *kinds)

    def _invented(self, kind: str) -> bool:
        """The weather refuses in the instant in which it strikes; counters may stand nearly full beside that."""
        return self.ledger.had_since(self.court.now_s, kind)

    def _call_counter(self) -> bool:
        venue = self.court.world.exchange._venue
        bound = TIERS[venue.settings.tier or "intermediate"].rest_max - venue.settings.rest_history_cost
        return any(key.calls.level(venue.clock.now_ns()) > bound for key in venue.keys.values())


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
    WithinOwnCounters,
    AmendsNeverDouble,
)
