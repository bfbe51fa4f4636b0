"""Finding the order a client means, and checking what an amend asks for (protocol sections 1.7, 8.2, 11.6)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from engine.sim import admission, errors
from engine.sim.accounts import Account
from engine.sim.core import Core
from engine.sim.errors import Refused, invalid
from engine.sim.market_state import Market
from engine.sim.orders import LIMIT_TYPES, Amend, SimOrder
from engine.sim.rates import FIXED_COST, age_cost, age_of
from engine.sim.triggers import is_due


def find_open(account: Account, order_id: str | None, cl_ord_id: str | None) -> SimOrder:
    """Return the open order of exactly one of the two ids. Raises Refused (``EOrder:Unknown order``)."""
    if (order_id is None) == (cl_ord_id is None):
        raise invalid("give one of order id and cl_ord_id")
    order = account.open.get(order_id) if order_id is not None else account.open_by_cl_ord_id(cl_ord_id or "")
    if order is None:
        raise Refused(errors.UNKNOWN_ORDER)
    return order


def amend(core: Core, account: Account, asked: Amend) -> tuple[str, SimOrder]:
    """Amend an open order in place; return the amend id and the order. Raises Refused and leaves the order as it was.

    The fixed cost is charged as soon as the order is known; an amend that ends in a cancel costs what that costs.
    """
    core.now_ns = core.clock.now_ns()
    try:
        order = find_open(account, asked.order_id, asked.cl_ord_id)
    except Refused:
        admission.check_mode(core.status)
        raise
    ends = asked.order_qty is not None and asked.order_qty <= order.cum_qty
    if not ends:
        core.rates.receive(account, order.symbol, core.now_ns, Decimal(FIXED_COST["amend"]))
    admission.check_mode(core.status)
    admission.check_deadline(asked.deadline_ns, core.now_ns)
    market = core.market(order.symbol)
    _check_members(order, asked)
    changed = _changed_copy(order, asked)
    if not ends:
        _check_change(core, account, order, changed, market)
    cost = age_cost("cancel" if ends else "amend", age_of(order, core.now_ns))
    core.rates.pay(account, order.symbol, core.now_ns, cost)
    return core.amend(account, order, changed), order


def _check_members(order: SimOrder, asked: Amend) -> None:
    if (asked.order_qty, asked.limit_price, asked.trigger_price, asked.post_only) == (None, None, None, None):
        raise invalid("nothing to amend")
    if asked.limit_price is not None and order.order_type not in LIMIT_TYPES:
        raise invalid("limit_price")
    if asked.trigger_price is not None and not order.is_armed:
        raise invalid("trigger_price")
    if asked.post_only and order.order_type != "limit":
        raise invalid("post_only")


def _check_change(core: Core, account: Account, order: SimOrder, changed: SimOrder, market: Market) -> None:
    for price in (changed.limit_price, changed.trigger_price):
        if price is not None:
            admission.check_price(market.pair, price)
    admission.check_qty(market.pair, changed.order_qty, changed.limit_price or changed.trigger_price)
    account.require(*core.settlement.hold_of(changed, market.pair), besides=order.order_id)
    moved = changed.limit_price != order.limit_price
    if changed.post_only and moved and market.book.crosses(order.side, changed.limit_price):
        raise Refused(errors.POST_ONLY_ORDER)
    due = changed.trigger_price != order.trigger_price and is_due(changed, market.tape.last_price)
    if due and core.settings.would_trigger_immediately == "refuse":
        raise Refused(core.settings.error_would_trigger)


def _changed_copy(order: SimOrder, asked: Amend) -> SimOrder:
    """Return a copy as asked for; its lists are the order's own and are not written."""
    return replace(
        order,
        order_qty=order.order_qty if asked.order_qty is None else asked.order_qty,
        limit_price=order.limit_price if asked.limit_price is None else asked.limit_price,
        trigger_price=order.trigger_price if asked.trigger_price is None else asked.trigger_price,
        post_only=order.post_only if asked.post_only is None else asked.post_only,
    )
