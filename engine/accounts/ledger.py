"""Positions and profit of all our fills, by strategy and symbol, at average cost.

Pure: a fold over fills in journal order. A position is the net of our own fills after fees taken in base, never the
account's balance. Money is in the accounting currency: ``rate`` units of it for one unit of a symbol's quote.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.values.money import ZERO, Side, sign

DAY_NS = 86_400 * 1_000_000_000


class Fact(msgspec.Struct, frozen=True):
    """One fill as the books see it: quantity and ``base_fee`` in base units, price and ``quote_fee`` in quote units."""

    strategy_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    base_fee: Decimal
    quote_fee: Decimal
    ts_ns: int
    rate: Decimal = Decimal(1)


class Position(msgspec.Struct, frozen=True):
    """``qty`` signed base units, ``cost`` what they cost (negative for a short: what they brought)."""

    strategy_id: str
    symbol: str
    qty: Decimal = ZERO
    cost: Decimal = ZERO


class Books(msgspec.Struct, frozen=True):
    """Everything the ledger knows, for the journal: a replay begins here. Money in the accounting currency.

    ``today`` holds the realised profit of UTC day ``day`` by strategy; ``peak`` the highest equity since the last
    reset. Equity is counted from zero at the journal's first fill.
    """

    day: int
    realized: Decimal
    today: dict[str, Decimal]
    peak: Decimal
    positions: tuple[Position, ...]


EMPTY_BOOKS = Books(0, ZERO, {}, ZERO, ())


class Ledger:
    """The one mutable record of positions and profit. Feed it every fill once, in journal order."""

    def __init__(self, books: Books = EMPTY_BOOKS) -> None:
        self.day, self.realized, self.peak = books.day, books.realized, books.peak
        self.today = dict(books.today)
        self.positions = {(one.strategy_id, one.symbol): one for one in books.positions}
        self._by_symbol: dict[str, Decimal] = {}
        for one in books.positions:
            self._by_symbol[one.symbol] = self._by_symbol.get(one.symbol, ZERO) + one.qty

    def books(self) -> Books:
        """Copy everything, for the journal."""
        held = tuple(one for one in self.positions.values() if one.qty)
        return Books(self.day, self.realized, dict(self.today), self.peak, held)

    def turn(self, now_ns: int) -> bool:
        """Begin a new UTC day if one has come; returns whether it has."""
        day = now_ns // DAY_NS
        if day <= self.day:  # a clock that steps back does not bring yesterday back
            return False
        self.day, self.today = day, {}
        return True

    def book(self, fact: Fact) -> Decimal:
        """Book one fill and return what it realised, fees included, in the accounting currency."""
        self.turn(fact.ts_ns)
        key = (fact.strategy_id, fact.symbol)
        before = self.positions.get(key) or Position(*key)
        after, gained = _traded(before, sign(fact.side) * fact.qty, fact.price * fact.rate)
        if fact.base_fee:  # it leaves the position for nothing: what it had cost is lost
            after, lost = _traded(after, -fact.base_fee, ZERO)
            gained += lost
        realized = gained - fact.quote_fee * fact.rate
        self.positions[key] = after
        if not after.qty:
            del self.positions[key]
        self._by_symbol[fact.symbol] = self._by_symbol.get(fact.symbol, ZERO) + after.qty - before.qty
        self.realized += realized
        self.today[fact.strategy_id] = self.today.get(fact.strategy_id, ZERO) + realized
        self.peak = max(self.peak, self.realized)
        return realized

    def qty(self, symbol: str, strategy_id: str | None = None) -> Decimal:
        """Return the signed position in base units, of all strategies or of one."""
        if strategy_id is None:
            return self._by_symbol.get(symbol, ZERO)
        one = self.positions.get((strategy_id, symbol))
        return one.qty if one is not None else ZERO

    def realized_today(self, strategy_id: str | None = None) -> Decimal:
        """Return today's realised profit (negative: loss), of all strategies or of one."""
        return sum(self.today.values(), ZERO) if strategy_id is None else self.today.get(strategy_id, ZERO)

    def unrealized(self, values: Mapping[str, Decimal], strategy_id: str | None = None) -> Decimal:
        """Return the profit that closing at ``values`` would realise: price times rate, by symbol.

        A symbol without a value counts at its cost.
        """
        total = ZERO
        for one in self.positions.values():
            value = values.get(one.symbol)
            if value is not None and strategy_id in (None, one.strategy_id):
                total += one.qty * value - one.cost
        return total

    def mark(self, values: Mapping[str, Decimal]) -> Decimal:
        """Raise the peak to the equity at these values if it is higher; returns the drawdown from the peak."""
        equity = self.realized + self.unrealized(values)
        self.peak = max(self.peak, equity)
        return self.peak - equity

    def reset_peak(self, values: Mapping[str, Decimal]) -> None:
        """Measure the drawdown anew from the equity at these values."""
        self.peak = self.realized + self.unrealized(values)


def _traded(before: Position, change: Decimal, price: Decimal) -> tuple[Position, Decimal]:
    """Add a signed quantity at a price; returns the position after it and what was realised."""
    qty, cost = before.qty, before.cost
    if not qty or (qty > 0) == (change > 0):
        return msgspec.structs.replace(before, qty=qty + change, cost=cost + change * price), ZERO
    closed = min(abs(change), abs(qty))
    signed = closed if qty > 0 else -closed
    part = cost if closed == abs(qty) else cost * closed / abs(qty)
    gained = signed * price - part
    rest = change + signed  # beyond flat: a position the other way
    left = msgspec.structs.replace(before, qty=qty - signed + rest, cost=cost - part + rest * price)
    return left, gained
