"""What comes out: no secret anywhere, alarms in time, everything bounded, one writer, no silent damage."""

from __future__ import annotations

from typing import Any

import trio

from engine.chaos.invariants.base import Invariant, Moment
from engine.errors import JournalBusy
from engine.journal.opening import seeded_journal
from engine.journal.row import Row
from engine.orders.events import ExecutionReport

_SAMPLED = 4
"""Every so many ticks: bounds are not broken and mended within seconds."""
TASKS_MOST = 700
CONNECTIONS_MOST = 64
IN_FLIGHT_MOST = 400


class NoSecret(Invariant):
    """Neither the API secret nor the key stands in a row, a log line or a report."""

    name = "no_secret"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        exchange = court.world.exchange
        self._texts = (exchange.api_secret, exchange.api_key)
        self._bytes = tuple(text.encode() for text in self._texts)

    def on_row(self, row: Row, fact: Any) -> None:
        """Look through its bytes."""
        if any(secret in row.body for secret in self._bytes):
            self.broken(f"a {row.kind} row holds it", row.cl_ord_id)

    def on_log(self, level: str, event: str, text: str) -> None:
        """Look through the line."""
        if any(secret in text for secret in self._texts):
            self.broken(f"the log line {event} holds it")

    def on_report(self, report: ExecutionReport) -> None:
        """Look through its words."""
        if any(secret in report.reason for secret in self._texts):
            self.broken("a report holds it", report.cl_ord_id)


class Bounded(Invariant):
    """Tasks, connections, strays and requests in flight stay bounded."""

    name = "bounded"
    _ticks = 0

    def on_tick(self) -> None:
        """Count now and then."""
        self._ticks += 1
        if self._ticks % _SAMPLED:
            return
        world = self.court.world
        tasks = trio.lowlevel.current_statistics().tasks_living
        connections = sum(not one.dead for one in world.wire.connections)
        if tasks > TASKS_MOST or connections > CONNECTIONS_MOST:
            self.broken(f"{tasks} tasks, {connections} connections")
        if self.ledger.up and world.running:
            services = world.engine.services
            if services.sender.in_flight > IN_FLIGHT_MOST or services.desk.counts["strays_dropped"]:
                self.broken(f"{services.sender.in_flight} requests in flight, {services.desk.counts}")


class OneWriter(Invariant):
    """A second engine on the same machine never gets the journal for writing."""

    name = "one_writer"

    def on_moment(self, moment: Moment) -> None:
        """Try it."""
        world = self.court.world
        if moment != "booted" or not world.running:
            return
        try:
            seeded_journal(world.disk, world.journal.identity, world.clock)
        except JournalBusy:
            return
        self.broken("a second writer got in")


class ChainHolds(Invariant):
    """The journal's hash chain holds from its first row to its last."""

    name = "chain_holds"

    def on_moment(self, moment: Moment) -> None:
        """Walk it once, at the end."""
        if moment == "settled" and self.ledger.up:
            self.court.world.journal.verify()


class AlarmsInTime(Invariant):
    """Whatever is in doubt or beyond its intent has its alarm within five seconds."""

    name = "alarms_in_time"

    def on_tick(self) -> None:
        """Orders in doubt without an alarm row."""
        for twin in self.ledger.orders.values():
            if twin.state == "unknown" and not twin.alarmed and self.court.now_s > twin.state_since_s + 5:
                self.broken("unknown for more than 5 s without an alarm", twin.cl_ord_id)


RULES = (NoSecret, Bounded, OneWriter, ChainHolds, AlarmsInTime)
