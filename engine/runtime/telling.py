"""One journal row in words a person can follow."""

from __future__ import annotations

from engine.orders.bracket_events import BracketEvent
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, kind_of
from engine.orders.events import OrderEvent
from engine.orders.replay import Closed, Fact, Intent, Opened, Refused, Requested
from engine.orders.reports import Answer, Fill
from engine.orders.signal import Signal
from engine.values.money import trimmed
from engine.values.time import rfc3339

Told = tuple[str, str, str]
"""Kind of step, what happened, alarm."""


def tell(row_kind: str, fact: Fact | None) -> Told:
    """Tell a row's content. A kind this version does not know is named and not explained."""
    match fact:
        case Opened():
            return "signal", f"{_wish(fact.signal)}; {_checked(fact)}", ""
        case Refused():
            return "denied", f"{_wish(fact.signal)}; denied {fact.code}: {fact.reason}", ""
        case Intent():
            return "intent", f"{fact.role}: {_spec(fact.spec)} ({fact.why})", ""
        case Requested():
            return "request", _requested(fact), ""
        case Answer():
            return "answer", _answer(fact), ""
        case OrderEvent():
            return _happened(fact)
        case BracketEvent():
            return _bracket(fact)
        case Closed():
            return "closed", f"bracket ended: {fact.outcome}, net {trimmed(fact.net_qty)}{_because(fact.reason)}", ""
        case None:
            return row_kind, "", ""


def _wish(signal: Signal) -> str:
    parts = [f"{signal.side} {trimmed(signal.order_qty)} {signal.symbol} {signal.order_type}"]
    if signal.limit_price is not None:
        parts.append(f"at {trimmed(signal.limit_price)}")
    parts.append(f"by {signal.strategy_id},")
    stop, target = signal.stop_loss, signal.take_profit
    parts.append("without a stop" if stop is None else f"stop {trimmed(stop.trigger_price)}")
    if stop is not None and stop.limit_price is not None:
        parts.append(f"limit {trimmed(stop.limit_price)}")
    if target is not None:
        parts.append(f"target {trimmed(target.price)}")
    return " ".join(parts)


def _checked(opened: Opened) -> str:
    signal, instrument = opened.signal, opened.instrument
    valid = f", valid until {rfc3339(signal.valid_until_ns)}" if signal.valid_until_ns is not None else ""
    return (
        f"every check passed: {instrument.symbol} {instrument.status}, tick {trimmed(instrument.price_increment)}, "
        f"lot {trimmed(instrument.qty_increment)}, at least {trimmed(instrument.qty_min)} and "
        f"{trimmed(instrument.cost_min)} {instrument.quote}{valid}"
    )


def _spec(spec: NewOrder) -> str:
    prices = [f"triggered at {trimmed(spec.trigger_price)}"] if spec.trigger_price is not None else []
    prices += [f"at {trimmed(spec.limit_price)}"] if spec.limit_price is not None else []
    terms = " ".join([spec.order_type, *prices, spec.time_in_force, spec.stp_type])
    return f"{spec.side} {trimmed(spec.order_qty)} {spec.symbol} {terms}"


def _requested(fact: Requested) -> str:
    deadline = rfc3339(fact.request.deadline_ns, 3)
    return (
        f"{_asked(fact.request)} let go over {fact.transport}, deadline {deadline} venue time, "
        f"content {fact.payload_hash[:12]}"
    )


def _asked(request: Request) -> str:
    match request:
        case NewOrder():
            return "new order"
        case AmendOrder():
            return f"amend of {request.order_id} to {trimmed(request.order_qty)}"
        case CancelOrder():
            return f"{kind_of(request)} of {request.order_id}"


def _answer(fact: Answer) -> str:
    said = ": ".join(part for part in (fact.code, fact.text) if part)
    named = f", order_id {fact.order_id}" if fact.order_id else ""
    over = f" over {fact.transport}" if fact.transport != "none" else ""
    return f"to {fact.request}{over}: {fact.outcome}{named}{f' ({said})' if said else ''}"


def _happened(event: OrderEvent) -> Told:
    facts: list[str] = []
    if event.fill is not None:
        facts.append(_fill(event.fill))
    if event.order_id is not None:
        facts.append(f"order_id {event.order_id}")
    if event.venue_cum is not None:
        facts.append(f"the venue counts {trimmed(event.venue_cum)} filled")
    if event.order_qty is not None:
        facts.append(f"quantity now {trimmed(event.order_qty)}")
    if event.trigger_price is not None:
        facts.append(f"trigger now {trimmed(event.trigger_price)}")
    if event.limit_price is not None:
        facts.append(f"limit now {trimmed(event.limit_price)}")
    facts += [f"{event.code}: {event.why}" if event.code and event.code not in event.why else event.why]
    about = "; ".join(fact for fact in facts if fact)
    if not event.move:
        return "evidence", about or "heard of", event.alarm
    moved = f"{event.from_state} -{event.move}-> {event.to_state}"
    return "transition", f"{moved}{f': {about}' if about else ''}", event.alarm


def _fill(fill: Fill) -> str:
    fees = ", ".join(f"{trimmed(fee.qty)} {fee.asset}" for fee in fill.fees)
    fee = f", fee {fees}" if fees else ""
    return f"filled {trimmed(fill.last_qty)} at {trimmed(fill.last_px)} ({fill.liquidity_ind}{fee}, {fill.exec_id})"


def _bracket(event: BracketEvent) -> Told:
    moved = f"{event.from_state} -{event.move}-> {event.to_state}" if event.move else f"in {event.from_state}"
    closing = f", closing: {event.closing}" if event.closing else ""
    held = f"holds {trimmed(event.exposure)}, uncovered {trimmed(event.uncovered)}"
    return "bracket", f"{moved}: {held}{closing}{_because(event.why)}", event.alarm


def _because(why: str) -> str:
    return f" ({why})" if why else ""
