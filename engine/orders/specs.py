"""From signal to order: the exact specs of entry, stop, target and close, rounded by the named rules."""

from __future__ import annotations

from engine.orders.commands import NewOrder
from engine.orders.signal import Signal
from engine.values.instrument import Instrument
from engine.values.money import (
    Price,
    Qty,
    Side,
    limit_more_willing,
    limit_not_worse,
    other_side,
    trigger_not_later,
)


def entry_order(signal: Signal, instrument: Instrument, cl_ord_id: str) -> NewOrder:
    """Spec of the entry. It gives way to our own exits: the venue cancels it, never them (cancel_newest)."""
    limit = signal.limit_price
    return NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=signal.side,
        order_type=signal.order_type,
        order_qty=instrument.lots(signal.order_qty),
        limit_price=None if limit is None else limit_not_worse(signal.side, limit, instrument.price_increment),
        time_in_force="gtc" if signal.order_type == "market" else signal.time_in_force,
        stp_type="cancel_newest",
    )


def stop_order(signal: Signal, instrument: Instrument, cl_ord_id: str, qty: Qty) -> NewOrder:
    """Spec of the resting stop. When it fires it wins over our own entry (cancel_oldest)."""
    stop = signal.stop_loss
    if stop is None:
        raise ValueError(f"signal {signal.signal_id} asks for no stop")
    side, tick = other_side(signal.side), instrument.price_increment
    return NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type="stop-loss" if stop.limit_price is None else "stop-loss-limit",
        order_qty=qty,
        limit_price=None if stop.limit_price is None else limit_more_willing(side, stop.limit_price, tick),
        trigger_price=trigger_not_later(side, stop.trigger_price, tick),
        stp_type="cancel_oldest",
    )


def target_order(signal: Signal, instrument: Instrument, cl_ord_id: str, qty: Qty) -> NewOrder:
    """Spec of the target: immediate or cancel, so it never rests while its quantity has no stop."""
    target = signal.take_profit
    if target is None:
        raise ValueError(f"signal {signal.signal_id} asks for no target")
    side = other_side(signal.side)
    return NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type="limit",
        order_qty=qty,
        limit_price=limit_not_worse(side, target.price, instrument.price_increment),
        time_in_force="ioc",
        stp_type="cancel_oldest",
    )


def close_order(
    instrument: Instrument, cl_ord_id: str, side: Side, qty: Qty, limit_price: Price | None = None
) -> NewOrder:
    """Spec of a close: at market, or immediate or cancel at a limit that lies on the tick."""
    return NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type="market" if limit_price is None else "limit",
        order_qty=qty,
        limit_price=limit_price,
        time_in_force="gtc" if limit_price is None else "ioc",
        stp_type="cancel_oldest",
    )
