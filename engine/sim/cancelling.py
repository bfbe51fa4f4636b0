"""Which orders a cancel names, what it costs, and the dead man's switch (protocol sections 1.9, 5.2, 8.4)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.core import Core
from engine.sim.errors import Refused, invalid
from engine.sim.numbers import NS, rfc3339_seconds
from engine.sim.orders import SimOrder
from engine.sim.rates import age_cost, age_of

MOST_IDS = 50
_DAY_S = 86_400


def named(account: Account, name: str) -> list[SimOrder]:
    """Return the open orders that an order id or a userref names."""
    if name in account.open:
        return [account.open[name]]
    return [order for order in account.open.values() if order.userref is not None and str(order.userref) == name]


def named_by_client(account: Account, cl_ord_id: str) -> list[SimOrder]:
    """Return the open order of a client id, as a list of at most one."""
    order = account.open_by_cl_ord_id(cl_ord_id)
    return [] if order is None else [order]


def cancel_each(core: Core, account: Account, orders: Sequence[SimOrder]) -> int:
    """Cancel one order after the other, each at its price by age; return how many. Raises Refused at the first
    that the counter forbids: it and those behind it stay.
    """
    _check_mode(core)
    count = 0
    with core.together():
        for order in orders:
            if order.is_open:
                core.check_cancel(core.market(order.symbol))
                core.rates.pay(account, order.symbol, core.clock.now_ns(), _cost(core, order))
                core.cancel(order)
                count += 1
    return count


def cancel_together(core: Core, account: Account, orders: Sequence[SimOrder]) -> int:
    """Cancel many orders as a batch: charged by age, and taken even beyond the threshold. Raises Refused.

    What a cancel of all costs is not documented; it is counted as a batch. Orders of a pair in maintenance stay.
    """
    _check_mode(core)
    count = 0
    with core.together():
        for order in orders:
            if order.is_open and core.market(order.symbol).status != "maintenance":
                core.rates.charge(account.name, order.symbol, core.clock.now_ns(), Decimal(_cost(core, order)))
                core.cancel(order)
                count += 1
    return count


def _check_mode(core: Core) -> None:
    if core.status == "maintenance":
        raise Refused(errors.UNAVAILABLE)


def _cost(core: Core, order: SimOrder) -> int:
    return age_cost("cancel", age_of(order, core.clock.now_ns()))


def arm_dead_man(core: Core, account: Account, timeout_s: int) -> dict[str, object]:
    """Cancel everything of the account after so many seconds unless armed anew; 0 disarms. Raises Refused."""
    if not 0 <= timeout_s < _DAY_S:
        raise invalid("timeout")
    core.now_ns = core.clock.now_ns()
    if timeout_s:
        core.dead_man[account.name] = core.now_ns + timeout_s * NS
    else:
        core.dead_man.pop(account.name, None)
    core.finish()
    at_ns = core.dead_man.get(account.name)
    trigger = "0" if at_ns is None else rfc3339_seconds(at_ns)
    return {"currentTime": rfc3339_seconds(core.now_ns), "triggerTime": trigger}
