"""Requests as bytes: WebSocket frames with exact JSON numbers, REST forms with exact texts.

Amounts arrive already rounded and are written plain: never through a float, never with an exponent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from engine.errors import OrderInvariantError
from engine.orders.commands import AmendOrder, CancelOrder, Conditional, NewOrder
from engine.values.money import plain
from engine.values.time import NS, rfc3339

Params = dict[str, Any]
Form = dict[str, str]


def amount(value: Decimal) -> str:
    """Return an amount as plain digits. Raises OrderInvariantError for NaN and infinities."""
    if not value.is_finite():
        raise OrderInvariantError(f"an amount must be a finite number, is {value}")
    return plain(value)


def number(value: Decimal) -> msgspec.Raw:
    """Return an amount as a JSON number of exactly these digits."""
    return msgspec.Raw(amount(value).encode("ascii"))


def frame(method: str, params: Mapping[str, Any], req_id: int) -> str:
    """Return one WebSocket v2 request."""
    return msgspec.json.encode({"method": method, "params": params, "req_id": req_id}).decode("utf-8")


def subscription(channel: str, symbols: Sequence[str] = (), **more: Any) -> Params:
    """Return the params of a subscribe or unsubscribe request."""
    named: Params = {"symbol": list(symbols)} if symbols else {}
    return {"channel": channel, **named, **more}


def add_order(order: NewOrder, token: str) -> Params:
    """Return the params of ``add_order`` (§8.1). ``deadline_ns`` is venue time and must be set."""
    params: Params = {
        "order_type": order.order_type,
        "side": order.side,
        "symbol": order.symbol,
        "order_qty": number(order.order_qty),
    }
    if order.limit_price is not None:
        params["limit_price"] = number(order.limit_price)
    if order.trigger_price is not None or order.trail is not None:
        params["triggers"] = _triggers(order)
    if order.order_type == "limit" or order.time_in_force != "gtc":
        params["time_in_force"] = order.time_in_force
    if order.expire_ns:
        params["expire_time"] = rfc3339(order.expire_ns, 0)
    if order.post_only:
        params["post_only"] = True
    if order.leverage is not None:
        params["margin"] = True
    if order.reduce_only:
        params["reduce_only"] = True
    if order.conditional is not None:
        params["conditional"] = _conditional(order.conditional)
    if order.fee_preference is not None:
        params["fee_preference"] = order.fee_preference
    params["stp_type"] = order.stp_type
    params["cl_ord_id"] = order.cl_ord_id
    params["deadline"] = rfc3339(order.deadline_ns, 3)
    params["token"] = token
    return params


def _triggers(order: NewOrder) -> Params:
    """A fixed trigger, or the distance that a trailing one keeps (never static, always positive)."""
    if order.trail is not None:
        return {"reference": order.trigger_reference, "price": number(order.trail), "price_type": order.trail_unit}
    trigger = order.trigger_price
    return {
        "reference": order.trigger_reference,
        "price": number(trigger if trigger is not None else Decimal(0)),
        "price_type": "static",
    }


def _conditional(close: Conditional) -> Params:
    params: Params = {"order_type": close.order_type, "trigger_price": number(close.trigger_price)}
    return params if close.limit_price is None else params | {"limit_price": number(close.limit_price)}


def amend_order(amend: AmendOrder, token: str) -> Params:
    """Return the params of ``amend_order`` (§8.2)."""
    params: Params = _one_id(amend.order_id, amend.cl_ord_id)
    params["order_qty"] = number(amend.order_qty)
    if amend.limit_price is not None:
        params["limit_price"] = number(amend.limit_price)
    if amend.trigger_price is not None:
        params["trigger_price"] = number(amend.trigger_price)
    params["deadline"] = rfc3339(amend.deadline_ns, 3)
    params["token"] = token
    return params


def cancel_order(cancel: CancelOrder, token: str) -> Params:
    """Return the params of ``cancel_order`` (§8.4), which takes lists and knows no deadline."""
    return {key: [value] for key, value in _one_id(cancel.order_id, cancel.cl_ord_id).items()} | {"token": token}


def batch_add(orders: Sequence[NewOrder], token: str) -> Params:
    """Return the params of ``batch_add`` (§8.5): one symbol and one deadline for all."""
    shared = ("symbol", "deadline", "token")
    first = add_order(orders[0], token)
    rows = [{name: value for name, value in add_order(o, token).items() if name not in shared} for o in orders]
    return {"symbol": first["symbol"], "orders": rows, "deadline": first["deadline"], "token": token}


def batch_cancel(cancels: Sequence[CancelOrder], token: str) -> Params:
    """Return the params of ``batch_cancel`` (§8.4): each order once, by the venue's id where it is known."""
    ids, names = _ids(cancels)
    params: Params = {"orders": ids} if ids else {}
    return params | ({"cl_ord_id": names} if names else {}) | {"token": token}


def add_batch_body(orders: Sequence[NewOrder], pair: str) -> Params:
    """Return the body of REST AddOrderBatch (§1.6), to be sent as JSON; amounts are texts there too."""
    shared = ("pair", "deadline")
    forms = [add_order_form(order, pair) for order in orders]
    rows = [_nested({name: value for name, value in form.items() if name not in shared}) for form in forms]
    return {"pair": pair, "orders": rows, "deadline": forms[0]["deadline"]}


def _nested(form: Form) -> Params:
    """Return a form's fields as JSON members: a conditional close is an object there, a flag is none in quotes."""
    close = {name[6:-1]: value for name, value in form.items() if name.startswith("close[")}
    members: Params = {name: value for name, value in form.items() if not name.startswith("close[")}
    if "reduce_only" in members:
        members["reduce_only"] = True
    return members | {"close": close} if close else members


def cancel_batch_body(cancels: Sequence[CancelOrder]) -> Params:
    """Return the body of REST CancelOrderBatch (§1.9), to be sent as JSON."""
    ids, names = _ids(cancels)
    body: Params = {"orders": ids} if ids else {}
    return body | ({"cl_ord_ids": names} if names else {})


def _ids(cancels: Sequence[CancelOrder]) -> tuple[list[str], list[str]]:
    ids = [cancel.order_id for cancel in cancels if cancel.order_id]
    return ids, [cancel.cl_ord_id for cancel in cancels if not cancel.order_id]


def add_order_form(order: NewOrder, pair: str) -> Form:
    """Return the fields of REST AddOrder (§1.5); ``pair`` is the altname.

    ``price`` is the limit of a limit order and the trigger of a stop or take-profit, whose limit is ``price2``; of a
    trailing stop it is the distance, with ``+`` whichever way it trails.
    """
    first, second = order.limit_price, None
    if order.trigger_price is not None:
        first, second = order.trigger_price, order.limit_price
    fields: Form = {
        "ordertype": order.order_type,
        "type": order.side,
        "pair": pair,
        "volume": amount(order.order_qty),
    }
    if order.trail is not None:
        fields["price"] = "+" + amount(order.trail) + ("%" if order.trail_unit == "pct" else "")
    elif first is not None:
        fields["price"] = amount(first)
    if second is not None:
        fields["price2"] = amount(second)
    if order.order_type == "limit" or order.time_in_force != "gtc":
        fields["timeinforce"] = order.time_in_force.upper()
    fields |= _terms_form(order)
    fields["stptype"] = order.stp_type.replace("_", "-")
    fields["cl_ord_id"] = order.cl_ord_id
    fields["deadline"] = rfc3339(order.deadline_ns, 3)
    return fields


def _terms_form(order: NewOrder) -> Form:
    """Fields that most orders do without."""
    fields: Form = {}
    if order.trigger_reference != "last":
        fields["trigger"] = order.trigger_reference
    if order.expire_ns:
        fields["expiretm"] = str(order.expire_ns // NS)
    flags = ["post"] if order.post_only else []
    if order.fee_preference is not None:
        flags.append("fcib" if order.fee_preference == "base" else "fciq")
    if flags:
        fields["oflags"] = ",".join(flags)
    if order.leverage is not None:
        fields["leverage"] = str(order.leverage)
    if order.reduce_only:
        fields["reduce_only"] = "true"
    if order.conditional is not None:
        fields["close[ordertype]"] = order.conditional.order_type
        fields["close[price]"] = amount(order.conditional.trigger_price)
        if order.conditional.limit_price is not None:
            fields["close[price2]"] = amount(order.conditional.limit_price)
    return fields


def amend_order_form(amend: AmendOrder) -> Form:
    """Return the fields of REST AmendOrder (§1.7)."""
    fields: Form = {"txid": amend.order_id} if amend.order_id else {"cl_ord_id": amend.cl_ord_id}
    fields["order_qty"] = amount(amend.order_qty)
    if amend.limit_price is not None:
        fields["limit_price"] = amount(amend.limit_price)
    if amend.trigger_price is not None:
        fields["trigger_price"] = amount(amend.trigger_price)
    fields["deadline"] = rfc3339(amend.deadline_ns, 3)
    return fields


def cancel_order_form(cancel: CancelOrder) -> Form:
    """Return the fields of REST CancelOrder (§1.9)."""
    return {"txid": cancel.order_id} if cancel.order_id else {"cl_ord_id": cancel.cl_ord_id}


def form_body(fields: Mapping[str, str]) -> bytes:
    """Return a form body. Signed and sent as these very bytes."""
    return urlencode(fields).encode("ascii")


def json_body(members: Mapping[str, Any]) -> bytes:
    """Return a JSON body. Signed and sent as these very bytes."""
    return msgspec.json.encode(members)


def _one_id(order_id: str, cl_ord_id: str) -> Params:
    return {"order_id": order_id} if order_id else {"cl_ord_id": cl_ord_id}
