"""From an order and its newest event to the report that is published."""

from __future__ import annotations

from engine.orders.events import EXEC_TYPE_OF_MOVE, ExecutionReport, OrderEvent
from engine.orders.machine import ENDED
from engine.orders.order import Order
from engine.orders.replay import Refused
from engine.orders.signal import Signal
from engine.values.money import NO_QTY, ZERO, Qty


class Tally:
    """An order's sums, folded event by event: what its reports tell, without the machine that moved it.

    One report of the venue often concludes several events at once; each is told with the sums right after it, so that
    a report published now reads the same when the journal is folded again.
    """

    def __init__(self, order: Order) -> None:
        self._spec, self._role = order.spec, order.role
        self._order_id, self._order_qty = order.order_id, order.order_qty
        self._cum_qty, self._cum_cost, self._venue_cum = order.cum_qty, order.fills.cum_cost, order.venue_cum

    def report(self, event: OrderEvent, signal: Signal, offset: int) -> ExecutionReport:
        """Fold the event in and describe the step. ``offset`` is the event's journal row."""
        self._fold(event)
        return self.describe(event, signal, offset)

    def describe(self, event: OrderEvent, signal: Signal, offset: int) -> ExecutionReport:
        """Describe the step that was folded in last."""
        fill, spec = event.fill, self._spec
        return ExecutionReport(
            offset=offset,
            ts_ns=event.ts_ns,
            exec_type="triggered" if event.triggered else EXEC_TYPE_OF_MOVE[event.move],
            ord_status=event.to_state,
            signal_id=signal.signal_id,
            strategy_id=signal.strategy_id,
            cl_ord_id=spec.cl_ord_id,
            order_id=self._order_id,
            role=self._role,
            symbol=spec.symbol,
            side=spec.side,
            order_type=spec.order_type,
            order_qty=self._order_qty,
            cum_qty=self._cum_qty,
            leaves_qty=self._leaves_qty(event.to_state),
            avg_px=self._cum_cost / self._cum_qty if self._cum_qty else ZERO,
            last_qty=fill.last_qty if fill else None,
            last_px=fill.last_px if fill else None,
            exec_id=fill.exec_id if fill else None,
            liquidity_ind=fill.liquidity_ind if fill else None,
            reason=event.why,
            alarm=event.alarm,
            code=event.code,
            numbers=event.numbers,
        )

    def _fold(self, event: OrderEvent) -> None:
        if event.fill is not None:
            self._cum_qty = Qty(self._cum_qty + event.fill.last_qty)
            self._cum_cost += event.fill.cost
        if event.order_id is not None:
            self._order_id = event.order_id
        if event.order_qty is not None:
            self._order_qty = event.order_qty
        if event.venue_cum is not None:
            self._venue_cum = Qty(max(self._venue_cum, event.venue_cum))

    def _leaves_qty(self, state: str) -> Qty:
        done = max(self._cum_qty, self._venue_cum)
        return NO_QTY if state in ENDED else Qty(max(ZERO, self._order_qty - done))


def refusal_report(refused: Refused, offset: int, ts_ns: int) -> ExecutionReport:
    """Describe a signal that we denied: no order was made. ``offset`` is the denial's journal row."""
    signal = refused.signal
    return ExecutionReport(
        offset=offset,
        ts_ns=ts_ns,
        exec_type="denied",
        ord_status="denied",
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        cl_ord_id="",
        order_id=None,
        role="entry",
        symbol=signal.symbol,
        side=signal.side,
        order_type=signal.order_type,
        order_qty=signal.order_qty,
        cum_qty=NO_QTY,
        leaves_qty=NO_QTY,
        avg_px=ZERO,
        reason=refused.reason,
        code=refused.code,
        numbers=refused.numbers,
    )


def execution_report(order: Order, event: OrderEvent, signal: Signal, offset: int) -> ExecutionReport:
    """Describe one step of one order, right after the event was folded in. ``offset`` is the event's journal row."""
    return Tally(order).describe(event, signal, offset)
