"""REST's order-entry endpoints (protocol sections 1.5, 1.6, 1.7, 1.9)."""

from __future__ import annotations

from decimal import Decimal

from engine.sim import amending, batch, errors
from engine.sim.accounts import Account
from engine.sim.admission import check_deadline
from engine.sim.batch import receive_batch
from engine.sim.cancelling import MOST_IDS, arm_dead_man, cancel_each, cancel_together, named, named_by_client
from engine.sim.editing import Edit, edit
from engine.sim.errors import Refused, invalid
from engine.sim.numbers import ZERO, fixed
from engine.sim.offsets import Offset, Price
from engine.sim.orders import (
    CLOSE_TYPES,
    LIMIT_TYPES,
    ORDER_TYPES,
    TRIGGER_TYPES,
    Amend,
    CloseSpec,
    NewOrder,
    SimOrder,
)
from engine.sim.rest_params import (
    Params,
    deadline,
    expiry,
    leverage,
    needed_amount,
    nested,
    optional_amount,
    optional_price,
    optional_text,
    pair_of,
    start,
    stp,
    tables,
    texts,
    truth,
    userref,
    word,
)
from engine.sim.rest_rows import descriptions, price_text
from engine.sim.venue import Venue

_FLAGS = ("post", "fcib", "fciq", "viqc", "nompp")
_OF_THE_BATCH = ("pair", "deadline", "validate", "asset_class")


def add_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """AddOrder. Raises Refused."""
    listed = venue.settings.pair_named(str(params.get("pair", "")))
    if listed is not None:  # the fixed cost is due on receipt, whatever else is wrong
        venue.core.rates.receive(account, listed.symbol, venue.clock.now_ns(), Decimal(1))
    new = read_order(venue, params, arrived_ns)
    order = venue.core.add(account, new)
    pair = venue.core.market(new.symbol).pair
    result: dict[str, object] = {"descr": descriptions(order or new, pair)}
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
        described = descriptions(taken if isinstance(taken, SimOrder) else new, pair)
        row: dict[str, object] = {"descr": {"order": described.pop("order")}, **described}
        if isinstance(taken, Refused):
            row["error"] = taken.text
        elif taken is not None:
            row["txid"] = taken.order_id
        rows.append(row)
    return {"orders": rows}


def read_order(venue: Venue, params: Params, arrived_ns: int) -> NewOrder:
    """Read the parameters of AddOrder. Raises Refused with the name of the first bad one."""
    if params.get("asset_class") not in (None, ""):
        raise invalid("asset_class")
    order_type = word(params, "ordertype", ORDER_TYPES)
    pair = pair_of(venue, params)
    flags = _flags(params)
    limit, trigger = _prices(params, order_type)
    volume = needed_amount(params, "volume")
    return NewOrder(
        symbol=pair.symbol,
        side="buy" if word(params, "type", ("buy", "sell")) == "buy" else "sell",
        order_type=order_type,
        order_qty=ZERO if "viqc" in flags else volume,
        cash_order_qty=volume if "viqc" in flags else None,
        display_qty=optional_amount(params, "displayvol"),
        limit_price=limit,
        trigger_price=trigger,
        trigger_reference="index" if word(params, "trigger", ("last", "index"), "last") == "index" else "last",
        time_in_force=word(params, "timeinforce", ("gtc", "ioc", "fok", "gtd"), "gtc"),
        expire_ns=expiry(params, arrived_ns),
        effective_ns=start(params, arrived_ns),
        close=_close(params),
        leverage=leverage(params),
        reduce_only=truth(params, "reduce_only"),
        post_only="post" in flags,
        fee_in_base="fcib" in flags,
        stp=stp(word(params, "stptype", ("cancel-newest", "cancel-oldest", "cancel-both"), "cancel-newest")),
        cl_ord_id=optional_text(params, "cl_ord_id"),
        userref=userref(params),
        deadline_ns=deadline(venue, params, arrived_ns),
        validate=_only_validates(venue, params),
    )


def _only_validates(venue: Venue, params: Params) -> bool:
    value = params.get("validate")
    if venue.settings.any_validate_text_validates and isinstance(value, str):
        return bool(value)
    return truth(params, "validate")


def _flags(params: Params) -> list[str]:
    flags = [item for item in str(params.get("oflags", "")).split(",") if item]
    if any(item not in _FLAGS for item in flags) or ("fcib" in flags and "fciq" in flags):
        raise invalid("oflags")
    return flags


def _prices(params: Params, order_type: str) -> tuple[Price | None, Price | None]:
    """Read (limit, trigger): ``price`` is the trigger where there is one, and ``price2`` the limit behind it."""
    first, second = optional_price(params, "price"), optional_price(params, "price2")
    has_limit, has_trigger = order_type in LIMIT_TYPES, order_type in TRIGGER_TYPES
    if second is not None and not (has_limit and has_trigger):
        raise invalid("price2")
    if order_type == "trailing-stop-limit" and not isinstance(second, Offset):
        raise invalid("price2")
    if has_trigger:
        return second, first
    return first if has_limit else None, None


def _close(params: Params) -> CloseSpec | None:
    """Read the conditional close: nested in a JSON body, ``close[price]`` in a form."""
    inner = nested(params, "close")
    if inner is None:
        return None
    order_type = word(inner, "ordertype", CLOSE_TYPES)
    limit, trigger = _prices(inner, order_type)
    return CloseSpec(order_type=order_type, limit_price=limit, trigger_price=trigger)


def edit_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """EditOrder: the old order is canceled, a new one takes its place. Raises Refused."""
    pair, name = pair_of(venue, params), optional_text(params, "txid")
    if name is None:
        raise invalid("txid")
    named_orders = named(account, name)
    limit, trigger = _prices_of_edit(params, named_orders[0].order_type if named_orders else "")
    asked = Edit(
        name=name,
        symbol=pair.symbol,
        order_qty=optional_amount(params, "volume"),
        display_qty=optional_amount(params, "displayvol"),
        limit_price=limit,
        trigger_price=trigger,
        post_only="post" in _flags(params),
        userref=userref(params),
        deadline_ns=deadline(venue, params, arrived_ns),
        validate=_only_validates(venue, params),
    )
    old, new = edit(venue.core, account, asked)
    first, second = (new.limit_price, None) if new.trigger_price is None else (new.trigger_price, new.limit_price)
    result: dict[str, object] = {
        "status": "ok",
        "originaltxid": old.order_id,
        "volume": fixed(new.order_qty, pair.qty_precision),
        "price": "0" if first is None else price_text(first, pair),
        "price2": "0" if second is None else price_text(second, pair),
        "orders_cancelled": 0 if asked.validate else 1,
        "descr": descriptions(new, pair),
    }
    for member, value in (("newuserref", new.userref), ("olduserref", old.userref)):
        if value is not None:
            result[member] = str(value)
    return result if asked.validate else result | {"txid": new.order_id}


def _prices_of_edit(params: Params, order_type: str) -> tuple[Price | None, Price | None]:
    """Read (limit, trigger) of an edit, where either may be left as it is."""
    first, second = optional_price(params, "price"), optional_price(params, "price2")
    if order_type in TRIGGER_TYPES:
        return second, first
    if second is not None:
        raise invalid("price2")
    return first, None


def amend_order(venue: Venue, account: Account, params: Params, arrived_ns: int) -> dict[str, object]:
    """AmendOrder. Raises Refused."""
    asked = Amend(
        order_id=optional_text(params, "txid"),
        cl_ord_id=optional_text(params, "cl_ord_id"),
        order_qty=optional_amount(params, "order_qty"),
        display_qty=optional_amount(params, "display_qty"),
        limit_price=optional_price(params, "limit_price"),
        trigger_price=optional_price(params, "trigger_price"),
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
