"""From an order and its newest event to the report that is published."""

from __future__ import annotations

from engine.orders.events import EXEC_TYPE_OF_MOVE, ExecutionReport, OrderEvent
from engine.orders.order import Order
from engine.orders.signal import Signal


def execution_report(order: Order, event: OrderEvent, signal: Signal, offset: int) -> ExecutionReport:
    """Describe one step of one order, right after the event was folded in. ``offset`` is the event's journal row."""
    exec_type = EXEC_TYPE_OF_MOVE[event.move]
    if event.triggered:
        exec_type = "triggered"
    fill = event.fill
    return ExecutionReport(
        offset=offset,
        ts_ns=event.ts_ns,
        exec_type=exec_type,
        ord_status=order.state,
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        cl_ord_id=order.cl_ord_id,
        order_id=order.order_id,
        role=order.role,
        symbol=order.spec.symbol,
        side=order.spec.side,
        order_type=order.spec.order_type,
        order_qty=order.order_qty,
        cum_qty=order.cum_qty,
        leaves_qty=order.leaves_qty,
        avg_px=order.fills.avg_px,
        last_qty=fill.last_qty if fill else None,
        last_px=fill.last_px if fill else None,
        exec_id=fill.exec_id if fill else None,
        liquidity_ind=fill.liquidity_ind if fill else None,
        reason=event.why,
        alarm=event.alarm,
    )
