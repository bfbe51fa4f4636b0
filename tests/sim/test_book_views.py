"""The book channel's view against the whole book: a reader that applies every update holds exactly its depth."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.seams.chance import SeededChance
from engine.seams.clock import Clock
from engine.sim import Exchange, SimSettings
from engine.sim.book import SideView
from engine.sim.events import Event, MarketMoved
from engine.sim.matching import BookSide
from engine.sim.numbers import NS

SYMBOL, TICK = "BTC/USD", Decimal("0.1")
Rows = dict[Decimal, Decimal]


class StillClock:
    """A clock that stands."""

    def now_ns(self) -> int:
        return 1_767_225_600 * NS


quotes = st.tuples(
    st.sampled_from(["quote", "quote", "take", "cancel"]),
    st.booleans(),
    st.integers(0, 30),  # ticks from the middle
    st.integers(1, 5),
)


class SideReader:
    """One side as a client keeps it: apply, cut to the depth."""

    def __init__(self, side: BookSide, depth: int) -> None:
        self._side, self._depth = side, depth
        self.view = SideView(side, depth)
        self.rows: Rows = dict(side.top(depth))

    def follow(self) -> None:
        """Apply an update; every row of it must change something, and the result must be the book's top."""
        changes = self.view.changes()
        assert len(dict(changes)) == len(changes)
        for price, qty in changes:
            if qty:
                assert self.rows.get(price) != qty
                self.rows[price] = qty
            else:
                del self.rows[price]
        for price in self._side.best_first(self.rows)[self._depth :]:
            del self.rows[price]
        assert self.rows == dict(self._side.top(self._depth))


@pytest.mark.parametrize("depth", [1, 3, 10])
@given(commands=st.lists(quotes, max_size=60))
def test_reader_holds_the_top_of_the_book(depth: int, commands: list[tuple[str, bool, int, int]]) -> None:
    """Over any quotes, takers and cancels each update is minimal and leads to the present top, never beyond."""
    clock: Clock = StillClock()
    exchange = Exchange(SimSettings(), clock, SeededChance(1))
    core, house = exchange._venue.core, exchange.house
    book = core.market(SYMBOL).book
    readers = [SideReader(side, depth) for side in (book.bids, book.asks)]

    def on_event(event: Event) -> None:
        if isinstance(event, MarketMoved) and event.book:
            for reader in readers:
                reader.follow()

    core.listen(on_event)
    placed: list[str] = []
    for do, buys, ticks, lots in commands:
        qty = Decimal(lots) / 100
        if do == "quote":
            price = Decimal(50_000) + TICK * (10 - ticks if buys else ticks - 10)
            placed.append(house.quote(SYMBOL, "buy" if buys else "sell", price, qty))
        elif do == "take":
            house.take(SYMBOL, "buy" if buys else "sell", qty)
        elif placed:
            house.cancel(placed.pop(ticks % len(placed)))
