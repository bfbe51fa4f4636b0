"""Watchdogs of fired stops with a limit: one that the market leaves behind is closed at market instead."""

from __future__ import annotations

from collections.abc import Mapping

from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.values.time import NS


class Watchdogs:
    """When each has had its time, in UTC nanoseconds. ``orders`` are the bracket's, by cl_ord_id."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._triggered_ns: dict[str, int] = {}

    def note(self, view: OrderView, now_ns: int) -> None:
        """Take a stop's view: the time of one that has fired runs from the first that says so."""
        if view.role == "stop" and view.triggered:
            self._triggered_ns.setdefault(view.cl_ord_id, now_ns)

    def stuck(self, orders: Mapping[str, OrderView], now_ns: int) -> frozenset[str]:
        """Return those whose time has run out."""
        return frozenset(name for name, at in self._ends(orders) if now_ns >= at)

    def moments(self, orders: Mapping[str, OrderView]) -> list[int]:
        """Return when their times run out."""
        return [at for _, at in self._ends(orders)]

    def _ends(self, orders: Mapping[str, OrderView]) -> list[tuple[str, int]]:
        stop = self._signal.stop_loss
        limit_ns = int(stop.watchdog_s * NS) if stop is not None else 0
        fired = [(name, at, orders[name]) for name, at in self._triggered_ns.items()]
        return [(name, at + limit_ns) for name, at, o in fired if not o.ended and o.spec.limit_price is not None]
