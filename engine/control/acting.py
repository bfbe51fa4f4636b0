"""The verbs that do something: cancel and resolve. Each needs a live engine, and each says what it set in motion."""

from __future__ import annotations

from typing import Literal

import msgspec
import structlog

from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.reading import find_subject
from engine.control.refusal import Refusal, no_engine, refused
from engine.runtime.engine import Engine
from engine.runtime.views import BracketView

log = structlog.get_logger()

SCOPES = ("order", "signal", "symbol", "all")


class Canceling(msgspec.Struct, frozen=True):
    """What a cancel set in motion. The reports tell when each has ended; what has filled stays protected.

    ``signals`` are brackets whose entry is being canceled, ``orders`` single orders, both by our ids.
    """

    scope: Literal["order", "signal", "symbol", "all"]
    signals: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()


class Resolved(msgspec.Struct, frozen=True):
    """An operator's verdict on an unknown order, taken."""

    cl_ord_id: str
    verdict: Literal["live", "dead"]
    reason: str


async def cancel(desk: Desk, arguments: Arguments) -> Canceling:
    """Cancel one order, or what is left of the entries of a signal, of a symbol, or of all."""
    engine = _engine(desk)
    given = [name for name in SCOPES if arguments.get(name)]
    why = str(arguments.get("reason", "asked by the operator"))
    result = await _CANCEL[given[0]](engine, desk, str(arguments[given[0]]), why)
    await engine.noted()
    log.info("control.cancel", scope=result.scope, signals=result.signals, orders=result.orders, why=why)
    return result


async def _cancel_order(engine: Engine, desk: Desk, text: str, why: str) -> Canceling:
    subject = await find_subject(desk, text)
    if not subject.cl_ord_id:
        raise refused("NOT_AN_ORDER", f"{text} is a signal", "use cancel --signal for it")
    if not engine.cancel_order(subject.cl_ord_id, why):
        raise refused("NOT_ACTIVE", f"order {subject.cl_ord_id} has ended: nothing to cancel", "why tells how it ended")
    return Canceling("order", orders=(subject.cl_ord_id,))


async def _cancel_signal(engine: Engine, desk: Desk, text: str, why: str) -> Canceling:
    subject = await find_subject(desk, text)
    if not engine.cancel(subject.signal_id, why, urgent=True):
        raise refused("NOT_ACTIVE", f"the bracket of signal {subject.signal_id} has ended", "why tells how it ended")
    return Canceling("signal", (subject.signal_id,))


async def _cancel_symbol(engine: Engine, desk: Desk, text: str, why: str) -> Canceling:  # noqa: ARG001 - one shape
    instrument = engine.services.link.instrument(text)
    if instrument is None:
        raise refused("SYMBOL_UNKNOWN", f"the venue lists no {text!r}", "write it as BTC/USD")
    chosen = [b for b in engine.active() if b.signal.symbol == instrument.symbol]
    return Canceling("symbol", _end_entries(engine, chosen, why))


async def _cancel_all(engine: Engine, desk: Desk, text: str, why: str) -> Canceling:  # noqa: ARG001 - one shape
    return Canceling("all", _end_entries(engine, engine.active(), why))


_CANCEL = {"order": _cancel_order, "signal": _cancel_signal, "symbol": _cancel_symbol, "all": _cancel_all}


def _end_entries(engine: Engine, brackets: list[BracketView], why: str) -> tuple[str, ...]:
    """End what is left of these brackets' entries; name those of which something may be left."""
    ended = [bracket for bracket in brackets if engine.cancel(bracket.signal.signal_id, why, urgent=True)]
    return tuple(bracket.signal.signal_id for bracket in ended if _enters(bracket))


def _enters(bracket: BracketView) -> bool:
    return bracket.state == "entering" or any(o.role == "entry" and not o.ended for o in bracket.orders)


async def resolve(desk: Desk, arguments: Arguments) -> Resolved:
    """Take an operator's verdict on an order whose outcome is unknown and cannot be asked."""
    engine = _engine(desk)
    subject = await find_subject(desk, str(arguments["order"]))
    verdict: Literal["live", "dead"] = "live" if arguments["as"] == "live" else "dead"
    reason = str(arguments["reason"])
    if not subject.cl_ord_id or not engine.resolve(subject.cl_ord_id, verdict, reason):
        raise _not_unknown(engine, subject.cl_ord_id)
    log.warning("control.resolve", cl_ord_id=subject.cl_ord_id, verdict=verdict, why=reason)
    return Resolved(subject.cl_ord_id, verdict, reason)


def _not_unknown(engine: Engine, cl_ord_id: str) -> Refusal:
    view = engine.order(cl_ord_id) if cl_ord_id else None
    state = f"order {cl_ord_id} is {view.state}" if view is not None else "this is no order"
    return refused("NOT_UNKNOWN", f"{state}: only an unknown order takes a verdict", "order ID shows its state")


def _engine(desk: Desk) -> Engine:
    if desk.engine is None:
        raise no_engine("this journal")
    return desk.engine
