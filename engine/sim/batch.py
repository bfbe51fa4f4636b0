"""Several new orders of one market in one request (protocol sections 1.6, 8.5)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from engine.sim.accounts import Account, plain
from engine.sim.core import Core
from engine.sim.errors import Refused, invalid
from engine.sim.orders import NewOrder, SimOrder

FEWEST, MOST = 2, 15


def receive_batch(core: Core, account: Account, symbol: str, count: int) -> None:
    """Charge the fixed part of a batch on receipt: half a point per order. Raises Refused for a wrong size."""
    if not FEWEST <= count <= MOST:
        raise invalid("orders")
    core.rates.receive(account, symbol, core.clock.now_ns(), Decimal(count) / 2)


def add_batch(core: Core, account: Account, orders: Sequence[NewOrder]) -> list[SimOrder | Refused | None]:
    """Take a batch: one request that is wrong in itself refuses all, then each may fail for funds, room or the book.

    Returns in the order of the requests an order, a refusal, or None where only validation was asked for.
    Raises Refused.
    """
    core.now_ns = core.clock.now_ns()
    for new in orders:
        core.entry.check_request(account, new)
    ids = [plain(new.cl_ord_id) for new in orders if new.cl_ord_id is not None]
    if len(set(ids)) < len(ids):
        raise Refused(core.settings.error_duplicate_cl_ord_id)
    with core.together():
        return [_taken(core, account, new) for new in orders]


def _taken(core: Core, account: Account, new: NewOrder) -> SimOrder | Refused | None:
    try:
        return core.add(account, new)
    except Refused as refusal:
        return refusal
