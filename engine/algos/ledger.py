"""The children of a parent, and the sum that must hold always: what traded and what may still trade never exceed it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog

from engine.algos.hands import Entry, Hands, Known
from engine.algos.parent import Parent, ParentFault
from engine.algos.result import ChildResult

log = structlog.get_logger()

ZERO = Decimal(0)
BRACKET_ENDED = frozenset({"flat", "abandoned", "taken_over"})
UNCERTAIN = frozenset({"unknown"})


@dataclass
class Child:
    """One child. Until it is ``over`` all of it counts as if it would trade; then only what did."""

    number: int
    signal_id: str
    order_qty: Decimal
    known: Known | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its entry orders: several only when earlier ones certainly never lived."""
        return self.known.entries if self.known is not None else ()

    @property
    def over(self) -> bool:
        """Nothing of it can trade any more: denied, or settled with nothing to follow."""
        if self.known is None:
            return False
        if self.known.status == "denied":
            return True
        if any(entry.state != "settled" for entry in self.entries):
            return False
        ended = self.known.bracket_state in BRACKET_ENDED
        return ended or self.cum_qty > 0  # an entry that never lived may be tried again, one that traded is not

    @property
    def cum_qty(self) -> Decimal:
        """What traded, in base units."""
        return sum((entry.cum_qty for entry in self.entries), ZERO)

    @property
    def cost(self) -> Decimal:
        """What it came to, in quote units."""
        return sum((entry.cum_qty * entry.avg_px for entry in self.entries), ZERO)

    @property
    def taken(self) -> Decimal:
        """What of the parent is spoken for by this child."""
        return self.cum_qty if self.over else max(self.order_qty, self.cum_qty)

    @property
    def uncertain(self) -> bool:
        """Nobody knows yet whether it rests."""
        return any(entry.state in UNCERTAIN for entry in self.entries)

    @property
    def resting(self) -> Entry | None:
        """The entry that rests and can be amended."""
        return next((one for one in self.entries if one.state in ("open", "partial")), None)

    @property
    def reprices(self) -> int:
        """How often its entry was amended."""
        return sum(one.states.count("pending_amend") for one in self.entries)

    @property
    def asked_away(self) -> bool:
        """Somebody on our side canceled it: a time-out, a halt, a person. The venue's own cancels are not asked for."""
        return bool(self.entries) and "pending_cancel" in self.entries[-1].states

    @property
    def denied(self) -> str:
        """The code with which the engine refused it, "" when it did not."""
        return self.known.code if self.known is not None and self.known.status == "denied" else ""

    @property
    def refusal(self) -> str:
        """Why nothing of it was taken; "" when it was."""
        if self.known is not None and self.denied:
            return f"{self.denied}: {self.known.reason}"
        last = self.entries[-1] if self.entries else None
        if last is not None and {"denied", "rejected"} & set(last.states[-2:]):
            return last.reason or "refused"
        return "" if self.entries or not self.over else "given up before it was sent"

    def result(self) -> ChildResult:
        """Tell it to people."""
        return ChildResult(self.signal_id, self.order_qty, self.cum_qty, self.over, self.refusal)


class Ledger:
    """All children of one parent, oldest first, at most ``most`` of them."""

    def __init__(self, hands: Hands, parent: Parent, most: int) -> None:
        self._hands, self._parent, self.most = hands, parent, most
        self.children: list[Child] = []

    async def rebuild(self) -> None:
        """Find the children that earlier processes sent. Raises ParentFault when the parent itself was sent."""
        if await self._hands.find(self._parent.signal.signal_id) is not None:
            raise ParentFault("this very signal was handed to the engine: an algorithm needs one of its own")
        while (known := await self._hands.find(self._parent.child_id(len(self.children)))) is not None:
            self.children.append(Child(len(self.children), known.signal_id, known.order_qty, known))
        if self.children:
            log.info("algo.resumed", parent=self._parent.signal.signal_id, children=len(self.children))

    async def look(self, about: Collection[str]) -> None:
        """Read again whatever is not over, and what was told of: a venue may send a fill late."""
        for child in self.children:
            if not child.over or child.signal_id in about:
                child.known = await self._hands.find(child.signal_id) or child.known

    @property
    def current(self) -> Child | None:
        """The child that is not over; there is one at most."""
        return next((child for child in self.children if not child.over), None)

    @property
    def last(self) -> Child | None:
        """The newest child."""
        return self.children[-1] if self.children else None

    @property
    def cum_qty(self) -> Decimal:
        """What has traded, in base units."""
        return sum((child.cum_qty for child in self.children), ZERO)

    @property
    def left(self) -> Decimal:
        """What may still be sent, in base units: the parent's less everything that traded or may trade."""
        taken = sum((child.taken for child in self.children), ZERO)
        return max(ZERO, self._parent.signal.order_qty - taken)

    @property
    def avg_px(self) -> Decimal:
        """What a unit came to on average, in quote; 0 when nothing traded."""
        qty = self.cum_qty
        return sum((child.cost for child in self.children), ZERO) / qty if qty else ZERO

    async def send(self, qty: Decimal, end_ns: int, **changes: Any) -> Child:
        """Hand in the next child. It counts before the first byte leaves, so a cancel in between forgets nothing.

        Raises ValueError, and sends nothing, where the sum would not hold or another child is not over yet.
        """
        if self.current is not None or not ZERO < qty <= self.left or len(self.children) >= self.most:
            raise ValueError(f"{qty} of {self.left} left, {len(self.children)} of {self.most} children")
        number = len(self.children)
        child = Child(number, self._parent.child_id(number), qty)
        self.children.append(child)
        verdict = await self._hands.submit(self._parent.child(number, qty, end_ns, **changes))
        log.info("algo.child", signal_id=child.signal_id, number=number, qty=str(qty), status=verdict.status)
        child.known = await self._hands.find(child.signal_id)
        return child

    async def end_entries(self, why: str) -> None:
        """Cancel the entry of every child that is not over."""
        for child in self.children:
            if not child.over:
                await self._hands.end_entry(child.signal_id, why)
