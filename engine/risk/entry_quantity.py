"""The sum that must hold always: live and filled quantity of a signal's entries never exceeds the signal's."""

from __future__ import annotations

from engine.orders.brackets import Bracket
from engine.orders.view import OrderView
from engine.risk.denials import Denial, over
from engine.values.money import ZERO


def check_entry_quantity(bracket: Bracket, sending: OrderView | None = None) -> Denial | None:
    """Deny when the entries of a bracket, ``sending`` among them, may come to more than its signal asks for."""
    entries = {one.cl_ord_id: one for one in bracket.orders.values() if one.role == "entry"}
    if sending is not None:
        entries[sending.cl_ord_id] = sending
    living = sum((one.most for one in entries.values()), ZERO)
    total = living + sum((one.done_qty for one in entries.values()), ZERO)
    asked, unit = bracket.signal.order_qty, bracket.instrument.base
    if total <= asked:
        return None
    return over("ENTRY_EXCEEDS_SIGNAL", "live and filled entry quantity", asked, total, in_flight=living, unit=unit)
