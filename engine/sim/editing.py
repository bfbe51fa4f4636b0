"""The legacy edit: the old order is canceled, a new one with a new id takes its place (protocol sections 1.8, 8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.sim import admission, errors
from engine.sim.accounts import Account
from engine.sim.cancelling import named
from engine.sim.core import Core
from engine.sim.errors import Refused, invalid
from engine.sim.offsets import Price
from engine.sim.orders import NewOrder, SimOrder
from engine.sim.rates import FIXED_COST, age_cost, age_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What an edit asks for; None leaves a member as it is, but ``post_only`` and ``userref`` are not inherited."""

    name: str  # order id, or a userref that names exactly one order
    symbol: str
    order_qty: Decimal | None = None
    display_qty: Decimal | None = None
    limit_price: Price | None = None
    trigger_price: Price | None = None
    post_only: bool = False
    reduce_only: bool | None = None
    fee_in_base: bool | None = None
    userref: int | None = None
    deadline_ns: int | None = None
    validate: bool = False


def edit(core: Core, account: Account, asked: Edit) -> tuple[SimOrder, SimOrder]:
    """Replace an open order; return it and its successor, which with ``validate`` has not entered. Raises Refused and
    then leaves the old order as it was.

    Fills stay with the old order; the new one is for the new volume less what they were, unless the setting
    ``edit_keeps_total`` says that it is for the whole of it (unconfirmed).
    """
    core.now_ns = core.clock.now_ns()
    found = named(account, asked.name)
    if len(found) != 1 or found[0].symbol != asked.symbol:
        raise Refused(errors.UNKNOWN_ORDER)
    order = found[0]
    core.rates.receive(account, order.symbol, core.now_ns, Decimal(FIXED_COST["edit"]))
    admission.check_mode(core.status, post_only=asked.post_only)
    _check_editable(order)
    successor = core.entry.admit(account, _successor(core, order, asked), replaced=order)
    if asked.validate:
        return order, successor
    core.rates.pay(account, order.symbol, core.now_ns, age_cost("edit", age_of(order, core.now_ns)))
    core.end(order, "canceled", core.settings.reason_edited)
    core.entry.accept(successor, account)
    core.finish()
    return order, successor


def _check_editable(order: SimOrder) -> None:
    if order.cl_ord_id is not None:
        raise invalid("cl_ord_id")
    if order.close is not None:
        raise invalid("conditional close")
    if order.triggered:
        raise invalid("triggered")


def _successor(core: Core, order: SimOrder, asked: Edit) -> NewOrder:
    """Return the request that the new order comes from. Raises Refused when nothing would be left for it."""
    total = order.order_qty if asked.order_qty is None else asked.order_qty
    if total <= order.cum_qty:
        raise invalid("volume")
    limit = order.limit_price if order.limit_offset is None or not order.trails else order.limit_offset
    trigger = order.trigger_offset if order.trails else order.trigger_price
    return NewOrder(
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        order_qty=total - order.cum_qty if core.settings.edit_keeps_total else total,
        limit_price=limit if asked.limit_price is None else asked.limit_price,
        trigger_price=trigger if asked.trigger_price is None else asked.trigger_price,
        trigger_reference=order.trigger_reference,
        time_in_force=order.time_in_force,
        expire_ns=order.expire_ns,
        effective_ns=order.effective_ns if order.is_scheduled else None,
        post_only=asked.post_only,
        fee_in_base=order.fee_in_base if asked.fee_in_base is None else asked.fee_in_base,
        stp=order.stp,
        userref=asked.userref,
        deadline_ns=asked.deadline_ns,
        display_qty=order.display_qty if asked.display_qty is None else asked.display_qty,
        leverage=order.leverage,
        reduce_only=order.reduce_only if asked.reduce_only is None else asked.reduce_only,
        sender_sub_id=order.sender_sub_id,
    )
