"""What the faults of the venue itself do, by name."""

from __future__ import annotations

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
    return Deed(exchange.kick(values["code"] or None, values["reason"], private=_WHO[values["who"]]))


def _stall(exchange: Exchange, fault: Fault) -> Deed:
    values = fault.values
    met = exchange.stall(values["hold_s"], kind=values["transports"], private=_WHO[values["who"]])

    def end() -> None:
        exchange.stall(0, kind="all")

    return Deed(met, end)


def _refuse(exchange: Exchange, fault: Fault) -> Deed:
    exchange.refuse(fault.values["hold_s"])
    return Deed(1, lambda: exchange.refuse(0))


def _expire(exchange: Exchange, fault: Fault) -> Deed:
    exchange.expire_tokens(in_use=fault.values["in_use"])
    return Deed()


def _dead_man(exchange: Exchange, fault: Fault) -> Deed:
    return Deed(exchange.fire_dead_man(exchange.account_named(fault.values["account"]).name))


def _cancel(exchange: Exchange, fault: Fault) -> Deed:
    values = fault.values
    found = _open_ids(exchange.account_named(values["account"]), fault.symbol)
    chosen = {"oldest": found[:1], "newest": found[-1:], "all": found}[values["which"]]
    met = 0
    for order_id in chosen:
        try:
            exchange.house.cancel_client(order_id, values["reason"])
            met += 1
        except Refused:  # in maintenance nobody cancels, and one of them may have taken another along
            continue
    return Deed(met)


def _liquidate(exchange: Exchange, fault: Fault) -> Deed:
    account, met = exchange.account_named(fault.values["account"]), 0
    for symbol in dict.fromkeys(position.symbol for position in account.positions.values()):
        if EVERY not in fault.symbol and symbol not in fault.symbol:
            continue
        oldest = next(one for one in account.positions.values() if one.symbol == symbol)
        try:
            exchange.house.liquidate(symbol, oldest.open_qty * fault.values["percent"] / 100, account.name)
            met += 1
        except Refused:  # in maintenance nothing trades
            continue
    return Deed(met)


def _open_ids(account: Account, symbols: tuple[str, ...]) -> list[str]:
    return [order_id for order_id, order in account.open.items() if EVERY in symbols or order.symbol in symbols]


def _status(exchange: Exchange, fault: Fault) -> Deed:
    mode: str = fault.values["mode"]
    symbols = () if EVERY in fault.symbol else fault.symbol
    for symbol in symbols or (None,):
        exchange.set_status(mode, symbol)

    def end() -> None:
        for symbol in symbols or (None,):
            if exchange.status_of(symbol) == mode:
                exchange.set_status("online", symbol)

    return Deed(len(symbols) or 1, end)


def _lag(exchange: Exchange, fault: Fault) -> Deed:
    exchange.lag_rest(fault.values["lag_s"])
    return Deed(1, lambda: exchange.lag_rest(exchange.settings.rest_lag_s))


_ACTS: dict[str, Doing] = {
    "kick": _kick,
    "stall": _stall,
    "refuse_connections": _refuse,
    "expire_token": _expire,
    "fire_dead_man": _dead_man,
    "cancel_order": _cancel,
    "liquidate": _liquidate,
    "status": _status,
    "rest_lag": _lag,
}
