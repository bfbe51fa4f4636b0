"""Changing what rests by command: an entry's price and quantity, a living bracket's exits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
import structlog
import trio

from engine.orders.view import OrderView
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.messages import AmendEntry, AmendReply
from engine.runtime.services import Services
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty, trimmed

log = structlog.get_logger()

REPLY_BOUND_S = 15.0
"""How long the venue's word is waited for; after that the change is unknown, and looked into as every other."""
MOVE_BOUND_S = 5.0
"""How long moved exits may take to rest at their new prices before the answer says that they are on the way."""


class Amended(msgspec.Struct, frozen=True):
    """What became of a change. ``unknown``: sent, not answered yet; the order's reports tell the rest.

    ``order`` is the entry as it stands now, ``stops`` are the bracket's resting stops.
    """

    status: Literal["amended", "on_the_way", "unknown", "refused"]
    signal_id: str
    code: str = ""
    reason: str = ""
    order: OrderView | None = None
    stops: tuple[OrderView, ...] = ()
    stop_price: Price | None = None
    target_price: Price | None = None


class Amending:
    """Judges and carries out changes. ``scope_of`` finds the living bracket of a signal."""

    def __init__(self, services: Services, scope_of: Callable[[str], BracketScope | None]) -> None:
        self._services, self._scope_of = services, scope_of

    async def entry(self, cl_ord_id: str, limit_price: Price, order_qty: Qty | None, why: str) -> Amended:
        """Set a resting entry's limit, and its total quantity where one is given."""
        handle = self._services.desk.live.get(cl_ord_id)
        scope = self._scope_of(handle.signal_id) if handle is not None else None
        if handle is None or scope is None:
            return Amended("refused", "", "NOT_ACTIVE", f"order {cl_ord_id} has ended")
        view, signal_id = handle.view, handle.signal_id
        qty = view.order_qty if order_qty is None else order_qty
        fault = _fault(view, scope.bracket.instrument, limit_price, qty, scope.bracket.signal.order_qty)
        if fault is not None:
            return Amended("refused", signal_id, *fault, order=view)
        reply = AmendReply()
        if not handle.put(AmendEntry(qty, limit_price, why, reply)):
            return Amended("refused", signal_id, "BUSY", "the order's inbox is full: ask again", order=view)
        with trio.move_on_after(REPLY_BOUND_S):
            await reply.done.wait()
        log.info("entry.amended", cl_ord_id=cl_ord_id, outcome=reply.outcome, code=reply.code, why=why)
        outcome, code, reason = reply.outcome, reply.code, reply.reason  # they changed while this waited
        return Amended(outcome, signal_id, code, reason, order=handle.view)

    async def exits(self, signal_id: str, stop: Price | None, target: Price | None) -> Amended:
        """Move a living bracket's stop, its next target, or both, in place; journalled before it is answered."""
        scope = self._scope_of(signal_id)
        if scope is None:
            return Amended("refused", signal_id, "NOT_ACTIVE", "its bracket has ended")
        if scope.bracket.close_all:
            return Amended("refused", signal_id, "CLOSING", f"it is being closed: {scope.bracket.closing}")
        passed = self._passed(scope, stop)
        if passed:
            return Amended("refused", signal_id, "STOP_PASSED", passed)
        try:
            scope.move_exits(stop, target)
        except ValueError as error:
            return Amended("refused", signal_id, "CANNOT_MOVE", str(error))
        with trio.move_on_after(MOVE_BOUND_S) as bound:
            await scope.wait_moved()
        await self._services.journal.sync()
        terms = scope.bracket.terms
        return Amended(
            "on_the_way" if bound.cancelled_caught else "amended",
            signal_id,
            stops=tuple(one for one in scope.bracket.orders.values() if one.role == "stop" and not one.ended),
            stop_price=terms.stop_loss.trigger_price if terms.stop_loss is not None else None,
            target_price=terms.take_profit.price if terms.take_profit is not None else None,
        )

    def _passed(self, scope: BracketScope, stop: Price | None) -> str:
        """Say whether the market has passed a stop already: it would sell at once, and that is what close is for."""
        signal = scope.bracket.signal
        book = self._services.link.book(signal.symbol)
        best = book.best(signal.side) if book is not None and book.usable else None
        if stop is None or best is None or ((stop < best) == (signal.side == "buy") and stop != best):
            return ""
        return f"the market stands at {trimmed(best)}: a stop at {trimmed(stop)} would fire at once; close does that"


def _fault(view: OrderView, instrument: Instrument, limit_price: Price, qty: Qty, asked: Qty) -> tuple[str, str] | None:
    """Return code and reason of a change that must not be sent."""
    if view.role != "entry":
        return "NOT_AN_ENTRY", f"it is a {view.role}: exits are moved with --signal"
    if view.limit_price is None:
        return "NO_LIMIT", "a market order has no limit"
    if view.spec.conditional is not None:
        return "CANNOT_AMEND", "Kraken amends no order that carries a conditional close: cancel it and signal anew"
    if limit_price % instrument.price_increment:
        return "OFF_TICK", f"{trimmed(limit_price)} is no multiple of the tick {trimmed(instrument.price_increment)}"
    if qty % instrument.qty_increment:
        return "OFF_LOT", f"{trimmed(qty)} is no multiple of the lot {trimmed(instrument.qty_increment)}"
    if qty > asked:
        return "ENTRY_EXCEEDS_SIGNAL", f"{trimmed(qty)} is more than the signal's {trimmed(asked)}"
    if qty <= view.done_qty:
        return "FILLED_ALREADY", f"{trimmed(view.done_qty)} has filled: cancel takes the rest back"
    return None
