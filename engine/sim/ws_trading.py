"""The trading methods of WebSocket v2 (protocol section 8): parameters to commands, results to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.sim import amending, batch, errors
from engine.sim.accounts import Account
from engine.sim.admission import check_deadline, deadline_bounds
from engine.sim.cancelling import MOST_IDS, arm_dead_man, cancel_each, cancel_together, named, named_by_client
from engine.sim.editing import edit
from engine.sim.errors import Refused, invalid
from engine.sim.numbers import NS
from engine.sim.orders import NewOrder, SimOrder
from engine.sim.ws_orders import DEPRECATED, read_amend, read_edit, read_order
from engine.sim.ws_params import flag, listed, text, time_of, whole

if TYPE_CHECKING:
    from engine.sim.ws import Connection

Result = dict[str, object] | list[dict[str, object]]
Answer = Callable[[Result | Refused, str | None], None]
ORDER_METHODS = (
    "add_order",
    "batch_add",
    "amend_order",
    "edit_order",
    "cancel_order",
    "batch_cancel",
    "cancel_all",
    "cancel_all_orders_after",
)
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
    if method == "edit_order":
        _edit(connection, account, params, deadline_ns, answer)
        return
    check_deadline(deadline_ns, connection.venue.clock.now_ns())
    if method == "cancel_order":
        _cancel_each(connection, account, params, answer)
    elif method == "batch_cancel":
        answer({"count": _cancel_batch(connection, account, params)}, None)
    elif method == "cancel_all":
        answer({"count": cancel_together(core, account, list(account.open.values()))}, None)
    else:
        answer(arm_dead_man(core, account, whole(params, "timeout")), None)


def _add(connection: Connection, account: Account, params: dict[str, Any], arrived_ns: int, answer: Answer) -> None:
    core, symbol = connection.venue.core, params.get("symbol")
    if isinstance(symbol, str) and symbol in core.markets:  # the fixed cost is due on receipt, whatever else is wrong
        core.rates.receive(account, symbol, connection.venue.clock.now_ns(), Decimal(1))
    new = read_order(core, params, _deadline(connection, params, arrived_ns), arrived_ns)
    answer(_added(core.add(account, new), new) | _warnings(params), None)


def _warnings(params: dict[str, Any]) -> dict[str, object]:
    """Warn of members that are still taken, and better not given any more."""
    old = [name for name in DEPRECATED if name in params]
    return {"warnings": [f"{name} is deprecated" for name in old]} if old else {}


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
    orders = [read_order(core, {**member, **common}, deadline_ns, arrived_ns) for member in members]
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


def _amend(connection: Connection, account: Account, params: dict[str, Any], deadline_ns: int, answer: Answer) -> None:
    asked = read_amend(params, deadline_ns)
    amend_id, _ = amending.amend(connection.venue.core, account, asked)
    used = {"order_id": asked.order_id} if asked.order_id is not None else {"cl_ord_id": asked.cl_ord_id}
    answer({"amend_id": amend_id, **used}, None)


def _edit(connection: Connection, account: Account, params: dict[str, Any], deadline_ns: int, answer: Answer) -> None:
    core = connection.venue.core
    core.market(text(params, "symbol"))
    known = account.open.get(text(params, "order_id"))
    old, new = edit(core, account, read_edit(params, known, deadline_ns))
    ids = {} if flag(params, "validate") else {"order_id": new.order_id}
    answer({**ids, "original_order_id": old.order_id}, None)


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
