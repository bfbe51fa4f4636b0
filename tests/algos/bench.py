"""A venue of a few lines for properties: signals are taken, refused, doubted and filled as a test commands.

It knows the truth, and holds every algorithm to it at each submit: what traded and what may trade is within the parent.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import trio

from engine import Instrument, Price, Qty, parse_signal
from engine.algos.hands import Entry, Known, Moved, News, Quote, Room, Verdict

Fate = Literal["take", "reject", "deny", "doubt_live", "doubt_dead", "hang_taken", "hang_lost", "pend"]
ZERO = Decimal(0)


@dataclass
class Order:
    """One child's entry: what the algorithm is told (``state``) and whether it ``lives`` in truth."""

    signal_id: str
    order_qty: Decimal
    limit_price: Decimal
    valid_until_ns: int
    ioc: bool
    state: str = "open"
    lives: bool = True
    denied: bool = False
    cum_qty: Decimal = ZERO
    states: list[str] = field(default_factory=lambda: ["new", "pending", "open"])

    def end(self, *through: str) -> None:
        """Settle it."""
        self.lives, self.state = False, "settled"
        self.states += [*through, "settled"]


class Bench:
    """One market, one parent. ``fates`` are those of the next submits; ``take`` when none is left."""

    def __init__(self, order_qty: Decimal) -> None:
        self.order_qty = order_qty
        self.orders: dict[str, Order] = {}
        self.fates: list[Fate] = []
        self.bid = Decimal(100)
        self.stopped = ""
        self.level = 0.0
        self.cancels_wait = False  # until ``resolve``
        self.denial = "DENIED"
        self.ioc_part = Decimal(1)
        self._watchers: list[News] = []
        self._wanted_away: set[str] = set()

    # --- commands of a test

    def fill(self, part: Decimal) -> None:
        """Trade a part of whatever lives, in whole lots, doubted or not."""
        for order in self.orders.values():
            if order.lives:
                left = order.order_qty - order.cum_qty
                order.cum_qty += (left * part).quantize(Decimal("0.1"))
                if order.cum_qty == order.order_qty and order.state != "unknown":
                    order.end("filled")
        self._tell()

    def resolve(self) -> None:
        """Let every doubt come to its end."""
        for order in self.orders.values():
            if order.lives and order.state == "open" and order.signal_id in self._wanted_away:
                order.end("pending_cancel", "canceled")
            elif order.state == "unknown":
                order.state = "open"
                order.states.append("open")
                if not order.lives:
                    order.end("rejected")
                elif order.signal_id in self._wanted_away or order.ioc:
                    order.end("pending_cancel", "canceled")
        self._tell()

    def taken(self) -> Decimal:
        """What traded and what may still trade, in truth."""
        return sum((o.order_qty if o.lives else o.cum_qty for o in self.orders.values()), ZERO)

    def _tell(self) -> None:
        for news in self._watchers:
            news.tell()

    # --- Hands

    def now_ns(self) -> int:
        return round(trio.current_time() * 1e6) * 1000 + 1_700_000_000_000_000_000

    @asynccontextmanager
    async def watching(self, symbol: str, signal_ids: Sequence[str]) -> AsyncIterator[News]:
        news = News()
        self._watchers.append(news)
        try:
            yield news
        finally:
            self._watchers.remove(news)

    async def find(self, signal_id: str) -> Known | None:
        await trio.lowlevel.checkpoint()
        order = self.orders.get(signal_id)
        if order is None:
            return None
        if order.denied:
            return Known(signal_id, "denied", order.order_qty, order.valid_until_ns, code=self.denial, reason="so told")
        over = order.state == "settled"
        told = order.cum_qty if order.state != "unknown" else ZERO  # of a doubted order nothing is told
        entry = Entry("c", order.state, tuple(order.states), told, Decimal(100), order.limit_price)
        bracket = ("abandoned" if not order.cum_qty else "covered") if over else "entering"
        return Known(signal_id, "accepted", order.order_qty, order.valid_until_ns, bracket, (entry,))

    async def submit(self, text: str) -> Verdict:
        members = json.loads(text)
        fate = self.fates.pop(0) if self.fates else "take"
        qty, ioc = Decimal(members["order_qty"]), members.get("time_in_force") == "ioc"
        assert members["signal_id"] not in self.orders, "one child was sent twice"
        if fate == "hang_lost":
            await trio.sleep_forever()
        order = Order(members["signal_id"], qty, Decimal(members["limit_price"]), _until_ns(members), ioc)
        self.orders[order.signal_id] = order
        assert self.taken() <= self.order_qty, f"{self.taken()} of {self.order_qty}"
        if fate == "hang_taken":
            await trio.sleep_forever()
        await trio.sleep(0.01)
        match fate:
            case "deny":
                order.denied, order.lives = True, False
                return Verdict("denied", self.denial, "so told")
            case "pend":
                pass  # even an immediate one is not answered yet
            case "reject":
                order.end("rejected")
            case "doubt_live" | "doubt_dead":
                order.state, order.lives = "unknown", fate == "doubt_live"
                order.states[-1] = "unknown"
            case _ if ioc:
                order.cum_qty = (qty * self.ioc_part).quantize(Decimal("0.1"))
                order.end("filled" if order.cum_qty == qty else "canceled")
        return Verdict("accepted")

    async def end_entry(self, signal_id: str, why: str) -> None:
        order = self.orders.get(signal_id)
        if order is not None and order.lives:
            self._wanted_away.add(signal_id)
            if order.state != "unknown" and not self.cancels_wait:
                order.end("pending_cancel", "canceled")
        self._tell()

    async def amend(self, cl_ord_id: str, limit_price: Decimal, why: str) -> Moved:
        await trio.sleep(0.01)
        for order in self.orders.values():
            if order.lives and order.state != "unknown":
                order.limit_price = limit_price
                order.states += ["pending_amend", "open"]
                return Moved("amended")
        return Moved("refused", "it has ended")

    async def quote(self, symbol: str) -> Quote | None:
        return Quote(self.bid, self.bid + 1)

    async def instrument(self, symbol: str) -> Instrument | None:
        tick, lot = Price(Decimal("0.01")), Qty(Decimal("0.1"))
        return Instrument("X/USD", "X", "USD", "online", 2, tick, 1, lot, Qty(Decimal(1)), 2, Decimal(1))

    async def room(self, symbol: str) -> Room | None:
        return Room(self.level, 60)

    async def halted(self, strategy_id: str) -> str:
        return self.stopped


def _until_ns(members: dict[str, str]) -> int:
    found = parse_signal(json.dumps(members)).valid_until_ns
    assert found is not None
    return found
