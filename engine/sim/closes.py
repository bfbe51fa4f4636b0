"""Conditional closes: every fill of a primary order creates one order on the other side (protocol section 11.4)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from engine.sim import admission
from engine.sim.errors import Refused
from engine.sim.orders import CloseSpec, NewOrder, SimOrder, opposite
from engine.sim.pricing import priced

if TYPE_CHECKING:
    from engine.sim.core import Core


class Closes:
    """The templates that have been filled in this command, and the orders made of them at its end."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._due: list[tuple[SimOrder, CloseSpec, Decimal]] = []

    def note_fill(self, primary: SimOrder, qty: Decimal) -> None:
        """Remember a fill of an order; without a template nothing comes of it."""
        if primary.close is not None:
            self._due.append((primary, primary.close, qty))

    def create(self) -> bool:
        """Create the order of the oldest fill; return whether there was one.

        It is on its own from here on: it is charged to no counter and no limit of open orders keeps it out. One that
        cannot be paid for is accepted and canceled. A relative price that falls to nothing, or grows beyond all
        reckoning, creates none.
        """
        if not self._due:
            return False
        primary, template, qty = self._due.pop(0)
        core = self._core
        market = core.markets[primary.symbol]
        if core.settings.small_close == "skip" and qty < market.pair.qty_min:
            return True
        new = _request(primary, template, qty)
        try:
            prices = priced(new, market)
            admission.check_size(qty, prices.limit or prices.trigger)
        except Refused:
            return True
        account = core.accounts[primary.account]
        order = core.entry.make(account, new, market.pair, prices)
        order.ref_id = primary.order_id
        if core.entry.can_pay(order):
            core.entry.accept(order, account)
        else:
            core.entry.take(order, account)
            settings = core.settings
            core.end(order, "canceled", settings.reason_funds if order.leverage is None else settings.reason_margin)
        return True


def _request(primary: SimOrder, template: CloseSpec, qty: Decimal) -> NewOrder:
    """Return the close order's request. An iceberg shows what its primary shows, else all of it."""
    shown = min(primary.display_qty or qty, qty) if template.order_type == "iceberg" else None
    return NewOrder(
        symbol=primary.symbol,
        side=opposite(primary.side),
        order_type=template.order_type,
        order_qty=qty,
        limit_price=template.limit_price,
        trigger_price=template.trigger_price,
        trigger_reference=primary.trigger_reference,
        display_qty=shown,
        stp=primary.stp,
        leverage=primary.leverage,
        sender_sub_id=primary.sender_sub_id,
    )
