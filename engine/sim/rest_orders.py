"""REST's order-entry endpoints (protocol sections 1.5, 1.6, 1.7, 1.9)."""

from __future__ import annotations

from decimal import Decimal

from engine.sim import amending, batch, errors
from engine.sim.accounts import Account
from engine.sim.admission import check_deadline
from engine.sim.batch import receive_batch
from engine.sim.cancelling import MOST_IDS, arm_dead_man, cancel_each, cancel_together, named, named_by_client
from engine.sim.errors import Refused, invalid
from engine.sim.orders import LIMIT_TYPES, ORDER_TYPES, TRIGGER_TYPES, Amend, NewOrder
from engine.sim.rest_params import (
    Params,
    deadline,
    expiry,
    needed_amount,
    optional_amount,
    optional_text,
    pair_of,
    stp,
    tables,
    texts,
    truth,
    userref,
    word,
)
from engine.sim.rest_rows import describe
from engine.sim.venue import Venue

_NOT_OFFERED = ("displayvol", "leverage", "close[ordertype]", "close", "starttm", "asset_class")
_OF_THE_BATCH = ("pair", "deadline", "validate", "asset_class")


def add_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """AddOrder. Raises Refused."""
    listed = venue.settings.pair_named(str(params.get("pair", "")))
    if listed is not None:  # the fixed cost is due on receipt, whatever else is wrong
        venue.core.rates.receive(account, listed.symbol, venue.clock.now_ns(), Decimal(1))
    new = read_order(venue, params, arrived_ns)
    order = venue.core.add(account, new)
    pair = venue.core.market(new.symbol).pair
    result: dict[str, object] = {"descr": {"order": describe(new, pair)}}
    return result if order is None else result | {"txid": [order.order_id]}


def add_batch(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """AddOrderBatch: 2 to 15 orders of one pair; a member may fail alone for funds, room or the book. Raises Refused.

    ``pair``, ``deadline`` and ``validate`` are the batch's. A form body gives members as ``orders[0][price]``.
    """
    pair = pair_of(venue, params)
    members = tables(params, "orders")
    receive_batch(venue.core, account, pair.symbol, len(members))
    common = {name: params[name] for name in _OF_THE_BATCH if name in params}
    if any(name in member for member in members for name in _OF_THE_BATCH):
        raise invalid("orders")
    orders = [read_order(venue, {**member, **common}, arrived_ns) for member in members]
    rows: list[dict[str, object]] = []
    for new, taken in zip(orders, batch.add_batch(venue.core, account, orders), strict=True):
        row: dict[str, object] = {"descr": {"order": describe(new, pair)}}
        if isinstance(taken, Refused):
            row["error"] = taken.text
        elif taken is not None:
            row["txid"] = taken.order_id
        rows.append(row)
    return {"orders": rows}


def read_order(venue: Venue, params: Params, arrived_ns: int) -> NewOrder:
    """Read the parameters of AddOrder. Raises Refused with the name of the first bad one."""
    for name in _NOT_OFFERED:
        if params.get(name) not in (None, "", "0", "none"):
            raise invalid(name)
    if truth(params, "reduce_only"):
        raise invalid("reduce_only")
    order_type = word(params, "ordertype", ORDER_TYPES)
    pair = pair_of(venue, params)
    flags = [item for item in str(params.get("oflags", "")).split(",") if item]
    if any(item not in ("post", "fcib", "fciq", "nompp") for item in flags) or ("fcib" in flags and "fciq" in flags):
        raise invalid("oflags")
    triggered = order_type in TRIGGER_TYPES
    if params.get("trigger", "last") != "last":
        raise invalid("Index unavailable")
    price, price2 = optional_amount(params, "price"), optional_amount(params, "price2")
    has_two = triggered and order_type in LIMIT_TYPES
    if price2 is not None and not has_two:
        raise invalid("price2")
    return NewOrder(
        symbol=pair.symbol,
        side="buy" if word(params, "type", ("buy", "sell")) == "buy" else "sell",
        order_type=order_type,
        order_qty=needed_amount(params, "volume"),
        limit_price=price2 if has_two else None if triggered or order_type == "market" else price,
        trigger_price=price if triggered else None,
        time_in_force=word(params, "timeinforce", ("gtc", "ioc", "fok", "gtd"), "gtc"),
        expire_ns=expiry(params, arrived_ns),
        post_only="post" in flags,
        fee_in_base="fcib" in flags,
        stp=stp(word(params, "stptype", ("cancel-newest", "cancel-oldest", "cancel-both"), "cancel-newest")),
        cl_ord_id=optional_text(params, "cl_ord_id"),
        userref=userref(params),
        deadline_ns=deadline(venue, params, arrived_ns),
        validate=params.get("validate") not in (None, "", False),
    )


def amend_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """AmendOrder. Raises Refused."""
    if params.get("display_qty") is not None:
        raise invalid("display_qty")
    asked = Amend(
        order_id=optional_text(params, "txid"),
        cl_ord_id=optional_text(params, "cl_ord_id"),
        order_qty=optional_amount(params, "order_qty"),
        limit_price=optional_amount(params, "limit_price"),
        trigger_price=optional_amount(params, "trigger_price"),
        post_only=truth(params, "post_only") if "post_only" in params else None,
        deadline_ns=deadline(venue, params, arrived_ns),
    )
    amend_id, _ = amending.amend(venue.core, account, asked)
    return {"amend_id": amend_id}


def cancel_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """CancelOrder, by txid, userref or cl_ord_id. Raises Refused (``EOrder:Unknown order`` when none is open)."""
    check_deadline(deadline(venue, params, arrived_ns), venue.clock.now_ns())
    txid, cl_ord_id = optional_text(params, "txid"), optional_text(params, "cl_ord_id")
    if (txid is None) == (cl_ord_id is None):
        raise invalid("txid")
    orders = named(account, txid) if txid is not None else named_by_client(account, cl_ord_id or "")
    if not orders:
        raise Refused(errors.UNKNOWN_ORDER)
    return {"count": cancel_each(venue.core, account, orders)}


def cancel_batch(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """CancelOrderBatch: at most 50 ids; those that are not open do not count. Raises Refused."""
    check_deadline(deadline(venue, params, arrived_ns), venue.clock.now_ns())
    ids, client_ids = texts(params, "orders"), texts(params, "cl_ord_ids")
    if not 1 <= len(ids) + len(client_ids) <= MOST_IDS:
        raise invalid("orders")
    orders = [order for item in ids for order in named(account, item)]
    orders += [order for item in client_ids for order in named_by_client(account, item)]
    return {"count": cancel_together(venue.core, account, orders)}


def cancel_all(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """CancelAll; none open is a success too."""
    check_deadline(deadline(venue, params, arrived_ns), venue.clock.now_ns())
    return {"count": cancel_together(venue.core, account, list(account.open.values()))}


def cancel_all_after(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:  # noqa: ARG001
    """CancelAllOrdersAfter: the account's dead man's switch. Raises Refused."""
    timeout = needed_amount(params, "timeout")
    if timeout != int(timeout):
        raise invalid("timeout")
    return arm_dead_man(venue.core, account, int(timeout))
