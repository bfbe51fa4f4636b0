"""Positions and profit of all our fills, by strategy and symbol, at average cost. Pure: a fold in journal order.

A position is the net of our own fills after fees taken in base, never the account's balance. Amounts stay in the
market's quote currency, as the venue books them, and no digit is lost: at any time, for each market, realised profit
less the cost of what is held equals the money that has moved. Rates turn them into the accounting currency when asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import msgspec

from engine.accounts.charges import UNATTRIBUTED, Charge, ChargeBooks, Charges, Lot
from engine.accounts.exact import exactly, part_of
from engine.accounts.results import Result
from engine.orders.reports import Fee
from engine.values.money import ZERO, Side, sign

DAY_NS = 86_400 * 1_000_000_000

Rates = Mapping[str, Decimal]
"""Units of the accounting currency for one unit of an asset. What has no rate is left out of sums, never guessed."""


Key = tuple[str, str, bool]
"""Strategy, market, and whether on margin."""


class Fact(msgspec.Struct, frozen=True):
    """One fill as the ledger sees it: ``qty`` base units, ``cost`` quote units as the venue has rounded them.

    On ``margin`` neither moves a balance: the profit does, once the position is closed. There the venue's later entries
    name ``exec_id``, which it made at ``traded_ns`` (its time).
    """

    strategy_id: str
    symbol: str
    base: str
    quote: str
    side: Side
    qty: Decimal
    cost: Decimal
    ts_ns: int
    fees: tuple[Fee, ...] = ()
    margin: bool = False
    signal_id: str = ""
    exec_id: str = ""
    traded_ns: int = 0


class Position(msgspec.Struct, frozen=True):
    """``qty`` signed base units, ``cost`` the quote units they cost (negative for a short: what they brought).

    What a strategy holds on ``margin`` is a position of its own: a spot sell does not close it.
    """

    strategy_id: str
    symbol: str
    base: str = ""
    quote: str = ""
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    margin: bool = False

    @property
    def key(self) -> Key:
        """Strategy, market and kind."""
        return self.strategy_id, self.symbol, self.margin

    @property
    def avg_px(self) -> Decimal:
        """Average cost of one unit, not rounded; zero for no position."""
        return self.cost / self.qty if self.qty else ZERO


class Books(msgspec.Struct, frozen=True):
    """Everything the ledger knows, for the journal: a replay begins here.

    ``ended`` are the results of days that have ended since the books before these: each day stands in one books.
    ``peak`` is the highest equity since the last reset, in the accounting currency; equity is counted from zero at the
    journal's first fill.
    """

    day: int
    peak: Decimal
    positions: tuple[Position, ...]
    results: tuple[Result, ...]
    today: tuple[Result, ...]
    ended: tuple[Result, ...] = ()
    charges: ChargeBooks = ChargeBooks()


EMPTY_BOOKS = Books(0, ZERO, (), (), ())


class Ledger:
    """The one mutable record of positions and profit. Feed it every fill once, in journal order.

    ``positions`` are those that are not flat; ``results`` count from the first fill on, ``today`` from midnight UTC;
    ``ended`` are the days since the last ``forget_days``.
    """

    def __init__(self, books: Books = EMPTY_BOOKS) -> None:
        self.day, self.peak = books.day, books.peak
        self.positions = {one.key: one for one in books.positions}
        self.results = {one.key: one.copy() for one in books.results}
        self.today = {one.key: one.copy() for one in books.today}
        self.ended: list[Result] = []
        self.charges = Charges(books.charges)
        self._by_market: dict[tuple[str, bool], Decimal] = {}
        for one in books.positions:
            self._by_market[one.symbol, one.margin] = self.qty(one.symbol, margin=one.margin) + one.qty

    def books(self) -> Books:
        """Copy everything, for the journal."""
        return Books(
            self.day,
            self.peak,
            tuple(self.positions.values()),
            tuple(one.copy() for one in self.results.values()),
            tuple(one.copy() for one in self.today.values()),
            tuple(self.ended),
            self.charges.books(),
        )

    def forget_days(self) -> None:
        """Drop the days that have ended: they are in the journal."""
        self.ended = []

    def turn(self, now_ns: int) -> bool:
        """Begin a new UTC day if one has come; returns whether it has."""
        day = now_ns // DAY_NS
        if day <= self.day:  # a clock that steps back does not bring yesterday back
            return False
        self.ended += self.today.values()
        self.day, self.today = day, {}
        return True

    def book(self, fact: Fact) -> Decimal:
        """Book one fill and return what it realised in quote units, after fees in quote and in base."""
        self.turn(fact.ts_ns)
        key = (fact.strategy_id, fact.symbol, fact.margin)
        before = self.positions.get(key) or Position(*key[:2], fact.base, fact.quote, margin=fact.margin)
        with exactly():
            after, realized = _traded(before, sign(fact.side) * fact.qty, fact.cost)
            for fee in fact.fees:
                if fee.asset == fact.base:  # it leaves the position for nothing: what it had cost is lost
                    after, lost = _traded(after, -fee.qty, ZERO)
                    realized += lost
                elif fee.asset == fact.quote:
                    realized -= fee.qty
            held = self.qty(fact.symbol, margin=fact.margin)
            self._by_market[fact.symbol, fact.margin] = held + after.qty - before.qty
            fees = [(fee.asset, fee.qty) for fee in fact.fees]
            for result in self._results(key, fact.base, fact.quote):
                result.add(realized, fees)
        self.positions[key] = after
        if not after.qty:
            del self.positions[key]
        if fact.margin and fact.exec_id:
            lot = Lot(fact.signal_id, fact.strategy_id, fact.symbol, fact.base, fact.quote, fact.fees)
            self.charges.note(fact.exec_id, lot, fact.traded_ns)
        return realized

    def charge(self, charge: Charge) -> None:
        """Book what margin took beside the fees of its fills: a loss of the lot's strategy in its market, at once."""
        self.turn(charge.ts_ns)
        self.charges.take(charge)
        lot = charge.lot
        if not charge.qty:
            return
        with exactly():
            for result in self._results((lot.strategy_id, lot.symbol, True), lot.base, lot.quote):
                result.charge(charge.movement.asset, charge.qty)

    def _results(self, key: Key, base: str, quote: str) -> Iterator[Result]:
        """Yield the results of all time and of today."""
        for results, day in ((self.results, 0), (self.today, self.day)):
            if key not in results:
                results[key] = Result(*key[:2], base, quote, day, ZERO, {}, margin=key[2])
            yield results[key]

    # --- in the markets' currencies ---------------------------------------------------------------------------------

    def qty(self, symbol: str, strategy_id: str | None = None, *, margin: bool = False) -> Decimal:
        """Return the signed position in base units, in coins or on margin, of all strategies or of one."""
        if strategy_id is None:
            return self._by_market.get((symbol, margin), ZERO)
        one = self.positions.get((strategy_id, symbol, margin))
        return one.qty if one is not None else ZERO

    def on_margin(self) -> dict[str, Decimal]:
        """Return what is held on margin by symbol, in signed base units."""
        return {symbol: qty for (symbol, margin), qty in self._by_market.items() if margin and qty}

    def strategies(self) -> list[str]:
        """Return every strategy that holds something or has traded today."""
        names = dict.fromkeys(name for name, _, _ in (*self.positions, *self.today))
        return [name for name in names if name != UNATTRIBUTED]

    def fee_assets(self) -> set[str]:
        """Return the assets in which fees were ever taken that no market of ours has as its quote."""
        apart = {asset for one in self.results.values() for asset in one.apart}
        return apart | {one.quote for one in self.results.values() if one.symbol == UNATTRIBUTED}

    # --- in the accounting currency ---------------------------------------------------------------------------------

    def realized(self, rates: Rates) -> Decimal:
        """Return all realised profit; a fee in a third asset is a loss at its present rate."""
        return _worth(self.results.values(), rates)

    def realized_today(self, rates: Rates, strategy_id: str | None = None) -> Decimal:
        """Return today's realised profit (negative: loss), of all strategies or of one."""
        return _worth((one for one in self.today.values() if strategy_id in (None, one.strategy_id)), rates)

    def unrealized(self, values: Mapping[str, Decimal], rates: Rates, strategy_id: str | None = None) -> Decimal:
        """Return the profit that closing at ``values`` (currency for one base unit, by symbol) would realise.

        A symbol without a value counts at its cost.
        """
        total = ZERO
        for one in self.positions.values():
            value, rate = values.get(one.symbol), rates.get(one.quote)
            if value is not None and rate is not None and strategy_id in (None, one.strategy_id):
                total += one.qty * value - one.cost * rate
        return total

    def raise_peak(self, rates: Rates) -> None:
        """Raise the peak to the realised profit if that is higher: all that a replay can know of equity."""
        self.peak = max(self.peak, self.realized(rates))

    def mark(self, values: Mapping[str, Decimal], rates: Rates) -> Decimal:
        """Raise the peak to the equity at these values if it is higher; returns the drawdown from the peak."""
        equity = self.realized(rates) + self.unrealized(values, rates)
        self.peak = max(self.peak, equity)
        return self.peak - equity

    def reset_peak(self, values: Mapping[str, Decimal], rates: Rates) -> None:
        """Measure the drawdown anew from the equity at these values."""
        self.peak = self.realized(rates) + self.unrealized(values, rates)


def _worth(results: Iterable[Result], rates: Rates) -> Decimal:
    total = ZERO
    for one in results:
        total += one.realized * rates.get(one.quote, ZERO)
        if len(one.fees) > (one.quote in one.fees):
            total -= sum((qty * rates.get(asset, ZERO) for asset, qty in one.apart.items()), ZERO)
    return total


def _traded(before: Position, change: Decimal, cost: Decimal) -> tuple[Position, Decimal]:
    """Add a signed quantity that cost (or brought) this much; returns the position after it and what was realised."""
    qty, held_cost = before.qty, before.cost
    if not change:
        return before, ZERO
    if not qty or (qty > 0) == (change > 0):
        paid = cost if change > 0 else -cost
        return msgspec.structs.replace(before, qty=qty + change, cost=held_cost + paid), ZERO
    closed = min(abs(change), abs(qty))
    got = part_of(cost, closed, abs(change))  # the rest of the fill opens a position the other way
    gave = part_of(held_cost, closed, abs(qty))
    gained = got - gave if qty > 0 else -got - gave
    rest = cost - got
    left = held_cost - gave + (rest if change > 0 else -rest)
    return msgspec.structs.replace(before, qty=qty + change, cost=left), gained
