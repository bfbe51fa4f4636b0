"""REST order objects and the order-entry endpoints (protocol sections 1.5, 1.7, 1.9, 3.1)."""

from __future__ import annotations

from decimal import Decimal

from engine.sim import amending, errors
from engine.sim.accounts import Account
from engine.sim.admission import check_deadline
from engine.sim.errors import Refused, invalid
from engine.sim.instruments import PairSpec
from engine.sim.numbers import NS, ZERO, epoch_seconds, fixed, number
from engine.sim.orders import LIMIT_TYPES, ORDER_TYPES, TRIGGER_TYPES, Amend, NewOrder, SimOrder
from engine.sim.rest_params import (
    Params,
    deadline,
    expiry,
    needed_amount,
    optional_amount,
    optional_text,
    pair_of,
    stp,
    texts,
    truth,
    userref,
    word,
)
from engine.sim.venue import Venue

_NOT_OFFERED = ("displayvol", "leverage", "close[ordertype]", "close", "starttm", "asset_class")
_STATUS = {"pending_new": "pending", "new": "open", "partially_filled": "open", "filled": "closed"}
_MOST_IDS = 50


def add_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """AddOrder. Raises Refused."""
    new = read_order(venue, params, arrived_ns)
    order = venue.core.add(account, new)
    pair = venue.core.market(new.symbol).pair
    result: dict[str, object] = {"descr": {"order": describe(new, pair)}}
    return result if order is None else result | {"txid": [order.order_id]}


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
    return {"count": _cancel_all(venue, orders)}


def cancel_batch(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """CancelOrderBatch: at most 50 ids; those that are not open do not count. Raises Refused."""
    check_deadline(deadline(venue, params, arrived_ns), venue.clock.now_ns())
    ids, client_ids = texts(params, "orders"), texts(params, "cl_ord_ids")
    if not 1 <= len(ids) + len(client_ids) <= _MOST_IDS:
        raise invalid("orders")
    orders = [order for item in ids for order in named(account, item)]
    orders += [order for item in client_ids for order in named_by_client(account, item)]
    return {"count": _cancel_all(venue, orders)}


def cancel_all(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """CancelAll; none open is a success too."""
    check_deadline(deadline(venue, params, arrived_ns), venue.clock.now_ns())
    return {"count": _cancel_all(venue, list(account.open.values()))}


def _cancel_all(venue: Venue, orders: list[SimOrder]) -> int:
    count = 0
    for order in orders:
        if order.is_open:
            venue.core.cancel(order)
            count += 1
    return count


def named(account: Account, name: str) -> list[SimOrder]:
    """Return the open orders that a txid or a userref names."""
    if name in account.open:
        return [account.open[name]]
    return [order for order in account.open.values() if order.userref is not None and str(order.userref) == name]


def named_by_client(account: Account, cl_ord_id: str) -> list[SimOrder]:
    """Return the open order of a client id, as a list of at most one."""
    order = account.open_by_cl_ord_id(cl_ord_id)
    return [] if order is None else [order]


# --- writing


def describe(order: NewOrder | SimOrder, pair: PairSpec) -> str:
    """Write ``descr.order``: ``buy 0.01000000 XBTUSD @ limit 50000.0``."""
    text = f"{order.side} {fixed(order.order_qty, pair.qty_precision)} {pair.altname} @ "
    text += order.order_type.removesuffix("-limit").replace("-", " ")
    if order.trigger_price is not None:
        text += f" {fixed(order.trigger_price, pair.price_precision)}"
        return (
            text if order.limit_price is None else f"{text} -> limit {fixed(order.limit_price, pair.price_precision)}"
        )
    return text if order.limit_price is None else f"{text} {fixed(order.limit_price, pair.price_precision)}"


def order_object(order: SimOrder, pair: PairSpec, *, trades: bool) -> dict[str, object]:
    """Write the order object of section 3.1. ``price`` is the average fill price, the limit is in ``descr``."""
    price, cost = pair.price_precision, pair.cost_precision
    first = order.trigger_price if order.trigger_price is not None else order.limit_price
    second = order.limit_price if order.trigger_price is not None else None
    row: dict[str, object] = {
        "refid": None,
        "userref": order.userref,
        "cl_ord_id": order.cl_ord_id,
        "status": _STATUS.get(order.status, order.status),
        "opentm": epoch_seconds(order.opened_ns),
        "starttm": 0,
        "expiretm": 0 if order.expire_ns is None else order.expire_ns // NS,
        "descr": {
            "pair": pair.altname,
            "type": order.side,
            "ordertype": order.order_type,
            "price": fixed(first or ZERO, price) if first else "0",
            "price2": fixed(second or ZERO, price) if second else "0",
            "leverage": "none",
            "order": describe(order, pair),
            "close": "",
        },
        "vol": fixed(order.order_qty, pair.qty_precision),
        "vol_exec": fixed(order.cum_qty, pair.qty_precision),
        "cost": fixed(order.cum_cost, cost),
        "fee": fixed(order.fee, 10 if order.fee_in_base else cost),
        "price": fixed(order.avg_price, price),
        "stopprice": fixed(order.trigger_price or ZERO, 5),
        "limitprice": fixed((order.limit_price if order.triggered else None) or ZERO, 5),
        "misc": ",".join(_misc(order)),
        "oflags": ",".join(["fcib" if order.fee_in_base else "fciq"] + (["post"] if order.post_only else [])),
    }
    if order.trigger_price is not None:
        row["trigger"] = "last"
    if order.closed_ns is not None:
        row |= {"reason": order.reason, "closetm": epoch_seconds(order.closed_ns)}
    return row | ({"trades": list(order.exec_ids)} if trades and order.exec_ids else {})


def _misc(order: SimOrder) -> list[str]:
    marks = []
    if order.triggered:
        marks.append("stopped" if order.order_type.startswith("stop-loss") else "touched")
    if order.cum_qty and order.cum_qty < order.order_qty:
        marks.append("partial")
    if order.amended:
        marks.append("amended")
    return marks


def amends_object(order: SimOrder, pair: PairSpec, reason: str) -> dict[str, object]:
    """Write the result of OrderAmends, oldest first."""
    rows: list[dict[str, object]] = []
    for record in order.amends:
        row: dict[str, object] = {
            "amend_id": record.amend_id,
            "amend_type": record.amend_type,
            "order_qty": fixed(record.order_qty, pair.qty_precision),
            "remaining_qty": fixed(record.remaining_qty, pair.qty_precision),
            "post_only": record.post_only,
            "timestamp": number(Decimal(record.ts_ns // 1000), 0),
        }
        for name, value in (("limit_price", record.limit_price), ("trigger_price", record.trigger_price)):
            if value is not None:
                row[name] = fixed(value, pair.price_precision)
        if record.amend_type == "user":
            row["reason"] = reason
        rows.append(row)
    return {"count": len(rows), "amends": rows}
