"""One market of the exchange: its pair, book, tape and armed orders."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.instruments import PairSpec
from engine.sim.matching import Book
from engine.sim.numbers import ZERO
from engine.sim.orders import Reference, Side, opposite
from engine.sim.tape import Tape
from engine.sim.triggers import Triggers

PAIR_STATUSES = (
    "online",
    "cancel_only",
    "post_only",
    "limit_only",
    "reduce_only",
    "maintenance",
    "delisted",
    "work_in_progress",
)
HALTED = frozenset(("cancel_only", "post_only", "maintenance", "delisted", "work_in_progress"))
"""Modes of the venue or of a pair in which nothing matches (protocol section 1.3)."""


class Market:
    """Everything that belongs to one symbol. ``index_price`` comes from outside; None while its source is silent."""

    def __init__(self, pair: PairSpec) -> None:
        self.pair = pair
        self.book = Book(pair.symbol)
        self.tape = Tape()
        self.triggers = Triggers()
        self.index_price: Decimal | None = None
        self.has_index = False  # there has ever been a source of it
        self.status = "online"  # the pair's own; the venue's mode comes on top
        self.traded = False  # since the last command
        self._best: tuple[list[tuple[Decimal, Decimal]], ...] = ([], [])

    def reference_price(self, side: Side) -> Decimal | None:
        """Return the price that a market order's cost is judged by: the best opposite one, else the last."""
        return self.book.side(opposite(side)).best_price() or self.tape.last_price

    def trigger_reference(self, reference: Reference) -> Decimal | None:
        """Return the price that triggers look at; a silent index is replaced by the last price."""
        if reference == "index" and self.index_price is not None:
            return self.index_price
        return self.tape.last_price

    def best_moved(self) -> bool:
        """Tell whether the best bid or ask (price or quantity) differs from the last time this was asked."""
        best = (self.book.bids.top(1), self.book.asks.top(1))
        moved, self._best = best != self._best, best
        return moved

    def note_spread(self, now_ns: int) -> None:
        """Write the best prices on the tape."""
        self.tape.note_spread(now_ns, self.book.bids.best_price() or ZERO, self.book.asks.best_price() or ZERO)
