"""Fills whose order has no name of ours: a person's trades, or the trace of an order in doubt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

import trio

from engine.orders.commands import NewOrder
from engine.orders.reports import Fill, OrderReport
from engine.values.money import ZERO

MAX_KEPT = 1000
"""As many as reports wait to be looked up; a doubt lasts a minute or two, unless a person must end it."""


class _Seen(NamedTuple):
    at_s: float
    report: OrderReport
    fill: Fill


class Unexplained:
    """Keeps them by ``exec_id``, and tells whether any may belong to an order in doubt."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._shown: OrderedDict[str, OrderReport] = OrderedDict()  # by the venue's id of the order

    def note(self, report: OrderReport) -> None:
        """Remember a fill; the same one told again says nothing new."""
        if report.fill is None or report.fill.exec_id in self._seen:
            return
        self._seen[report.fill.exec_id] = _Seen(trio.current_time(), report, report.fill)
        if len(self._seen) > MAX_KEPT:
            self._seen.popitem(last=False)

    def forget(self, order_id: str) -> None:
        """Let the fills of an order go that has an owner now: they are booked with it."""
        for exec_id in [one for one, seen in self._seen.items() if seen.report.order_id == order_id]:
            del self._seen[exec_id]
        self._shown.pop(order_id, None)

    def show(self, report: OrderReport) -> None:
        """Take what the venue says of an order whose fills are kept here: its name and its terms."""
        if any(seen.report.order_id == report.order_id for seen in self._seen.values()):
            self._shown[report.order_id] = report
            if len(self._shown) > MAX_KEPT:
                self._shown.popitem(last=False)

    def orders_that_may_be(
        self,
        order: NewOrder,
        sent_s: float,
        earliest_ns: int,
        *,
        part: bool = False,
        made_by: Collection[str] | None = None,
    ) -> list[str]:
        """Return the venue's ids of the orders whose fills may be this order's.

        It is not where anything told of it rules that out: heard before the send (``sent_s``, trio's clock), made
        before the order can have reached the venue (``earliest_ns``, venue time), another market or side, another
        kind of order or other terms, another name, a price beyond the order's limit, or more in all than it asked
        for. ``part``: an order for less than that quantity may be it too. What is not told rules out nothing. There is
        no latest moment: an order that rests fills whenever it likes. ``made_by``: the venue has made it of one of
        these orders, and what it shows as made by another is none.
        """
        return sorted(
            {
                seen.report.order_id
                for seen in self._seen.values()
                if seen.at_s >= sent_s
                and seen.fill.ts_ns >= earliest_ns
                and self._may_show(seen.report, order, part=part, made_by=made_by)
                and _within_limit(seen.fill, order)
                and self._filled(seen.report.order_id) <= order.order_qty
            }
        )

    def _may_show(self, report: OrderReport, order: NewOrder, *, part: bool, made_by: Collection[str] | None) -> bool:
        shown = self._shown.get(report.order_id)
        if shown is None:
            return _fits(report, order, part=part)
        if made_by is not None and shown.ord_ref_id is not None and shown.ord_ref_id not in made_by:
            return False
        return shown.cl_ord_id in (None, order.cl_ord_id) and _fits(shown, order, part=part)

    def _filled(self, order_id: str) -> Decimal:
        return sum((one.fill.last_qty for one in self._seen.values() if one.report.order_id == order_id), ZERO)


def _fits(report: OrderReport, order: NewOrder, *, part: bool) -> bool:
    told: list[tuple[object, object]] = [(report.symbol, order.symbol), (report.side, order.side)]
    if not part or (report.order_qty is not None and report.order_qty > order.order_qty):
        told.append((report.order_qty, order.order_qty))
    if order.order_type in ("market", "limit"):  # of one that was triggered the venue may say what it became
        told += [(report.order_type, order.order_type), (report.limit_price, order.limit_price)]
    return all(one in (None, "", ours) for one, ours in told)


def _within_limit(fill: Fill, order: NewOrder) -> bool:
    if order.limit_price is None:
        return True
    return fill.last_px <= order.limit_price if order.side == "buy" else fill.last_px >= order.limit_price
