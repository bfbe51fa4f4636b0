"""A plain, slow order book to compare the exchange's with: one list, searched in full for every match.

It knows limit, iceberg and market orders, the times in force, self-trade prevention, post-only and amends. No money.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

Fill = tuple[str, str, Decimal, Decimal]  # taker, maker, price, quantity


@dataclass
class Entry:
    """One order as the reference sees it. ``turn`` is its place in the queue of its price."""

    name: str
    owner: str
    side: str
    qty: Decimal
    limit: Decimal | None
    display: Decimal | None = None
    stp: str = "cancel_newest"
    tif: str = "gtc"
    post_only: bool = False
    done: Decimal = Decimal(0)
    slice_left: Decimal = Decimal(0)
    turn: int = 0
    state: str = "open"

    @property
    def left(self) -> Decimal:
        """What may still fill."""
        return self.qty - self.done if self.state == "open" else Decimal(0)

    @property
    def shows(self) -> Decimal:
        """What others see of it."""
        return self.left if self.display is None else min(self.left, self.slice_left)


@dataclass
class ReferenceBook:
    """All orders ever, and all fills in their order."""

    entries: dict[str, Entry] = field(default_factory=dict)
    resting: list[Entry] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    turns: int = 0

    def add(self, entry: Entry) -> None:
        """Let an order enter."""
        self.entries[entry.name] = entry
        if entry.post_only and self._best(entry) is not None:
            entry.state = "canceled"
            return
        self._enter(entry)

    def cancel(self, name: str) -> None:
        """End a resting order."""
        self._end(self.entries[name], "canceled")

    def amend(self, name: str, qty: Decimal, limit: Decimal) -> None:
        """Change a resting order: less keeps its place, more or another price loses it."""
        entry = self.entries[name]
        stays = qty <= entry.qty and limit == entry.limit
        if qty <= entry.done:
            entry.qty = entry.done
            self._end(entry, "canceled")
            return
        entry.qty, entry.limit = qty, limit
        if not stays:
            self.resting.remove(entry)
            self._enter(entry)

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        """Return what a side shows, best first."""
        shown: dict[Decimal, Decimal] = {}
        for entry in self.resting:
            if entry.side == side and entry.limit is not None:
                shown[entry.limit] = shown.get(entry.limit, Decimal(0)) + entry.shows
        return sorted(shown.items(), reverse=side == "buy")

    def queue(self, side: str) -> list[str]:
        """Return the names of a side's orders in the order in which a taker meets them."""
        sign = -1 if side == "buy" else 1
        mine = [entry for entry in self.resting if entry.side == side]
        return [e.name for e in sorted(mine, key=lambda e: (sign * (e.limit or 0), e.turn))]

    def _best(self, entry: Entry) -> Entry | None:
        """Return the maker that an order meets first."""
        found: Entry | None = None
        for maker in self.resting:
            if maker.side == entry.side or maker.limit is None or not _accepts(entry, maker.limit):
                continue
            if found is None or _better(maker, found):
                found = maker
        return found

    def _enter(self, entry: Entry) -> None:
        if entry.tif == "fok" and self._reachable(entry) < entry.left:
            entry.state = "canceled"
            return
        while entry.left > 0:
            maker = self._best(entry)
            if maker is None:
                break
            if maker.owner == entry.owner != "house":
                self._prevent(entry, maker)
            else:
                self._match(entry, maker)
        if entry.left > 0 and (entry.limit is None or entry.tif in ("ioc", "fok")):
            entry.state = "canceled"
        elif entry.left > 0:
            self._queue(entry)

    def _prevent(self, entry: Entry, maker: Entry) -> None:
        if entry.stp != "cancel_newest":
            self._end(maker, "canceled")
        if entry.stp != "cancel_oldest":
            entry.state = "canceled"

    def _match(self, taker: Entry, maker: Entry) -> None:
        qty = min(taker.left, maker.shows)
        assert maker.limit is not None
        self.fills.append((taker.name, maker.name, maker.limit, qty))
        taker.done += qty
        maker.done += qty
        maker.slice_left -= qty
        for party in (taker, maker):
            if party.done == party.qty:
                self._end(party, "filled")
        if maker.state == "open" and maker.display is not None and maker.slice_left == 0:
            self.resting.remove(maker)
            self._queue(maker)

    def _queue(self, entry: Entry) -> None:
        self.turns += 1
        entry.turn = self.turns
        entry.slice_left = min(entry.display, entry.left) if entry.display is not None else Decimal(0)
        self.resting.append(entry)

    def _end(self, entry: Entry, state: str) -> None:
        entry.state = state
        if entry in self.resting:
            self.resting.remove(entry)

    def _reachable(self, entry: Entry) -> Decimal:
        """Return how much a fill-or-kill order could take, as its own orders on the way let it."""
        total, sign = Decimal(0), 1 if entry.side == "buy" else -1
        makers = [m for m in self.resting if m.side != entry.side and m.limit is not None and _accepts(entry, m.limit)]
        for maker in sorted(makers, key=lambda m: (sign * (m.limit or 0), m.turn)):
            if maker.owner == entry.owner != "house":
                if entry.stp == "cancel_oldest":
                    continue
                break
            total += maker.left
        return total


def _accepts(entry: Entry, price: Decimal) -> bool:
    if entry.limit is None:
        return True
    return price <= entry.limit if entry.side == "buy" else price >= entry.limit


def _better(maker: Entry, than: Entry) -> bool:
    assert maker.limit is not None and than.limit is not None  # noqa: PT018
    if maker.limit != than.limit:
        return maker.limit < than.limit if maker.side == "sell" else maker.limit > than.limit
    return maker.turn < than.turn
