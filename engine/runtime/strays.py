"""Reports whose order has no scope: old news, a late fill, an orphan of ours, a venue's own stop, somebody's order."""

from __future__ import annotations

import math

import structlog
import trio

from engine.orders.replay import rebuild_orders
from engine.orders.reports import OrderReport
from engine.runtime.bracket_scopes import BracketScopes
from engine.runtime.children import Children
from engine.runtime.history import facts_of, signal_of
from engine.runtime.liquidations import Liquidations
from engine.runtime.orphans import Orphanage
from engine.runtime.services import Services

log = structlog.get_logger()

LOOK_AGAIN_S = 5.0
"""Orphans whose owner could not be found out are looked at again after this long."""


class Strays:
    """Looks each stray report up in the journal and hands on what is news."""

    def __init__(self, services: Services, brackets: BracketScopes) -> None:
        self._services, self._brackets = services, brackets
        self._orphanage = Orphanage(services, brackets.scopes, brackets.open_adopted)
        self._children = Children(services, brackets.scopes)
        self._liquidations = Liquidations(services, brackets.scopes)
        services.margin.on_short = self._liquidations.search

    async def run(self) -> None:
        """Look reports up until cancelled."""
        while True:
            waiting = self._orphanage.news or self._children.news or self._liquidations.news
            with trio.move_on_after(LOOK_AGAIN_S if waiting else math.inf):
                await self._services.desk.strays_come()
            await self.place()

    def look_up(self) -> None:
        """Take every report that waits to where it belongs; orphans wait for ``place``."""
        for report in self._services.desk.take_strays():
            self._look_up(report)

    async def place(self) -> None:
        """Look everything up and give orphans their owners."""
        self.look_up()
        for report in (*await self._children.place(), *await self._liquidations.place()):
            self._not_journalled(report)
        await self._orphanage.place()

    def _look_up(self, report: OrderReport) -> None:
        desk = self._services.desk
        if report.cl_ord_id in desk.live:
            desk.route(report)  # its scope opened while the report waited
            return
        if desk.is_old_news(report):
            desk.counts["old_news"] += 1
            return
        if report.cl_ord_id is None and (self._children.hear(report) or self._liquidations.hear(report)):
            return
        signal_id = signal_of(self._services.journal, report.cl_ord_id) if report.cl_ord_id else None
        if signal_id is None or report.cl_ord_id is None:
            self._not_journalled(report)
            return
        facts = facts_of(self._services.journal, cl_ord_id=report.cl_ord_id)
        order = rebuild_orders(facts)[report.cl_ord_id]
        if order.ord_status == "denied":
            self._impossible(report)
            return
        if not order.reported(report):
            desk.counts["old_news"] += 1
            return
        log.warning("order.late_report", cl_ord_id=report.cl_ord_id, report=str(report.report_type))
        self._brackets.reopen(signal_id, report)

    def _impossible(self, report: OrderReport) -> None:
        """The venue shows what this journal holds for certainly not sent: only a person can say what is true."""
        self._services.desk.counts["denied_but_live"] += 1
        text = f"order {report.order_id} stands on the venue and is denied in the journal; look at it there"
        self._services.gate.close("DENIED_BUT_LIVE", text, report.symbol or "")

    def _not_journalled(self, report: OrderReport) -> None:
        ours = self._services.is_ours(report.cl_ord_id)
        self._services.desk.counts["orphans" if ours else "foreign"] += 1
        if ours:
            self._orphanage.hear(report)
