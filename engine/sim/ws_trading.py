"""The trading methods of WebSocket v2 (protocol section 8): parameters to commands, results to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.sim import amending, batch, errors
from engine.sim.accounts import Account
from engine.sim.admission import check_deadline, deadline_bounds
from engine.sim.cancelling import MOST_IDS, arm_dead_man, cancel_each, cancel_together, named, named_by_client
from engine.sim.errors import Refused, invalid
from engine.sim.numbers import NS, amount, parse_rfc3339
from engine.sim.orders import ORDER_TYPES, STP, TRIGGER_TYPES, Amend, NewOrder, Side, SimOrder

if TYPE_CHECKING:
    from engine.sim.ws import Connection

Result = dict[str, object] | list[dict[str, object]]
Answer = Callable[[Result | Refused, str | None], None]
ORDER_METHODS = (
    "add_order",
    "batch_add",
    "amend_order",
    "cancel_order",
    "batch_cancel",
    "cancel_all",
    "cancel_all_orders_after",
)
_NOT_OFFERED = ("conditional", "display_qty", "cash_order_qty", "effective_time", "sender_sub_id")
_OF_THE_BATCH = ("symbol", "deadline", "validate", "token")


def carry_out(connection: Connection, method: str, params: dict[str, Any], arrived_ns: int, answer: Answer) -> None:
    """Do what a trading request asks; ``answer`` is called once, for cancel_order once per id. Raises Refused."""
    key = connection.key_of(params.get("token"))
    key.require(method)
    core = connection.venue.core
    account = core.accounts[key.account]
    if method == "add_order":
        _add(connection, account, params, arrived_ns, answer)
        return
    if method == "batch_add":
        _add_batch(connection, account, params, arrived_ns, answer)
        return
    deadline_ns = _deadline(connection, params, arrived_ns)
    if method == "amend_order":
        _amend(connection, account, params, deadline_ns, answer)
        return
    check_deadline(deadline_ns, connection.venue.clock.now_ns())
    if method == "cancel_order":
        _cancel_each(connection, account, params, answer)
    elif method == "batch_cancel":
        answer({"count": _cancel_batch(connection, account, params)}, None)
    elif method == "cancel_all":
        answer({"count": cancel_together(core, account, list(account.open.values()))}, None)
    else:
        answer(arm_dead_man(core, account, _whole(params, "timeout")), None)


def _add(connection: Connection, account: Account, params: dict[str, Any], arrived_ns: int, answer: Answer) -> None:
    core, symbol = connection.venue.core, params.get("symbol")
    if isinstance(symbol, str) and symbol in core.markets:  # the fixed cost is due on receipt, whatever else is wrong
        core.rates.receive(account, symbol, connection.venue.clock.now_ns(), Decimal(1))
    new = read_order(params, _deadline(connection, params, arrived_ns))
    answer(_added(core.add(account, new), new), None)


def _add_batch(
    connection: Connection, account: Account, params: dict[str, Any], arrived_ns: int, answer: Answer
) -> None:
    """Take 2 to 15 orders of one symbol. How a failed member looks is not documented: a setting chooses."""
    core, members = connection.venue.core, params.get("orders")
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise invalid("orders")
    symbol = core.market(text(params, "symbol")).pair.symbol
    batch.receive_batch(core, account, symbol, len(members))
    if any(name in member for member in members for name in _OF_THE_BATCH):
        raise invalid("orders")
    deadline_ns = _deadline(connection, params, arrived_ns)
    common = {"symbol": symbol, "validate": params.get("validate", False)}
    orders = [read_order({**member, **common}, deadline_ns) for member in members]
    taken = batch.add_batch(core, account, orders)
    if connection.venue.settings.batch_result == "array":
        answer([_member(new, result) for new, result in zip(orders, taken, strict=True)], None)
        return
    rows = [
        {"success": not isinstance(result, Refused)} | _member(new, result)
        for new, result in zip(orders, taken, strict=True)
    ]
    answer({"orders": rows}, None)


def _member(new: NewOrder, result: SimOrder | Refused | None) -> dict[str, object]:
    if isinstance(result, Refused):
        return {"error": result.text} | _added(None, new)
    return _added(result, new)


def _deadline(connection: Connection, params: dict[str, Any], arrived_ns: int) -> int:
    settings = connection.venue.settings
    if "deadline" not in params:
        return arrived_ns + round(settings.ws_deadline_default_s * NS)
    return deadline_bounds(settings, time_of(params, "deadline"), arrived_ns, settings.ws_deadline_floor_s)


def _added(order: SimOrder | None, new: NewOrder) -> dict[str, object]:
    result: dict[str, object] = {} if order is None else {"order_id": order.order_id}
    if new.cl_ord_id is not None:
        result["cl_ord_id"] = new.cl_ord_id
    if new.userref is not None:
        result["order_userref"] = new.userref
    return result


def read_order(params: dict[str, Any], deadline_ns: int | None) -> NewOrder:
    """Read the parameters of add_order. Raises Refused with the name of the first bad one."""
    for name in _NOT_OFFERED:
        if name in params:
            raise invalid(name)
    for name in ("margin", "reduce_only"):
        if flag(params, name):
            raise invalid(name)
    order_type = choice(params, "order_type", ORDER_TYPES)
    side = choice(params, "side", ("buy", "sell"))
    prefers = choice(params, "fee_preference", ("base", "quote"), "quote")
    return NewOrder(
        symbol=text(params, "symbol"),
        side=_side(side),
        order_type=order_type,
        order_qty=decimal(params, "order_qty"),
        limit_price=decimal(params, "limit_price") if "limit_price" in params else None,
        trigger_price=_trigger_price(params) if order_type in TRIGGER_TYPES or "triggers" in params else None,
        time_in_force=choice(params, "time_in_force", ("gtc", "gtd", "ioc", "fok"), "gtc"),
        expire_ns=time_of(params, "expire_time") if "expire_time" in params else None,
        post_only=flag(params, "post_only"),
        fee_in_base=prefers == "base",
        stp=_stp(choice(params, "stp_type", ("cancel_newest", "cancel_oldest", "cancel_both"), "cancel_newest")),
        cl_ord_id=text(params, "cl_ord_id") if "cl_ord_id" in params else None,
        userref=_whole(params, "order_userref") if "order_userref" in params else None,
        deadline_ns=deadline_ns,
        validate=flag(params, "validate"),
    )


def _amend(connection: Connection, account: Account, params: dict[str, Any], deadline_ns: int, answer: Answer) -> None:
    for name in ("limit_price_type", "trigger_price_type"):
        choice(params, name, ("static",), "static")
    if "display_qty" in params:
        raise invalid("display_qty")
    asked = Amend(
        order_id=text(params, "order_id") if "order_id" in params else None,
        cl_ord_id=text(params, "cl_ord_id") if "cl_ord_id" in params else None,
        order_qty=decimal(params, "order_qty") if "order_qty" in params else None,
        limit_price=decimal(params, "limit_price") if "limit_price" in params else None,
        trigger_price=decimal(params, "trigger_price") if "trigger_price" in params else None,
        post_only=flag(params, "post_only") if "post_only" in params else None,
        deadline_ns=deadline_ns,
    )
    amend_id, _ = amending.amend(connection.venue.core, account, asked)
    used = {"order_id": asked.order_id} if asked.order_id is not None else {"cl_ord_id": asked.cl_ord_id}
    answer({"amend_id": amend_id, **used}, None)


def _named_orders(
    account: Account, params: dict[str, Any], ids: str
) -> Iterator[tuple[dict[str, object], list[SimOrder]]]:
    """Go through the ids of a cancel with the open orders that each names."""
    for order_id in listed(params, ids):
        yield {"order_id": order_id}, named(account, str(order_id))
    for cl_ord_id in listed(params, "cl_ord_id"):
        yield {"cl_ord_id": cl_ord_id}, named_by_client(account, str(cl_ord_id))
    for userref in listed(params, "order_userref"):
        yield {"order_userref": userref}, named(account, str(userref))


def _cancel_each(connection: Connection, account: Account, params: dict[str, Any], answer: Answer) -> None:
    named_orders = list(_named_orders(account, params, "order_id"))
    if not named_orders:
        raise invalid("order_id")
    with connection.venue.core.together():
        for name, orders in named_orders:
            try:
                cancel_each(connection.venue.core, account, orders)
            except Refused as refusal:
                answer(refusal, None)
                continue
            answer(name if orders else Refused(errors.UNKNOWN_ORDER), None)


def _cancel_batch(connection: Connection, account: Account, params: dict[str, Any]) -> int:
    named_orders = list(_named_orders(account, params, "orders"))
    if not 2 <= len(named_orders) <= MOST_IDS:
        raise invalid("orders")
    orders = [order for _, several in named_orders for order in several]
    return cancel_together(connection.venue.core, account, orders)


# --- one parameter


def text(params: dict[str, Any], name: str) -> str:
    """Read a text. Raises Refused."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(name)
    return value


def choice(params: dict[str, Any], name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """Read one of some words, in any case. Raises Refused."""
    value = params.get(name, default)
    if not isinstance(value, str) or value.lower() not in allowed:
        raise invalid(name)
    return value.lower()


def flag(params: dict[str, Any], name: str) -> bool:
    """Read a boolean, absent = False. Raises Refused."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise invalid(name)
    return value


def decimal(params: dict[str, Any], name: str) -> Decimal:
    """Read a JSON number. Raises Refused, also for a number in quotes."""
    value = params.get(name)
    if isinstance(value, str):
        raise invalid(name)
    try:
        return amount(value)
    except ValueError:
        raise invalid(name) from None


def time_of(params: dict[str, Any], name: str) -> int:
    """Read an RFC3339 time as UTC nanoseconds. Raises Refused."""
    try:
        return parse_rfc3339(params.get(name))
    except (ValueError, OverflowError):
        raise invalid(name) from None


def listed(params: dict[str, Any], name: str) -> list[str | int]:
    """Read a list of texts or whole numbers, absent = empty. Raises Refused."""
    value = params.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_IDS:
        raise invalid(name)
    if not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in value):
        raise invalid(name)
    return value


def _whole(params: dict[str, Any], name: str) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 31) <= value < 1 << 31:
        raise invalid(name)
    return value


def _trigger_price(params: dict[str, Any]) -> Decimal:
    triggers = params.get("triggers")
    if not isinstance(triggers, dict):
        raise invalid("triggers")
    choice(triggers, "price_type", ("static",), "static")
    if choice(triggers, "reference", ("last", "index"), "last") == "index":
        raise invalid("Index unavailable")
    return decimal(triggers, "price")


def _side(word: str) -> Side:
    return "buy" if word == "buy" else "sell"


def _stp(word: str) -> STP:
    return "cancel_oldest" if word == "cancel_oldest" else "cancel_both" if word == "cancel_both" else "cancel_newest"
