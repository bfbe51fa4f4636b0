"""Orders that carry our mark and that the journal does not know: ours, from a tail that was lost. Never ignored."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from engine.orders.brackets import Bracket
from engine.orders.commands import NewOrder
from engine.orders.order import Order
from engine.orders.replay import Intent, Opened
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.runtime.recovery import Loose
from engine.runtime.services import Services
from engine.values.money import Qty

log = structlog.get_logger()

STOPS = frozenset({"stop-loss", "stop-loss-limit"})


class Orphanage:
    """Takes orphans in. ``start`` opens a bracket's scope for an orphaned entry that is still open."""

    def __init__(self, services: Services, start: Callable[[Bracket, int, tuple[Loose, ...]], object]) -> None:
        self._services, self._start = services, start
        self._known: set[str] = set()  # bounded by what can carry our mark without a journal row

    def take(self, report: OrderReport) -> None:
        """Look at one report of an orphan: entries on its symbol halt, an open entry is ended and undone.

        An open stop is left resting: it protects something we have forgotten. A fill of an order that has ended is
        only told: what was done with it since nobody here knows.
        """
        symbol, cl_ord_id = report.symbol or "", report.cl_ord_id or ""
        self._services.gate.close(
            "ORPHANED_ORDER", f"order {report.order_id} is ours and not in the journal; look at it on the venue", symbol
        )
        if cl_ord_id not in self._known:
            self._known.add(cl_ord_id)
            log.error("order.orphan", cl_ord_id=cl_ord_id, order_id=report.order_id, order_type=report.order_type)
            self._services.journal.append(
                "orphan", report, ts_ns=self._services.clock.now_ns(), signal_id=cl_ord_id, cl_ord_id=cl_ord_id
            )
        # its fills may be told before the order itself (a snapshot does so): each report is looked at anew
        resting = report.ord_status in ("new", "partially_filled") and report.fill is None
        if resting and report.order_type not in STOPS:
            self._adopt(report)

    def _adopt(self, report: OrderReport) -> None:
        """Give an open orphan a bracket of its own that ends it and trades back whatever it has filled."""
        services, now_ns = self._services, self._services.clock.now_ns()
        instrument = services.link.instrument(report.symbol or "")
        if instrument is None or report.side is None or report.order_qty is None or report.cl_ord_id is None:
            return  # the alarm stands; without its terms there is nothing to act on
        signal = Signal(
            signal_id=report.cl_ord_id,
            strategy_id="orphan",
            symbol=instrument.symbol,
            side=report.side,
            order_type="limit",
            order_qty=report.order_qty,
            limit_price=report.limit_price,
            stop_loss=None,
        )
        spec = NewOrder(
            cl_ord_id=report.cl_ord_id,
            symbol=instrument.symbol,
            side=report.side,
            order_type="limit",
            order_qty=Qty(report.order_qty),
            limit_price=report.limit_price,
        )
        row = services.journal.append(
            "signal", Opened(signal, instrument), ts_ns=now_ns, signal_id=signal.signal_id, cl_ord_id=spec.cl_ord_id
        )
        services.journal.append(
            "intent",
            Intent(spec, "entry", "adopted: ours, and not in the journal"),
            ts_ns=now_ns,
            signal_id=signal.signal_id,
            cl_ord_id=spec.cl_ord_id,
            causation_id=row,
        )
        order = Order(spec, "entry")
        events = [*order.dispatched(now_ns), *order.reported(report)]
        for event in events:
            services.journal.append(
                "order", event, ts_ns=now_ns, signal_id=signal.signal_id, cl_ord_id=spec.cl_ord_id, causation_id=row
            )
        bracket = Bracket(signal, instrument, services.settings.policy)
        bracket.close("orphan adopted")
        self._start(bracket, row, (Loose(order, None, ()),))
