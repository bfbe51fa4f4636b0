"""One market of the exchange: its pair, book, tape and armed orders."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.instruments import PairSpec
from engine.sim.matching import Book
from engine.sim.orders import Side, opposite
from engine.sim.tape import Tape
from engine.sim.triggers import Triggers


class Market:
    """Everything that belongs to one symbol."""

    def __init__(self, pair: PairSpec) -> None:
        self.pair = pair
        self.book = Book(pair.symbol)
        self.tape = Tape()
        self.triggers = Triggers()
        self.traded = False  # since the last command
        self._best: tuple[list[tuple[Decimal, Decimal]], ...] = ([], [])

    def reference_price(self, side: Side) -> Decimal | None:
        """Return the price that a market order's cost is judged by: the best opposite one, else the last."""
        return self.book.side(opposite(side)).best_price() or self.tape.last_price

    def best_moved(self) -> bool:
        """Tell whether the best bid or ask (price or quantity) differs from the last time this was asked."""
        best = (self.book.bids.top(1), self.book.asks.top(1))
        moved, self._best = best != self._best, best
        return moved
