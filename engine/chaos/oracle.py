"""The oracle: sees both sides at every event, keeps the ledger of what they know, and asks every invariant.

Journal rows are read off the disk as they are appended, requests off the wire as they are sent, and the exchange's
truth comes from its core: nothing here rests on what the engine thinks of itself, where a rule does not say so.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import trio

from engine.chaos.invariants import entries, exits, fills, liveness, orders, outputs, requests, room, streams
from engine.chaos.invariants.base import Court, Invariant, Moment, Violation
from engine.chaos.ledger import ZERO, Case, Ledger, Twin
from engine.chaos.moments import ASKED, CANCELED, CHANGED, FILLED, PART, PLACED
from engine.chaos.tap import Asked, WireTap
from engine.chaos.trace import Trace
from engine.chaos.world import World
from engine.journal.row import Row
from engine.journal.seeded_store import read_line
from engine.orders.bracket_events import BracketEvent
from engine.orders.commands import NewOrder
from engine.orders.events import ExecutionReport, OrderEvent
from engine.orders.replay import FACT_OF_KIND, Closed, Intent, Opened, Requested
from engine.risk.trading_state import TRADING_ROW, TradingEvent
from engine.sim.events import CommandDone, Event, MarketMoved
from engine.sim.events import OrderReport as VenueReport
from engine.values.money import other_side

RULES: tuple[type[Invariant], ...] = (
    *orders.RULES,
    *requests.RULES,
    *room.RULES,
    *fills.RULES,
    *exits.RULES,
    *entries.RULES,
    *outputs.RULES,
    *liveness.RULES,
    *streams.RULES,
)
"""Every invariant, in the order in which they are asked."""

TICK_S = 0.5
_CHILD = "child-"
_FACTS = {**FACT_OF_KIND, TRADING_ROW: TradingEvent}
_HOOKS = (
    "on_row",
    "on_venue",
    "on_done",
    "on_market",
    "on_asked",
    "on_answered",
    "on_log",
    "on_report",
    "on_called",
    "on_tick",
    "on_moment",
)


class Oracle:
    """Judges one run. Make it before the first engine boots."""

    def __init__(self, world: World, trace: Trace, *, except_for: frozenset[str] = frozenset()) -> None:
        self.ledger = Ledger()
        self.court = Court(world, trace, self.ledger)
        self._world, self._trace = world, trace
        rules = [rule(self.court) for rule in RULES if rule.name not in except_for]
        self._asks = {hook: [getattr(r, hook) for r in rules if _overrides(r, hook)] for hook in _HOOKS}
        self._touched = self._blind = False
        self.reports: list[ExecutionReport] = []
        """All that a subscriber has received."""
        self.walked: set[tuple[str, str, str, str]] = set()
        """(machine, from, move, to) of every transition in the journal."""
        self._tap = WireTap(self._on_asked)
        world.wire.observers.append(self._on_bytes)
        world.disk.observers.append(self._on_disk)
        world.exchange._venue.core.listen(self._on_event)

    @property
    def violations(self) -> list[Violation]:
        """What has been broken so far."""
        return self.court.violations

    async def watch(self) -> None:
        """Look twice a second until cancelled: time alone may break a bound."""
        while True:
            await trio.sleep(TICK_S)
            self._ask("on_tick")

    def moment(self, moment: Moment) -> None:
        """Tell that the run has come to one of its stages."""
        self._trace.note("oracle", "", moment)
        self._ask("on_moment", moment)

    def heard(self, report: ExecutionReport) -> None:
        """Take what a subscriber has received."""
        self.reports.append(report)
        self._ask("on_report", report)

    def called(self, report: ExecutionReport) -> None:
        """Take what a listener to the engine of now has been told."""
        self._ask("on_called", report, self._world.lives)

    def logged(self, level: str, event: str, text: str) -> None:
        """Take what the engine has logged."""
        self._trace.note("log", "", f"{level} {event} {text}")
        if level in ("error", "critical") or ".alarm" in event:
            self.ledger.alarms.append((self._trace.now_s, event))
        self._ask("on_log", level, event, text)

    def _ask(self, hook: str, *what: Any) -> None:
        for ask in self._asks[hook]:
            ask(*what)

    # --- the journal

    def _on_disk(self, act: str, name: str, data: bytes) -> None:
        if name != "journal" or self._blind:
            return
        if act == "sync":
            self.ledger.durable = self.ledger.head
            self._trace.note("disk", "", f"sync up to row {self.ledger.head}")
            return
        row = read_line(data)
        self._trace.note("journal", row.cl_ord_id or row.signal_id, f"#{row.seq} {row.kind} ".encode() + row.body)
        fact = row.decode(_FACTS[row.kind]) if row.kind in _FACTS else None
        self._ask("on_row", row, fact)
        self._take(row, fact)

    def restarting(self) -> None:
        """Read the journal anew: rows that were not synced may be gone, and what they said with them."""
        if not self._world.disk.exists("journal"):
            return
        content = self._world.disk.content("journal")
        self._forget()
        for line in bytes(content.durable + content.cache).split(b"\n")[:-1]:
            row = read_line(line)
            self._take(row, row.decode(_FACTS[row.kind]) if row.kind in _FACTS else None)
        self.ledger.durable = self.ledger.head
        self._drop_lost()

    def _drop_lost(self) -> None:
        """What no row names any more and the exchange never had is no order; what it has must have its row."""
        for name, twin in list(self.ledger.orders.items()):
            if twin.intended or twin.child:
                continue
            if twin.venue is not None:
                self.court.broken("request_row_first", "sent, and its intent is not on the disk", name)
            del self.ledger.orders[name]
            self.ledger.cases[twin.signal_id].orders.pop(name, None)
        for signal_id in [one for one, case in self.ledger.cases.items() if not case.opened]:
            del self.ledger.cases[signal_id]
        for signal_id in list(self.ledger.taken_back):
            if signal_id not in self.ledger.cases or not self.ledger.cases[signal_id].unwanted:
                del self.ledger.taken_back[signal_id]

    def blind(self) -> None:
        """Judge nothing more: what comes now is told to another judge."""
        self._asks = {hook: [] for hook in _HOOKS}
        self._blind = True

    def started(self) -> None:
        """An engine accepts signals again: from here on it has its bounds to keep."""
        self.ledger.up_since_s = self._trace.now_s
        self.ledger.disturb(self._trace.now_s)

    def _forget(self) -> None:
        ledger = self.ledger
        ledger.head = 0
        ledger.halted.clear()
        ledger.reducing.clear()
        for twin in [one for one in ledger.orders.values() if one.child]:
            self._unclaim_child(twin)
        for twin in ledger.orders.values():
            twin.state, twin.alarmed, twin.intended = "new", False, False
            twin.cum_qty = twin.counted = ZERO
            twin.told_qty = None
            twin.told_fees.clear()
            twin.exec_ids.clear()
            twin.requests.clear()
        for case in ledger.cases.values():
            case.state, case.closed, case.opened, case.unwanted, case.why = "entering", None, False, False, ""

    def _take(self, row: Row, fact: Any) -> None:
        ledger = self.ledger
        ledger.head = row.seq
        twin = ledger.orders.get(row.cl_ord_id)
        match fact:
            case Opened():
                if row.signal_id not in ledger.cases:
                    ledger.cases[row.signal_id] = Case(fact.signal, fact.instrument, self._trace.now_s)
                ledger.cases[row.signal_id].opened = True
            case Intent():
                self._intend(row, fact)
            case Requested() if twin is not None:
                self._request(twin, row, fact)
            case OrderEvent() if twin is not None:
                self._move(twin, fact)
            case BracketEvent() if row.signal_id in ledger.cases:
                self._step(ledger.cases[row.signal_id], fact)
            case Closed() if row.signal_id in ledger.cases:
                ledger.cases[row.signal_id].closed = fact
            case TradingEvent():
                self._latch(fact)
            case _:
                pass

    def _intend(self, row: Row, fact: Intent) -> None:
        ledger = self.ledger
        case = ledger.cases.get(row.signal_id)
        if case is None:
            return
        if row.cl_ord_id in ledger.orders:
            ledger.orders[row.cl_ord_id].intended = True  # read again after a restart
            return
        twin = Twin(row.cl_ord_id, row.signal_id, fact.role, fact.spec, state_since_s=self._trace.now_s)
        twin.decided_s = self._trace.now_s
        ledger.orders[row.cl_ord_id] = case.orders[row.cl_ord_id] = twin
        twin.venue = ledger.unclaimed.pop(row.cl_ord_id, None)
        if twin.venue is not None:
            twin.venue_ids.add(twin.venue.order_id)
            ledger.by_order_id[twin.venue.order_id] = twin

    def _request(self, twin: Twin, row: Row, fact: Requested) -> None:
        twin.requests.append((str(fact.request.__struct_config__.tag), row.seq))
        moment = CHANGED
        if isinstance(fact.request, NewOrder):
            twin.deadline_ns, moment = fact.request.deadline_ns, ASKED
        self.ledger.moments.came(moment, twin.role, twin.cl_ord_id)

    def _move(self, twin: Twin, event: OrderEvent) -> None:
        if event.order_id is not None and twin.venue is None:
            self._claim_child(twin, event.order_id)
        if event.move:
            self.walked.add(("order", event.from_state, event.move, event.to_state))
        if event.move and twin.state != event.to_state:
            twin.state, twin.state_since_s = event.to_state, self._trace.now_s
        if event.venue_cum is not None:
            twin.counted = max(twin.counted, event.venue_cum)
        if event.order_qty is not None:
            twin.told_qty = event.order_qty
        if event.alarm:
            twin.alarmed = True
            self.ledger.alarms.append((self._trace.now_s, event.alarm))
        if event.fill is not None and event.fill.exec_id not in twin.exec_ids:
            twin.exec_ids.add(event.fill.exec_id)
            twin.cum_qty += event.fill.last_qty
            for fee in event.fill.fees:
                twin.told_fees[fee.asset] = twin.told_fees.get(fee.asset, ZERO) + fee.qty

    def _step(self, case: Case, event: BracketEvent) -> None:
        case.unwanted = bool(event.unwanted)
        if event.move:
            self.walked.add(("bracket", event.from_state, event.move, event.to_state))
            case.state, case.why = event.to_state, event.why
            if event.move == "reopen":
                case.closed = None
        if event.alarm:
            case.alarmed_s = self._trace.now_s
            self.ledger.alarms.append((self._trace.now_s, event.alarm))

    def _latch(self, event: TradingEvent) -> None:
        ledger = self.ledger
        ledger.reducing.discard(event.strategy_id)
        if event.to_state == "REDUCING":
            ledger.reducing.add(event.strategy_id)
        if event.to_state == "ACTIVE":
            ledger.halted.pop(event.strategy_id, None)
        elif event.to_state == "HALTED":
            ledger.halted[event.strategy_id] = event.code

    # --- the wire and the exchange

    def _on_bytes(self, end: str, data: bytes) -> None:
        self._trace.wire(end, data)
        if end.endswith("/server"):
            self._ask("on_answered", end, data)
        else:
            self._tap(end, data)

    def _on_asked(self, asked: Asked) -> None:
        if asked.kind != "other":
            names = (*asked.names, *(t.cl_ord_id for i in asked.ids if (t := self.ledger.by_order_id.get(i))))
            told = {key: value for key, value in asked.params.items() if key not in ("token", "nonce")}
            self._trace.note("sent", names[0] if names else "", f"{asked.method} {json.dumps(told)}")
        self._ask("on_asked", asked)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, VenueReport):
            if event.order.account == "client":
                self._on_report(event)
        elif isinstance(event, MarketMoved):
            if event.best:
                self._ask("on_market", event.symbol)
        elif isinstance(event, CommandDone) and self._touched:
            self._touched = False
            self._ask("on_done")

    def _on_report(self, event: VenueReport) -> None:
        order, ledger = event.order, self.ledger
        twin = ledger.by_order_id.get(order.order_id)
        if twin is None and order.cl_ord_id is not None:
            twin = ledger.orders.get(order.cl_ord_id)
            if twin is None:
                ledger.unclaimed[order.cl_ord_id] = order
        if twin is None and order.cl_ord_id is None:
            twin = self._child(event)
        if twin is not None and order.order_id not in twin.venue_ids:
            twin.venue_ids.add(order.order_id)
            twin.venue = order
            ledger.by_order_id[order.order_id] = twin
        if twin is None and order.cl_ord_id is None:
            ledger.foreign[order.order_id] = order
        subject = order.cl_ord_id or (twin.cl_ord_id if twin is not None else order.order_id)
        fill = f" {event.trade.exec_id} {event.trade.qty} at {event.trade.price}" if event.trade is not None else ""
        said = (
            f"{event.exec_type}{fill} {order.status} {order.side} {order.order_type} {order.cum_qty}/{order.order_qty}"
        )
        self._trace.note("venue", subject, f"{said} {order.reason or ''}".rstrip())
        self._touched = True
        self._ask("on_venue", event, twin)
        if twin is not None:
            if event.exec_type == "canceled" and order.reason == self._world.exchange.settings.reason_stp:
                ledger.count("own_entry_in_way", self._trace.now_s)
            twin.venue_cum = order.cum_qty
            if event.trade is not None:
                twin.filled_s = self._trace.now_s
            moment = _moment(event)
            if moment:
                ledger.moments.came(moment, twin.role, twin.cl_ord_id)

    def _child(self, event: VenueReport) -> Twin | None:
        """A conditional close bears no name of ours: it is ours by the order that created it."""
        parent = self.ledger.by_order_id.get(event.order.ref_id or "")
        if parent is None:
            return None
        case, order = self.ledger.cases[parent.signal_id], event.order
        twin = Twin(f"{_CHILD}{order.order_id}", parent.signal_id, "stop", _closing(parent.spec), child=True)
        case.orders[twin.cl_ord_id] = twin
        return twin

    def _unclaim_child(self, twin: Twin) -> None:
        """The row that named the venue's order may be lost: it goes by the venue's id until one is read."""
        order = twin.venue
        if order is None:
            return
        nameless = replace(twin, cl_ord_id=f"{_CHILD}{order.order_id}")
        self.ledger.by_order_id[order.order_id] = self.ledger.cases[twin.signal_id].orders[nameless.cl_ord_id] = (
            nameless
        )
        twin.child, twin.venue, twin.venue_ids = False, None, set()

    def _claim_child(self, twin: Twin, order_id: str) -> None:
        """The engine has given the venue's own order a name: from here on that is the one it goes by."""
        before = self.ledger.by_order_id.get(order_id)
        if before is None or before is twin or not before.child:
            return
        twin.child, twin.venue, twin.venue_ids = True, before.venue, before.venue_ids
        twin.venue_cum, twin.filled_s = before.venue_cum, before.filled_s
        self.ledger.by_order_id[order_id] = twin
        self.ledger.orders.pop(before.cl_ord_id, None)
        self.ledger.cases[before.signal_id].orders.pop(before.cl_ord_id, None)


def _moment(event: VenueReport) -> str:
    """Return the moment to which the exchange's word brings an order; empty where it is none."""
    if event.trade is not None:
        return PART if event.order.is_open else FILLED
    return {"new": PLACED, "canceled": CANCELED, "expired": CANCELED}.get(event.exec_type, "")


def _closing(entry: NewOrder) -> NewOrder:
    """A child's terms as far as rules look at them: it goes the other way."""
    return msgspec.structs.replace(entry, side=other_side(entry.side), order_type="stop-loss", conditional=None)


def _overrides(rule: Invariant, hook: str) -> bool:
    return getattr(type(rule), hook) is not getattr(Invariant, hook)
