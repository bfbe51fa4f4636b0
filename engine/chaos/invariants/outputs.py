"""What comes out: no secret anywhere, alarms in time, everything bounded, one writer, no silent damage."""

from __future__ import annotations

from typing import Any

import trio

from engine.chaos.invariants.base import Invariant, Moment
from engine.chaos.ledger import Case
from engine.chaos.remembered import sizes
from engine.chaos.tap import Asked
from engine.errors import JournalBusy, JournalCorrupt
from engine.journal.opening import seeded_journal
from engine.journal.row import Row
from engine.orders.events import ExecutionReport
from engine.orders.machine import ENDED

_SAMPLED = 4
"""Every so many ticks: bounds are not broken and mended within seconds."""
TASKS_MOST = 700
CONNECTIONS_MOST = 64
IN_FLIGHT_MOST = 400
KEPT_MOST = 2500
"""Of anything: a run has twenty brackets at most, and in five minutes, for which frames are known, some hundreds."""
ALARM_S = 5.0
ENDS_S = 2.0


class NoSecret(Invariant):
    """Neither the API secret, nor the key, nor a token stands in a row, a log line or a report."""

    name = "no_secret"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        exchange = court.world.exchange
        self._texts = {exchange.api_secret: b"", exchange.api_key: b""}
        for text in self._texts:
            self._texts[text] = text.encode()

    def on_asked(self, asked: Asked) -> None:
        """Learn the tokens: they open the account as long as they live."""
        token = asked.params.get("token")
        if isinstance(token, str) and token not in self._texts:
            self._texts[token] = token.encode()

    def on_row(self, row: Row, fact: Any) -> None:
        """Look through its bytes."""
        if any(secret in row.body for secret in self._texts.values()):
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
    """Tasks, connections, requests in flight and what is remembered of orders stay bounded, and end with the engine."""

    name = "bounded"
    _ticks = 0

    def on_tick(self) -> None:
        """Count now and then."""
        self._ticks += 1
        if self._ticks % _SAMPLED:
            return
        world = self.court.world
        tasks, connections = trio.lowlevel.current_statistics().tasks_living, self._connections()
        if tasks > TASKS_MOST or connections > CONNECTIONS_MOST:
            self.broken(f"{tasks} tasks, {connections} connections")
        if self.ledger.up and world.running:
            services = world.engine.services
            if services.sender.in_flight > IN_FLIGHT_MOST or services.desk.counts["strays_dropped"]:
                self.broken(f"{services.sender.in_flight} requests in flight, {services.desk.counts}")

    def on_moment(self, moment: Moment) -> None:
        """Nobody keeps an order whose signal has ended, and a stopped engine keeps no connection."""
        if moment == "settled" and self.ledger.up:
            ended = {signal_id for signal_id, case in self.ledger.cases.items() if case.closed is not None}
            live = self.court.world.engine.services.desk.live.values()
            kept = [handle.view.cl_ord_id for handle in live if handle.signal_id in ended]
            if kept:
                self.broken(f"{len(kept)} orders of ended signals are kept", *kept)
            for where, count in sizes(self.court.world.engine):
                if count > KEPT_MOST:
                    self.broken(f"{where} holds {count}")
        elif moment == "stopped" and self._connections():
            self.broken(f"{self._connections()} connections outlive the engine")

    def _connections(self) -> int:
        return sum(not one.dead for one in self.court.world.wire.connections)


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
        if moment != "settled" or not self.ledger.up:
            return
        try:
            self.court.world.journal.verify()
        except JournalCorrupt as error:
            self.broken(str(error))


class FailedJournalEnds(Invariant):
    """An engine whose journal has failed ends within its shutdown bound, and a look round."""

    name = "failed_journal_ends"
    _since_s: float | None = None

    def on_tick(self) -> None:
        """Look at the journal that runs now."""
        world = self.court.world
        if not self.ledger.up or not world.running or world.journal.failed is None:
            self._since_s = None
            return
        if self._since_s is None:
            self._since_s = self.court.now_s
        if self.court.now_s > self._since_s + world.settings.shutdown_bound_s + ENDS_S:
            self.broken(f"lives on since {self._since_s:.1f} s: {world.journal.failed}")


class AlarmsInTime(Invariant):
    """Whatever is in doubt, or held and bare, has its alarm within five seconds of the journal's knowing."""

    name = "alarms_in_time"

    def __init__(self, court: Any) -> None:
        super().__init__(court)
        self._bare_s: dict[str, float] = {}

    def on_tick(self) -> None:
        """Orders in doubt without an alarm row, held quantity without an exit and without one."""
        for twin in self.ledger.orders.values():
            if twin.state == "unknown" and not twin.alarmed and self.court.now_s > twin.state_since_s + ALARM_S:
                self.broken(f"unknown for more than {ALARM_S:g} s without an alarm", twin.cl_ord_id)
        if not self.ledger.up or self.court.world.journal.failed is not None:
            self._bare_s.clear()
            return
        for case in self.ledger.cases.values():
            self._follow(case)

    def _follow(self, case: Case) -> None:
        chosen = case.signal.stop_loss is None or case.state in ("taken_over", "naked") or _gathers(case)
        known = case.told_held - case.told_resting("stop", "target", "close") >= case.dust()
        if case.closed is not None or case.bare_since_s is None or chosen or not known:
            self._bare_s.pop(case.signal_id, None)
            return
        since_s = max(self._bare_s.setdefault(case.signal_id, self.court.now_s), case.bare_since_s)
        bound_s = self.court.world.settings.policy.cover_bound_s + ALARM_S
        if self.court.now_s > since_s + bound_s and case.alarmed_s < since_s:
            self.broken(f"bare for more than {bound_s:g} s without an alarm", case.signal_id, *case.orders)


def _gathers(case: Case) -> bool:
    """Whether it stands bare on purpose, as far as the journal knows: more of its entry may still fill."""
    entries = [twin for twin in case.of("entry") if twin.state not in ENDED]
    filling = any(max(twin.cum_qty, twin.counted) < twin.spec.order_qty for twin in entries)
    return case.signal.protect_from == "full_fill" and filling


RULES = (NoSecret, Bounded, OneWriter, ChainHolds, FailedJournalEnds, AlarmsInTime)
