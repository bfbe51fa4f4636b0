"""A journal row in words: who, from where, to where, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from engine.guardian.takeover import GUARDIAN, GUARDIAN_ROW, TakenOver
from engine.journal.header import Header
from engine.journal.row import HEADER, Row
from engine.orders.bracket_events import BracketEvent
from engine.orders.commands import NewOrder, kind_of
from engine.orders.events import OrderEvent
from engine.orders.replay import FACT_OF_KIND, Closed, Intent, Opened, Refused, Requested
from engine.orders.reports import Answer
from engine.orders.signal import Signal
from engine.runtime.close_report import CLOSE_ROW, CLOSED_ROW, close_words
from engine.runtime.dead_man import DEAD_MAN_ROW, SwitchMoved
from engine.values.money import ZERO, trimmed

BRACKET = "bracket"


@dataclass(frozen=True)
class Step:
    """One row. ``to_state`` is "" where the row moves nothing."""

    row: Row
    who: str
    from_state: str
    to_state: str
    why: str
    alarm: str = ""


def short_id(name: str) -> str:
    """Return the part of an id that people compare."""
    return name[:8]


def order_name(role: str, cl_ord_id: str) -> str:
    """Name an order as every table does."""
    return f"{role} {short_id(cl_ord_id)}"


@dataclass
class _Known:
    """What earlier rows told of an order."""

    role: str
    qty: Decimal
    filled: Decimal = ZERO


@dataclass
class Story:
    """Reads rows in journal order. It remembers what it needs to name an order by its role."""

    _orders: dict[str, _Known] = field(default_factory=dict)

    def tell(self, row: Row) -> Step:
        """Put one row into words. A kind it does not know is named and left at that."""
        if row.kind == HEADER:
            header = row.decode(Header)
            return Step(row, "journal", "", "", f"{header.venue} account {header.account}, {header.mode}")
        if row.kind in (CLOSE_ROW, CLOSED_ROW):
            return Step(row, f"close {short_id(row.signal_id)}", "", "", close_words(row))
        if row.kind == GUARDIAN_ROW:
            return Step(row, "guardian", "", "", row.decode(TakenOver).words, alarm=GUARDIAN)
        if row.kind == DEAD_MAN_ROW:
            return Step(row, "dead man's switch", "", "", row.decode(SwitchMoved).words)
        kind = FACT_OF_KIND.get("denied" if row.kind == "conflict" else row.kind)
        match row.decode(kind) if kind else None:
            case Opened(signal=signal):
                return Step(row, _bracket(row), "", "entering", signal_words(signal))
            case Refused(code=code, reason=reason):
                return Step(row, _bracket(row), "", "denied", f"{code}: {reason}", alarm=code)
            case Intent() as intent:
                return self._intent(row, intent)
            case Requested() as requested:
                return Step(row, self._name(row), "", "", _request_words(requested))
            case Answer() as answer:
                return Step(row, self._name(row), "", "", _answer_words(answer))
            case OrderEvent() as event:
                return self._order(row, event)
            case BracketEvent() as event:
                to_state = event.to_state if event.move else ""
                return Step(row, _bracket(row), event.from_state, to_state, _bracket_words(event), event.alarm)
            case Closed(outcome=outcome, net_qty=net_qty):
                return Step(row, _bracket(row), "", "", f"closed by {outcome}, {trimmed(net_qty)} left")
            case _:
                return Step(row, row.kind, "", "", "")

    def _name(self, row: Row) -> str:
        known = self._orders.get(row.cl_ord_id)
        return order_name(known.role if known else "order", row.cl_ord_id)

    def _intent(self, row: Row, intent: Intent) -> Step:
        self._orders[row.cl_ord_id] = _Known(intent.role, intent.spec.order_qty)
        return Step(row, self._name(row), "", "new", _spec_words(intent.spec))

    def _order(self, row: Row, event: OrderEvent) -> Step:
        known = self._orders.setdefault(row.cl_ord_id, _Known("order", ZERO))
        if event.fill is not None:
            known.filled += event.fill.last_qty
        if event.order_qty is not None:
            known.qty = event.order_qty
        to_state = event.to_state if event.move else ""
        return Step(row, self._name(row), event.from_state, to_state, _order_words(event, known), event.alarm)


def _bracket(row: Row) -> str:
    return f"{BRACKET} {short_id(row.signal_id)}"


def signal_words(signal: Signal) -> str:
    """Say what a signal asks for."""
    at = "at market" if signal.limit_price is None else f"at {trimmed(signal.limit_price)}"
    stop = f", stop {trimmed(signal.stop_loss.trigger_price)}" if signal.stop_loss else ""
    target = f", target {trimmed(signal.take_profit.price)}" if signal.take_profit else ""
    return f"{signal.side} {trimmed(signal.order_qty)} {signal.symbol} {at}{stop}{target}"


def _spec_words(spec: NewOrder) -> str:
    words = [spec.side, trimmed(spec.order_qty)]
    if spec.order_type == "market":
        words.append("at market")
    if spec.trigger_price is not None:
        words.append(f"stop at {trimmed(spec.trigger_price)}")
    if spec.limit_price is not None:
        words.append(f"limit {trimmed(spec.limit_price)}")
    return " ".join([*words, "ioc"] if spec.time_in_force == "ioc" else words)


def _request_words(requested: Requested) -> str:
    kind = kind_of(requested.request)
    return f"{kind} request to the wire ({requested.transport})"


def _answer_words(answer: Answer) -> str:
    said = f": {answer.code} {answer.text}".rstrip() if answer.code or answer.text else ""
    return f"{answer.request} request {answer.outcome}{said}"


def _order_words(event: OrderEvent, known: _Known) -> str:
    if event.fill is not None:
        fill = event.fill
        filled = f"{trimmed(known.filled)} of {trimmed(known.qty)}"
        return f"{trimmed(fill.last_qty)} at {trimmed(fill.last_px)}: {filled}"
    said = {
        "dispatch": "request durable, then sent",
        "accept": f"open as {event.order_id}",
        "settle": "agreed with the venue",
        "amended": f"now {trimmed(known.qty)}",
    }.get(event.move, "")
    return said or event.why or event.code or ("trigger fired" if event.triggered else "noted")


def _bracket_words(event: BracketEvent) -> str:
    words = {
        "covering": f"{trimmed(event.uncovered)} without a stop yet",
        "covered": f"stops hold all of {trimmed(event.exposure)}",
        "flat": "nothing is left",
        "abandoned": "nothing was filled",
    }
    return event.why or words.get(event.to_state, "")
