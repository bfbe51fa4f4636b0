"""An account: what it has, what is set aside for its open orders, and its orders and trades."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.sim.errors import INSUFFICIENT_FUNDS, Refused
from engine.sim.history import Fills, Ledger
from engine.sim.numbers import ZERO
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.positions import Position


class Account:
    """Balances by v2 asset name. An ``unlimited`` account (the house) may go below zero and pays no fees."""

    def __init__(self, name: str, funds: Mapping[str, Decimal], *, unlimited: bool = False) -> None:
        self.name = name
        self.unlimited = unlimited
        self.balances: dict[str, Decimal] = dict(funds)
        self.held: dict[str, Decimal] = {}
        self.orders: dict[str, SimOrder] = {}  # in the order of acceptance
        self.open: dict[str, SimOrder] = {}
        self.closed: list[SimOrder] = []  # in the order of closing
        self.fills = Fills()
        self.ledger = Ledger()
        self.reducing: dict[str, SimOrder] = {}  # the open reduce-only orders
        self.positions: dict[str, Position] = {}  # open ones, in the order of opening
        self._holds: dict[str, tuple[str, Decimal]] = {}
        self._cl_ord_ids: dict[str, str] = {}

    # --- money

    def available(self, asset: str) -> Decimal:
        """Return what is not set aside."""
        return self.balances.get(asset, ZERO) - self.held.get(asset, ZERO)

    def require(self, asset: str, needed: Decimal, besides: str = "") -> None:
        """Check that ``needed`` is free, counting the hold of order ``besides`` as free. Raises Refused."""
        kept_asset, kept = self._holds.get(besides, (asset, ZERO))
        free = self.available(asset) + (kept if kept_asset == asset else ZERO)
        if not self.unlimited and needed > free:
            raise Refused(INSUFFICIENT_FUNDS)

    def hold(self, order_id: str, asset: str, needed: Decimal) -> None:
        """Set aside exactly ``needed`` for an order, replacing what was set aside for it before."""
        self.release(order_id)
        if needed and not self.unlimited:
            self._holds[order_id] = (asset, needed)
            self.held[asset] = self.held.get(asset, ZERO) + needed

    def release(self, order_id: str) -> None:
        """Free what was set aside for an order."""
        kept = self._holds.pop(order_id, None)
        if kept is not None:
            self.held[kept[0]] -= kept[1]

    def move(self, asset: str, change: Decimal) -> Decimal:
        """Add to a balance and return the new total."""
        self.balances[asset] = total = self.balances.get(asset, ZERO) + change
        return total

    # --- orders

    @property
    def trades(self) -> list[SimTrade]:
        """The fills that are kept, in their order; to be read only."""
        return self.fills.rows

    def opened(self, order: SimOrder) -> None:
        """Remember an accepted order."""
        self.open[order.order_id] = order
        if not self.unlimited:
            self.orders[order.order_id] = order
        if order.reduce_only:
            self.reducing[order.order_id] = order
        if order.cl_ord_id is not None:
            self._cl_ord_ids[plain(order.cl_ord_id)] = order.order_id

    def ended(self, order: SimOrder) -> None:
        """Note that an order has ended: its hold and its cl_ord_id are free again."""
        self.release(order.order_id)
        self.reducing.pop(order.order_id, None)
        if self.open.pop(order.order_id, None) is None:
            return
        if order.cl_ord_id is not None:
            self._cl_ord_ids.pop(plain(order.cl_ord_id), None)
        if not self.unlimited:
            self.closed.append(order)

    def forget(self, keep: int) -> list[str]:
        """Drop the oldest closed orders, fills and ledger rows beyond what is to be kept; return those orders' ids.

        Works once twice as many are there, so that it costs little per order.
        """
        self.fills.forget(keep)
        self.ledger.forget(keep)
        if len(self.closed) <= 2 * keep:
            return []
        gone = [order.order_id for order in self.closed[:-keep]]
        del self.closed[:-keep]
        for order_id in gone:
            del self.orders[order_id]
        return gone

    def open_by_cl_ord_id(self, cl_ord_id: str) -> SimOrder | None:
        """Find the open order of this client id."""
        return self.open.get(self._cl_ord_ids.get(plain(cl_ord_id), ""))


def plain(cl_ord_id: str) -> str:
    """Reduce a client id to what is compared: a UUID is the same with and without dashes, in any case."""
    if len(cl_ord_id) in (32, 36):
        return cl_ord_id.replace("-", "").lower()
    return cl_ord_id
