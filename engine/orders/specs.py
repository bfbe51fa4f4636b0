"""From signal to order: the exact specs of entry, stop, target and close, rounded by the named rules."""

from __future__ import annotations

import msgspec

from engine.orders.commands import Conditional, NewOrder, TriggerReference
from engine.orders.reports import OrderReport
from engine.orders.signal import Signal
from engine.orders.terms import StopLoss, Trail
from engine.values.instrument import Instrument
from engine.values.money import (
    Price,
    Qty,
    Side,
    ceil_to,
    floor_to,
    limit_more_willing,
    limit_not_worse,
    other_side,
    trigger_not_later,
)


def entry_order(signal: Signal, instrument: Instrument, cl_ord_id: str) -> NewOrder:
    """Spec of the entry. It gives way to our own exits: the venue cancels it, never them (cancel_newest)."""
    limit, tick = signal.limit_price, instrument.price_increment
    return NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=signal.side,
        order_type=signal.order_type,
        order_qty=instrument.lots(signal.order_qty),
        limit_price=None if limit is None else limit_not_worse(signal.side, limit, tick),
        trigger_price=_entry_trigger(signal, instrument),
        time_in_force="gtc" if signal.order_type == "market" else signal.time_in_force,
        stp_type="cancel_newest",
        trigger_reference=_entry_reference(signal),
        post_only=signal.post_only,
        expire_ns=signal.expire_time_ns or 0,
        conditional=_conditional(signal, instrument),
        leverage=signal.leverage,
    )


def _entry_trigger(signal: Signal, instrument: Instrument) -> Price | None:
    """Never earlier than asked: a stop further away from the market, a take-profit deeper into it."""
    if signal.trigger_price is None:
        return None
    upward = (signal.side == "buy") == signal.order_type.startswith("stop-loss")
    rounded = ceil_to if upward else floor_to
    return Price(rounded(signal.trigger_price, instrument.price_increment))


def _entry_reference(signal: Signal) -> TriggerReference:
    """Of a conditional close Kraken takes the reference from its primary order."""
    if signal.exits == "conditional-close" and signal.trigger_price is None and signal.stop_loss is not None:
        return signal.stop_loss.reference
    return signal.trigger_reference


def _conditional(signal: Signal, instrument: Instrument) -> Conditional | None:
    stop = signal.stop_loss
    if signal.exits != "conditional-close" or stop is None:
        return None
    side, tick = other_side(signal.side), instrument.price_increment
    return Conditional(
        "stop-loss" if stop.limit_price is None else "stop-loss-limit",
        trigger_not_later(side, stop.trigger_price, tick),
        None if stop.limit_price is None else limit_more_willing(side, stop.limit_price, tick),
    )


def stop_order(signal: Signal, instrument: Instrument, cl_ord_id: str, qty: Qty) -> NewOrder:
    """Spec of the resting stop. When it fires it wins over our own entry (cancel_oldest)."""
    stop = signal.stop_loss
    if stop is None:
        raise ValueError(f"signal {signal.signal_id} asks for no stop")
    side, tick, trail = other_side(signal.side), instrument.price_increment, stop.venue_trail
    if trail is not None:
        return _on_margin(_trailing_stop(instrument, cl_ord_id, side, qty, stop, trail), signal.leverage)
    made = NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type="stop-loss" if stop.limit_price is None else "stop-loss-limit",
        order_qty=qty,
        limit_price=None if stop.limit_price is None else limit_more_willing(side, stop.limit_price, tick),
        trigger_price=trigger_not_later(side, stop.trigger_price, tick),
        stp_type="cancel_oldest",
        trigger_reference=stop.reference,
    )
    return _on_margin(made, signal.leverage)


def _on_margin(exit_order: NewOrder, leverage: int | None) -> NewOrder:
    """Let an exit of a margin entry trade on margin, and only reduce: a spot order would leave the position open."""
    if leverage is None:
        return exit_order
    return msgspec.structs.replace(exit_order, leverage=leverage, reduce_only=True)


def child_order(signal: Signal, instrument: Instrument, cl_ord_id: str, report: OrderReport) -> NewOrder | None:
    """Spec of a stop that the venue made of a fill by a conditional close; None while its quantity is unknown.

    The venue knows it by its own id alone: ``cl_ord_id`` is how we call it.
    """
    if report.order_qty is None:
        return None
    spec = stop_order(signal, instrument, cl_ord_id, report.order_qty)
    trigger, limit = report.trigger_price or spec.trigger_price, report.limit_price or spec.limit_price
    return msgspec.structs.replace(spec, trigger_price=trigger, limit_price=limit, stp_type="cancel_newest")


def made_by_venue(spec: NewOrder) -> bool:
    """Tell whether an exit is one that the venue made, of a conditional close or as a liquidation.

    Ours win over our entries, those do not.
    """
    return spec.stp_type == "cancel_newest"


def liquidation_order(signal: Signal, instrument: Instrument, cl_ord_id: str, report: OrderReport) -> NewOrder | None:
    """Spec of the order by which the venue itself closes a margin position; None while its quantity is unknown."""
    if report.order_qty is None or signal.leverage is None:
        return None
    spec = close_order(instrument, cl_ord_id, other_side(signal.side), report.order_qty, leverage=signal.leverage)
    return msgspec.structs.replace(spec, stp_type="cancel_newest")


def _trailing_stop(
    instrument: Instrument, cl_ord_id: str, side: Side, qty: Qty, stop: StopLoss, trail: Trail
) -> NewOrder:
    """A distance is rounded down to the tick, so that it never fires later than asked."""
    tick = instrument.price_increment
    distance = None if trail.distance is None else max(tick, floor_to(trail.distance, tick))
    return NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type="trailing-stop",
        order_qty=qty,
        stp_type="cancel_oldest",
        trigger_reference=stop.reference,
        trail=distance if distance is not None else trail.percent,
        trail_unit="quote" if distance is not None else "pct",
    )


def target_order(
    signal: Signal, instrument: Instrument, cl_ord_id: str, qty: Qty, place: int = 0, *, rest: bool = False
) -> NewOrder:
    """Spec of the target at ``place``: immediate or cancel, so it never rests while its quantity has no stop.

    With ``rest`` the order that Kraken keeps beside the stop, where the account's holds allow it.
    """
    if place >= len(signal.targets):
        raise ValueError(f"signal {signal.signal_id} asks for no target at place {place}")
    target, side, tick = signal.targets[place], other_side(signal.side), instrument.price_increment
    price = limit_not_worse(side, target.price, tick)
    limit = None if target.limit_price is None else limit_not_worse(side, target.limit_price, tick)
    at_market = target.order_type == "take-profit"
    armed = rest and target.order_type != "limit"
    made = NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type=target.order_type if armed else "market" if at_market else "limit",
        order_qty=qty,
        limit_price=None if at_market else limit or price,
        trigger_price=price if armed else None,
        time_in_force="gtc" if rest or at_market else "ioc",
        stp_type="cancel_oldest",
    )
    return _on_margin(made, signal.leverage)


def close_order(
    instrument: Instrument,
    cl_ord_id: str,
    side: Side,
    qty: Qty,
    limit_price: Price | None = None,
    *,
    leverage: int | None = None,
) -> NewOrder:
    """Spec of a close: at market, or immediate or cancel at a limit that lies on the tick.

    With ``leverage``, the entry's, it can only reduce.
    """
    made = NewOrder(
        cl_ord_id=cl_ord_id,
        symbol=instrument.symbol,
        side=side,
        order_type="market" if limit_price is None else "limit",
        order_qty=qty,
        limit_price=limit_price,
        time_in_force="gtc" if limit_price is None else "ioc",
        stp_type="cancel_oldest",
    )
    return _on_margin(made, leverage)
