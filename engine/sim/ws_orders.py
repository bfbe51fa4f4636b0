"""Orders, amends and edits as WebSocket v2 writes them (protocol sections 8.1, 8.2, 8.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.sim.core import Core
from engine.sim.editing import Edit
from engine.sim.errors import invalid
from engine.sim.margin import default_leverage
from engine.sim.numbers import ZERO
from engine.sim.offsets import Offset, Price
from engine.sim.orders import (
    CLOSE_TYPES,
    ORDER_TYPES,
    STP,
    TRAILING_TYPES,
    TRIGGER_TYPES,
    Amend,
    CloseSpec,
    NewOrder,
    Reference,
    Side,
    SimOrder,
)
from engine.sim.ws_params import choice, decimal, flag, text, time_of, whole

DEPRECATED = ("stop_price", "trigger")
_PRICE_TYPES = ("static", "pct", "quote")
_CONDITIONAL_TYPES = tuple(name for name in CLOSE_TYPES if name != "iceberg")
Params = dict[str, Any]


def read_order(core: Core, params: Params, deadline_ns: int | None, arrived_ns: int) -> NewOrder:
    """Read the parameters of add_order. Raises Refused with the name of the first bad one."""
    order_type = choice(params, "order_type", ORDER_TYPES)
    side = _side(params)
    prefers = choice(params, "fee_preference", ("base", "quote"), "quote")
    symbol, cash = text(params, "symbol"), optional_decimal(params, "cash_order_qty")
    trigger, reference = _trigger(params, order_type)
    effective_ns = time_of(params, "effective_time") if "effective_time" in params else None
    return NewOrder(
        symbol=symbol,
        side=side,
        order_type=order_type,
        order_qty=decimal(params, "order_qty") if cash is None or "order_qty" in params else ZERO,
        cash_order_qty=cash,
        display_qty=optional_decimal(params, "display_qty"),
        limit_price=_limit(params, order_type),
        trigger_price=trigger,
        trigger_reference=reference,
        time_in_force=choice(params, "time_in_force", ("gtc", "gtd", "ioc", "fok"), "gtc"),
        expire_ns=time_of(params, "expire_time") if "expire_time" in params else None,
        effective_ns=effective_ns if effective_ns is not None and effective_ns > arrived_ns else None,
        close=_conditional(params),
        leverage=default_leverage(core.market(symbol).pair, side) if flag(params, "margin") else None,
        reduce_only=flag(params, "reduce_only"),
        post_only=flag(params, "post_only"),
        fee_in_base=prefers == "base",
        stp=_stp(choice(params, "stp_type", ("cancel_newest", "cancel_oldest", "cancel_both"), "cancel_newest")),
        cl_ord_id=text(params, "cl_ord_id") if "cl_ord_id" in params else None,
        userref=whole(params, "order_userref") if "order_userref" in params else None,
        sender_sub_id=text(params, "sender_sub_id") if "sender_sub_id" in params else None,
        deadline_ns=deadline_ns,
        validate=flag(params, "validate"),
    )


def read_amend(params: Params, deadline_ns: int | None) -> Amend:
    """Read the parameters of amend_order. Raises Refused."""
    return Amend(
        order_id=text(params, "order_id") if "order_id" in params else None,
        cl_ord_id=text(params, "cl_ord_id") if "cl_ord_id" in params else None,
        order_qty=optional_decimal(params, "order_qty"),
        display_qty=optional_decimal(params, "display_qty"),
        limit_price=_price(params, "limit_price", "limit_price_type", "static"),
        trigger_price=_price(params, "trigger_price", "trigger_price_type", "static"),
        post_only=flag(params, "post_only") if "post_only" in params else None,
        deadline_ns=deadline_ns,
    )


def read_edit(params: Params, order: SimOrder | None, deadline_ns: int | None) -> Edit:
    """Read the parameters of edit_order; ``order`` is what its id names, if anything. Raises Refused."""
    order_type = "limit" if order is None else order.order_type
    prefers = choice(params, "fee_preference", ("base", "quote")) if "fee_preference" in params else None
    return Edit(
        name=text(params, "order_id"),
        symbol=text(params, "symbol"),
        order_qty=optional_decimal(params, "order_qty"),
        display_qty=optional_decimal(params, "display_qty"),
        limit_price=_limit(params, order_type),
        trigger_price=_trigger(params, order_type)[0] if "triggers" in params else None,
        post_only=flag(params, "post_only"),
        reduce_only=flag(params, "reduce_only") if "reduce_only" in params else None,
        fee_in_base=None if prefers is None else prefers == "base",
        userref=whole(params, "order_userref") if "order_userref" in params else None,
        deadline_ns=deadline_ns,
        validate=flag(params, "validate"),
    )


def optional_decimal(params: Params, name: str) -> Decimal | None:
    """Read a JSON number that may be absent. Raises Refused."""
    return decimal(params, name) if name in params else None


def _price(params: Params, name: str, kind: str, default: str) -> Price | None:
    """Read a price and its type; a type without a price is ignored. Raises Refused."""
    price_type = choice(params, kind, _PRICE_TYPES, default)
    if name not in params:
        return None
    value = decimal(params, name)
    return value if price_type == "static" else Offset(value, percent=price_type == "pct")


def _limit(params: Params, order_type: str) -> Price | None:
    """Read the limit; only a trailing order's may be an offset, and is one unless told otherwise. Raises Refused."""
    if order_type == "trailing-stop-limit":
        return _price(params, "limit_price", "limit_price_type", "quote")
    choice(params, "limit_price_type", ("static",), "static")
    return optional_decimal(params, "limit_price")


def _trigger(params: Params, order_type: str) -> tuple[Price | None, Reference]:
    """Read the trigger; the deprecated ``stop_price`` and ``trigger`` stand in for the object. Raises Refused."""
    triggers = params.get("triggers")
    if triggers is None and "stop_price" in params and order_type in TRIGGER_TYPES:
        triggers = {"price": params["stop_price"], "reference": params.get("trigger", "last")}
    if triggers is None and order_type not in TRIGGER_TYPES:
        return None, _reference(params, "trigger")  # of a conditional close
    if not isinstance(triggers, dict) or "price" not in triggers:
        raise invalid("triggers")
    price = _price(triggers, "price", "price_type", "static")
    if order_type in TRAILING_TYPES and not isinstance(price, Offset):
        raise invalid("price_type")
    return price, _reference(triggers, "reference")


def _reference(params: Params, name: str) -> Reference:
    return "index" if choice(params, name, ("last", "index"), "last") == "index" else "last"


def _conditional(params: Params) -> CloseSpec | None:
    inner = params.get("conditional")
    if inner is None:
        return None
    if not isinstance(inner, dict):
        raise invalid("conditional")
    order_type = choice(inner, "order_type", _CONDITIONAL_TYPES)
    limit_default = "quote" if order_type == "trailing-stop-limit" else "static"
    return CloseSpec(
        order_type=order_type,
        limit_price=_price(inner, "limit_price", "limit_price_type", limit_default),
        trigger_price=_price(inner, "trigger_price", "trigger_price_type", "static"),
    )


def _side(params: Params) -> Side:
    return "buy" if choice(params, "side", ("buy", "sell")) == "buy" else "sell"


def _stp(name: str) -> STP:
    return "cancel_oldest" if name == "cancel_oldest" else "cancel_both" if name == "cancel_both" else "cancel_newest"
