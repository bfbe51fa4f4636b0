"""Finding the order a client means, and checking what an amend asks for (protocol sections 1.7, 8.2, 11.6)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from engine.sim import admission, errors
from engine.sim.accounts import Account
from engine.sim.core import Core
from engine.sim.errors import Refused, invalid
from engine.sim.market_state import Market
from engine.sim.offsets import Offset
from engine.sim.orders import LIMIT_TYPES, Amend, SimOrder
from engine.sim.pricing import absolute
from engine.sim.rates import FIXED_COST, age_cost, age_of
from engine.sim.triggers import is_due, set_trail


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
        admission.check_mode(core.status, post_only=True)  # what no amend passes
        raise
    ends = asked.order_qty is not None and asked.order_qty <= order.cum_qty
    if not ends:
        core.rates.receive(account, order.symbol, core.now_ns, Decimal(FIXED_COST["amend"]))
    market = core.market(order.symbol)
    post_only = order.post_only if asked.post_only is None else asked.post_only
    admission.check_mode(core.status, post_only=post_only)
    admission.check_pair_mode(market.status, order, post_only=post_only)
    admission.check_deadline(asked.deadline_ns, core.now_ns)
    _check_members(order, asked)
    changed = _changed_copy(order, asked, market)
    if not ends:
        _check_change(core, account, order, changed, market)
    cost = age_cost("cancel" if ends else "amend", age_of(order, core.now_ns))
    core.rates.pay(account, order.symbol, core.now_ns, cost)
    return _apply(core, account, order, changed), order


def _apply(core: Core, account: Account, order: SimOrder, changed: SimOrder) -> str:
    """Change an open order to what its checked copy says, by the queue rules of section 11.6; return the amend id."""
    market = core.market(order.symbol)
    ends = changed.order_qty <= order.cum_qty
    to_the_back = changed.limit_price != order.limit_price or changed.order_qty > order.order_qty
    _take_over(order, changed)
    order.amended, order.amended_ns = True, core.now_ns
    amend_id = core.note_amend(order, "user")
    if not ends:
        core.entry.hold(order, account)
    resting = market.book.rests(order)
    if resting and to_the_back:
        market.book.drop(order)
    elif resting:
        market.book.recount(order)
    core.report(order, "amended")
    if ends:
        core.end(order, "canceled", core.settings.reason_user)
    elif resting and to_the_back:
        core.execution.enter(order, market)
    elif order.is_armed and not order.is_scheduled:
        core.entry.look_again(order, market)
    core.finish()
    return amend_id


def _take_over(order: SimOrder, changed: SimOrder) -> None:
    """Give an order the members of its changed copy; what is filled already stays its quantity at least."""
    order.order_qty = max(changed.order_qty, order.cum_qty)
    order.limit_price, order.limit_offset = changed.limit_price, changed.limit_offset
    order.trigger_price, order.trigger_offset = changed.trigger_price, changed.trigger_offset
    order.display_qty, order.post_only = changed.display_qty, changed.post_only
    if order.display_qty is not None:
        order.shown_qty = min(order.shown_qty, order.display_qty)


def _check_members(order: SimOrder, asked: Amend) -> None:
    changes = (asked.order_qty, asked.display_qty, asked.limit_price, asked.trigger_price, asked.post_only)
    if all(change is None for change in changes):
        raise invalid("nothing to amend")
    if order.close is not None:
        raise invalid("conditional close")
    if asked.display_qty is not None:
        admission.check_display(order.order_type, asked.display_qty)
    if asked.limit_price is not None and order.order_type not in LIMIT_TYPES:
        raise invalid("limit_price")
    if asked.trigger_price is not None and not order.is_armed:
        raise invalid("trigger_price")
    if asked.trigger_price is not None and order.trails:
        admission.check_distance(asked.trigger_price)
    if asked.post_only and order.order_type not in ("limit", "iceberg"):
        raise invalid("post_only")


def _check_change(core: Core, account: Account, order: SimOrder, changed: SimOrder, market: Market) -> None:
    for price in (changed.limit_price, changed.trigger_price):
        if price is not None:
            admission.check_price(market.pair, price)
    admission.check_qty(market.pair, changed.order_qty, changed.limit_price or changed.trigger_price)
    if changed.display_qty is not None and (changed.display_qty, changed.order_qty) != (
        order.display_qty,
        order.order_qty,
    ):
        admission.check_slice(market.pair, changed.display_qty, changed.leaves_qty)
    if order.leverage is not None:
        core.margin.check(changed, account, market)
    else:
        account.require(*core.settlement.hold_of(changed, market.pair), besides=order.order_id)
    moved = changed.limit_price != order.limit_price
    if changed.post_only and moved and market.book.crosses(order.side, changed.limit_price):
        raise Refused(errors.POST_ONLY_ORDER)
    price = market.trigger_reference(order.trigger_reference)
    due = changed.trigger_price != order.trigger_price and is_due(changed, price)
    if due and core.settings.would_trigger_immediately == "refuse":
        raise Refused(core.settings.error_would_trigger)


def _changed_copy(order: SimOrder, asked: Amend, market: Market) -> SimOrder:
    """Return a copy as asked for; its lists are the order's own and are not written.

    Relative prices count from the last price and the trigger's reference as they are now, on an armed trailing order
    from its peak and its trigger. Raises Refused.
    """
    changed = replace(
        order,
        order_qty=order.order_qty if asked.order_qty is None else asked.order_qty,
        display_qty=order.display_qty if asked.display_qty is None else asked.display_qty,
        post_only=order.post_only if asked.post_only is None else asked.post_only,
    )
    trailing = order.trails and order.is_armed
    if asked.limit_price is not None:
        changed.limit_offset = asked.limit_price if isinstance(asked.limit_price, Offset) else None
        if changed.limit_offset is None or not trailing:
            changed.limit_price = absolute(asked.limit_price, market.tape.last_price, market.pair)
    if asked.trigger_price is not None:
        changed.trigger_offset = asked.trigger_price if isinstance(asked.trigger_price, Offset) else None
        if not trailing:
            reference = market.trigger_reference(order.trigger_reference)
            changed.trigger_price = absolute(asked.trigger_price, reference, market.pair)
    if trailing and (asked.limit_price is not None or asked.trigger_price is not None):
        set_trail(changed, market.pair.tick)
    return changed
