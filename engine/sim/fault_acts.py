"""What the faults of the venue itself do, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.fault_book import Deed
from engine.sim.fault_plan import Fault
from engine.sim.faults import EVERY

if TYPE_CHECKING:
    from engine.sim.exchange import Exchange

_WHO = {"all": None, "private": True, "public": False}
Doing = Callable[["Exchange", Fault], Deed]


def act_upon(exchange: Exchange, fault: Fault) -> Deed:
    """Do what the fault says."""
    return _ACTS[fault.kind.name](exchange, fault)


def _kick(exchange: Exchange, fault: Fault) -> Deed:
    values = fault.values
    code = values["code"]
    private = _WHO[str(values["who"])]
    return Deed(exchange.kick(int(str(code)) or None, str(values["reason"]), private=private))


def _stall(exchange: Exchange, fault: Fault) -> Deed:
    values, kind = fault.values, fault.values["transports"]
    private = _WHO[str(values["who"])]
    seconds = values["hold_s"] if isinstance(values["hold_s"], float) else math.inf
    which = "rest" if kind == "rest" else "all" if kind == "all" else "ws"
    met = exchange.stall(seconds, kind=which, private=private)  # type: ignore[arg-type]  # one of its three words

    def end() -> None:
        exchange.stall(0, kind="all")

    return Deed(met, end)


def _refuse(exchange: Exchange, fault: Fault) -> Deed:
    hold_s = fault.values["hold_s"]
    exchange.refuse(hold_s if isinstance(hold_s, float) else math.inf)
    return Deed(1, lambda: exchange.refuse(0))


def _expire(exchange: Exchange, fault: Fault) -> Deed:
    exchange.expire_tokens(in_use=bool(fault.values["in_use"]))
    return Deed()


def _dead_man(exchange: Exchange, fault: Fault) -> Deed:
    return Deed(exchange.fire_dead_man(exchange.account_named(str(fault.values["account"])).name))


def _cancel(exchange: Exchange, fault: Fault) -> Deed:
    values = fault.values
    found = _open_ids(exchange.account_named(str(values["account"])), fault.symbol)
    chosen = {"oldest": found[:1], "newest": found[-1:], "all": found}[str(values["which"])]
    met = 0
    for order_id in chosen:
        try:
            exchange.house.cancel_client(order_id, str(values["reason"]))
            met += 1
        except Refused:  # in maintenance nobody cancels, and one of them may have taken another along
            continue
    return Deed(met)


def _open_ids(account: Account, symbols: tuple[str, ...]) -> list[str]:
    return [order_id for order_id, order in account.open.items() if EVERY in symbols or order.symbol in symbols]


def _status(exchange: Exchange, fault: Fault) -> Deed:
    mode = str(fault.values["mode"])
    exchange.set_status(mode)

    def end() -> None:
        if exchange.status == mode:
            exchange.set_status("online")

    return Deed(1, end)


def _lag(exchange: Exchange, fault: Fault) -> Deed:
    lag_s = fault.values["lag_s"]
    exchange.lag_rest(float(str(lag_s)))
    return Deed(1, lambda: exchange.lag_rest(exchange.settings.rest_lag_s))


_ACTS: dict[str, Doing] = {
    "kick": _kick,
    "stall": _stall,
    "refuse_connections": _refuse,
    "expire_token": _expire,
    "fire_dead_man": _dead_man,
    "cancel_order": _cancel,
    "status": _status,
    "rest_lag": _lag,
}
