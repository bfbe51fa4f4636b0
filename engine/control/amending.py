"""Verbs that change what rests: amend an entry or a bracket's exits, protect coins that are there."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec
import structlog

from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.reading import OrderRecord, find_subject, order_record
from engine.control.refusal import bad_request, no_engine, refused
from engine.runtime.amending import Amended
from engine.runtime.engine import Engine
from engine.runtime.protecting import Protected
from engine.values.money import Price, Qty

log = structlog.get_logger()

WHAT_TO_DO = {
    "NOT_ACTIVE": "why tells how it ended",
    "NOT_AN_ENTRY": "amend --signal ID --stop P moves the exits of a bracket",
    "CLOSING": "status and why show how far it is",
    "STOP_PASSED": "choose a stop on the other side of the market, or close it",
    "OFF_TICK": "choose a price on the tick",
    "OFF_LOT": "choose a whole number of lots",
    "NOT_THERE": "choose less; orders shows what brackets hold",
    "WRONG_SIDE": "check --side: buy protects coins you hold, sell coins you owe",
    "BUSY": "ask again in a moment",
    "NOT_RESTING": "ask again once it rests: order ID shows its state",
}


_EXIT = [{"required": ["stop"]}, {"required": ["target"]}]
_ENTRY = [{"required": ["limit_price"]}, {"required": ["qty"]}]
AMENDMENTS = (
    {"required": ["order", "limit_price"], "not": {"anyOf": [*_EXIT, {"required": ["signal"]}]}},
    {"required": ["signal"], "anyOf": _EXIT, "not": {"anyOf": [*_ENTRY, {"required": ["order"]}]}},
)
"""An entry by its order, or a bracket's exits by its signal, in JSON Schema."""


class Amending(msgspec.Struct, frozen=True):
    """A change, and what became of it. ``order`` is the entry now, ``stops`` what protects the bracket now."""

    status: Literal["amended", "on_the_way", "unknown"]
    signal_id: str
    reason: str
    order: OrderRecord | None
    stops: tuple[OrderRecord, ...]
    stop_price: Price | None
    target_price: Price | None


async def amend(desk: Desk, arguments: Arguments) -> Amending:
    """Amend an entry by its order, or a bracket's exits by its signal."""
    engine = _engine(desk)
    amend_one = _amend_entry if "order" in arguments else _amend_exits
    return await amend_one(engine, desk, arguments)


async def _amend_entry(engine: Engine, desk: Desk, arguments: Arguments) -> Amending:
    if "limit_price" not in arguments:
        raise bad_request("limit_price: missing (an entry is amended to a price)")
    if wrong := [name for name in ("stop", "target") if name in arguments]:
        raise bad_request(f"{', '.join(wrong)}: exits belong to a bracket: use --signal")
    subject = await find_subject(desk, str(arguments["order"]))
    if not subject.cl_ord_id:
        raise refused("NOT_AN_ORDER", f"{arguments['order']} is a signal", "use --signal to move its exits")
    qty = _amount(arguments, "qty")
    done = await engine.amend(
        subject.cl_ord_id,
        Price(Decimal(str(arguments["limit_price"]))),
        None if qty is None else Qty(qty),
        why=str(arguments.get("reason", "asked by the operator")),
    )
    return _told(done)


async def _amend_exits(engine: Engine, desk: Desk, arguments: Arguments) -> Amending:
    if wrong := [name for name in ("limit_price", "qty") if name in arguments]:
        raise bad_request(f"{', '.join(wrong)}: they belong to an entry: name its order")
    stop, target = _amount(arguments, "stop"), _amount(arguments, "target")
    if stop is None and target is None:
        raise bad_request("stop, target: give one of them, or both")
    subject = await find_subject(desk, str(arguments["signal"]))
    done = await engine.move_exits(
        subject.signal_id,
        stop=None if stop is None else Price(stop),
        target=None if target is None else Price(target),
    )
    return _told(done)


def _told(done: Amended) -> Amending:
    if done.status == "refused":
        raise refused(done.code, done.reason, WHAT_TO_DO.get(done.code, "order ID and why tell more"))
    return Amending(
        status=done.status,
        signal_id=done.signal_id,
        reason=done.reason,
        order=None if done.order is None else order_record(done.signal_id, done.order),
        stops=tuple(order_record(done.signal_id, one) for one in done.stops),
        stop_price=done.stop_price,
        target_price=done.target_price,
    )


async def protect(desk: Desk, arguments: Arguments) -> Protected:
    """Protect coins that are there already."""
    engine, target = _engine(desk), _amount(arguments, "target")
    done = await engine.protect(
        str(arguments["symbol"]),
        Qty(Decimal(str(arguments["qty"]))),
        stop=Price(Decimal(str(arguments["stop"]))),
        target=None if target is None else Price(target),
        side="sell" if arguments.get("side") == "sell" else "buy",
    )
    if done.status == "refused":
        raise refused(done.code, done.reason, WHAT_TO_DO.get(done.code, "see protect --help"))
    log.info("control.protect", signal_id=done.signal_id, symbol=done.symbol)
    return done


def _amount(arguments: Arguments, name: str) -> Decimal | None:
    return Decimal(str(arguments[name])) if name in arguments else None


def _engine(desk: Desk) -> Engine:
    if desk.engine is None:
        raise no_engine("this journal")
    return desk.engine
