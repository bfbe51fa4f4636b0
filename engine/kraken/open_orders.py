"""What rests on the account, per pair: ours, foreign ones, and ours that are on their way. Pure; times in seconds.

Kraken limits open orders per pair (§5.2) and, without publishing a number, trigger orders ("scheduled", §4).
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.orders.reports import OrderReport

_ENDED = frozenset(("filled", "canceled", "expired"))
_TRIGGERED_TYPES = ("stop-loss", "take-profit", "trailing-stop")


class Slots(NamedTuple):
    """How many slots of one pair are taken: by all orders, and by those that wait for a trigger."""

    orders: int
    triggers: int


class _Resting(NamedTuple):
    symbol: str | None
    trigger: bool
    cl_ord_id: str | None
    cum_qty: Decimal | None


class _Coming(NamedTuple):
    symbol: str
    trigger: bool
    until_s: float | None  # None: until the stream tells
    accepted: bool


def waits_for_trigger(order_type: str | None) -> bool:
    """Tell whether orders of this type rest outside the book until their trigger is passed."""
    return order_type is not None and order_type.startswith(_TRIGGERED_TYPES)


class OpenOrders:
    """Follows the private stream. An order whose first frame was missed counts on every pair until it is named."""

    def __init__(self) -> None:
        self._resting: dict[str, _Resting] = {}
        self._coming: dict[str, _Coming] = {}
        self._ours: Tally[str] = Tally()

    def expect(self, cl_ord_id: str, symbol: str, *, trigger: bool) -> None:
        """Count an order that is about to be sent."""
        self._coming[cl_ord_id] = _Coming(symbol, trigger, None, accepted=False)

    def accepted(self, cl_ord_id: str) -> None:
        """Keep an accepted order until the stream shows it, or opens anew without it."""
        if (coming := self._coming.get(cl_ord_id)) is not None:
            self._coming[cl_ord_id] = coming._replace(accepted=True)

    def doubtful(self, cl_ord_id: str, until_s: float) -> None:
        """Keep an order of unknown outcome until it may no longer appear."""
        if (coming := self._coming.get(cl_ord_id)) is not None:
            self._coming[cl_ord_id] = coming._replace(until_s=until_s)

    def drop(self, cl_ord_id: str) -> None:
        """Forget an order that certainly does not rest."""
        self._coming.pop(cl_ord_id, None)

    def report(self, report: OrderReport) -> None:
        """Take one whole report of the stream."""
        if report.cl_ord_id is not None:
            self._coming.pop(report.cl_ord_id, None)
        self._remove(report.order_id)
        if report.ord_status not in _ENDED:
            self._add(report)

    def snapshot(self, open_orders: Sequence[OrderReport]) -> None:
        """Take the stream's opening state: it replaces what rested, and answers what was accepted before it."""
        self._resting, self._ours = {}, Tally()
        self._coming = {name: one for name, one in self._coming.items() if not one.accepted}
        for report in open_orders:
            self.report(report)

    def rests(self, cl_ord_id: str) -> bool:
        """Tell whether an order of ours rests, or may be on its way."""
        return cl_ord_id in self._coming or self._ours[cl_ord_id] > 0

    def stands(self, cl_ord_id: str) -> bool:
        """Tell whether the venue has said of an order of ours that it took it, and not that it ended."""
        coming = self._coming.get(cl_ord_id)
        return self._ours[cl_ord_id] > 0 or (coming is not None and coming.accepted)

    def filled(self, order_id: str) -> Decimal | None:
        """Return how much of a resting order has filled, as far as the stream has told."""
        known = self._resting.get(order_id)
        return known.cum_qty if known is not None else None

    def taken(self, symbol: str, now_s: float) -> Slots:
        """Count the slots taken on one pair."""
        self._coming = {n: one for n, one in self._coming.items() if one.until_s is None or now_s < one.until_s}
        resting = [one for one in self._resting.values() if one.symbol in (symbol, None)]
        coming = [one for one in self._coming.values() if one.symbol == symbol]
        return Slots(
            len(resting) + len(coming),
            sum(one.trigger for one in resting) + sum(one.trigger for one in coming),
        )

    def _add(self, report: OrderReport) -> None:
        trigger = waits_for_trigger(report.order_type) and not report.triggered
        self._resting[report.order_id] = _Resting(report.symbol, trigger, report.cl_ord_id, report.cum_qty)
        if report.cl_ord_id is not None:
            self._ours[report.cl_ord_id] += 1

    def _remove(self, order_id: str) -> None:
        known = self._resting.pop(order_id, None)
        if known is not None and known.cl_ord_id is not None:
            self._ours[known.cl_ord_id] -= 1
            if self._ours[known.cl_ord_id] <= 0:
                del self._ours[known.cl_ord_id]
