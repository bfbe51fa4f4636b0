"""Positions, profit and what they are worth now: the ledger over this journal's fills, and the losses that halt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from engine.accounts.charges import Charge
from engine.accounts.ledger import Fact
from engine.journal.journal import Journal
from engine.orders.reports import Fill
from engine.orders.signal import Signal
from engine.risk.limits import ONE, Limits
from engine.risk.trading_state import EVERY_STRATEGY
from engine.runtime.ledger_rows import CHARGE_ROW, LEDGER_ROW, fact_of, read_ledger
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Price, Side, other_side, trimmed
from engine.venue.protocol import VenueLink

SNAPSHOT_FILLS: Final = 1000
"""After so many fills and charges the ledger is journalled: a start folds no more, in about a tenth of a second."""
PEAK_STEP: Final = Decimal("0.05")
"""A peak is journalled when it has risen by this share of the drawdown's limit: rows stay few, a kill loses little."""


class Breach(msgspec.Struct, frozen=True):
    """A loss that has reached its limit. ``strategy_id`` is empty for the account."""

    code: str
    reason: str
    strategy_id: str = EVERY_STRATEGY


class Losses(msgspec.Struct, frozen=True):
    """In the accounting currency; a loss is positive, a profit negative. ``total`` includes what is not realised."""

    realized: Decimal
    total: Decimal


class Mark(msgspec.Struct, frozen=True):
    """What a position would be closed at: the executable side of a usable book, at our time ``ts_ns``."""

    price: Price
    ts_ns: int


def _nobody(fact: Fact, fill: Fill, realized: Decimal) -> None:
    """Stand in until somebody listens."""


class AccountDesk:
    """Books every fill once and values positions by the books of their markets.

    A market whose book is away keeps its last value; one that was never seen counts at its cost. ``on_fact`` is called
    with each fill once it is booked, and what it realised in quote units.
    """

    def __init__(self, limits: Limits, journal: Journal, link: VenueLink, clock: Clock) -> None:
        self._limits, self._journal, self._link, self._clock = limits, journal, link, clock
        self.values: dict[str, Decimal] = {}
        """Accounting currency for one base unit, by symbol."""
        self.marks: dict[str, Mark] = {}
        self.rates: dict[str, Decimal] = {**limits.rates, limits.currency: ONE}
        """Accounting currency for one unit of an asset: as the limits say, else by the book of that asset."""
        self.ledger, self._fresh = read_ledger(journal, self.rates)
        self.on_fact: Callable[[Fact, Fill, Decimal], object] = _nobody
        self._unbooked = 0
        self._due = False
        self._told_peak, self._told_day = self.ledger.peak, self.ledger.day

    def hold_to(self, limits: Limits) -> None:
        """Take other limits, with their rates. The currency in which things are added up stays."""
        for asset in self._limits.rates.keys() - limits.rates.keys():
            self.rates.pop(asset, None)
        self.rates.update({**limits.rates, limits.currency: ONE})
        self._limits = limits

    def journalled(self) -> None:
        """Learn that a fill's row was appended; its bracket books it when it has looked at it."""
        self._unbooked += 1

    def book(self, signal: Signal, instrument: Instrument, side: Side, fill: Fill, ts_ns: int) -> None:
        """Book one fill; its row is in the journal already. It moves no position where its coins were there before."""
        self._unbooked -= 1
        self._fresh += 1
        fact = fact_of(signal, instrument, side, fill, ts_ns)
        realized = self.ledger.book(fact) if signal.entered else ZERO
        self.ledger.raise_peak(self.rates)
        self.on_fact(fact, fill, realized)

    def charge(self, charge: Charge) -> None:
        """Journal and book what margin took beside the fees of its fills."""
        self._journal.append(CHARGE_ROW, charge, ts_ns=charge.ts_ns, signal_id=charge.lot.signal_id)
        self._fresh += 1
        self.ledger.charge(charge)
        self.ledger.raise_peak(self.rates)

    def look(self, others: list[str]) -> None:
        """Value every market with a position, and these others, by what it would pay now."""
        for symbol in {one.symbol: None for one in self.ledger.positions.values()} | dict.fromkeys(others):
            book, instrument = self._link.book(symbol), self._link.instrument(symbol)
            if book is None or not book.usable or instrument is None:
                continue
            held = self.ledger.qty(symbol) + self.ledger.qty(symbol, margin=True)
            side: Side = "buy" if held >= 0 else "sell"  # a long is sold into bids
            price, rate = book.best(side) or book.best(other_side(side)), self._limits.rate(instrument)
            if price is not None:
                self.marks[symbol] = Mark(price, self._clock.now_ns())
            if price is not None and rate is not None:
                self.values[symbol] = price * rate
        for asset in self.ledger.fee_assets() - {self._limits.currency, *self._limits.rates}:
            rate = self.worth(asset, self._limits.currency)
            if rate is not None:
                self.rates[asset] = rate

    def held(self) -> set[str]:
        """Return the markets in which anybody holds a position."""
        return {one.symbol for one in self.ledger.positions.values() if one.qty}

    def worth(self, asset: str, currency: str) -> Decimal | None:
        """Return what one unit of an asset brings on its own market now, None when no usable book says so."""
        if asset == currency:
            return ONE
        book = self._link.book(f"{asset}/{currency}")
        return book.best("buy") if book is not None and book.usable else None

    def losses(self, strategy_id: str | None = None) -> Losses:
        """Return today's losses, of the account or of one strategy."""
        realized = self.realized_today(strategy_id)
        return Losses(-realized, -(realized + self.unrealized(strategy_id)))

    def realized_today(self, strategy_id: str | None = None) -> Decimal:
        """Return today's realised profit in the accounting currency, of all strategies or of one."""
        return self.ledger.realized_today(self.rates, strategy_id)

    def unrealized(self, strategy_id: str | None = None) -> Decimal:
        """Return what closing everything at its last value would realise, in the accounting currency."""
        return self.ledger.unrealized(self.values, self.rates, strategy_id)

    def drawdown(self) -> Decimal:
        """Return how far equity lies below its highest."""
        return self.ledger.mark(self.values, self.rates)

    def reset_peak(self) -> None:
        """Measure the drawdown anew from now: a person has seen it."""
        self.ledger.reset_peak(self.values, self.rates)
        self._due = True
        self._keep()

    def breaches(self) -> list[Breach]:
        """Return every loss that has reached its limit now; begins a new day where one has come."""
        self.ledger.turn(self._clock.now_ns())
        self.look([])
        drawdown = self.drawdown()
        self._keep()
        if not self._limits.judges_losses:
            return []
        limits, found = self._limits, list(self._of(self.losses(), EVERY_STRATEGY))
        if limits.drawdown_most is not None and drawdown >= limits.drawdown_most:
            found.append(Breach("DRAWDOWN", self._said("drawdown", drawdown, limits.drawdown_most)))
        for strategy_id in self.ledger.strategies():
            found += self._of(self.losses(strategy_id), strategy_id)
        return found

    def _of(self, losses: Losses, strategy_id: str) -> Iterator[Breach]:
        own = self._limits.of_strategy(strategy_id) if strategy_id else self._limits
        prefix = "STRATEGY" if strategy_id else "DAILY"
        for code, what, loss, most in (
            ("REALIZED_LOSS", "realised loss today", losses.realized, own.daily_realized_loss_most),
            ("LOSS", "loss today, unrealised included", losses.total, own.daily_loss_most),
        ):
            if most is not None and loss >= most:
                yield Breach(f"{prefix}_{code}", self._said(what, loss, most), strategy_id)

    def _said(self, what: str, loss: Decimal, most: Decimal) -> str:
        return f"{what} {trimmed(loss)} {self._limits.currency}, the limit is {trimmed(most)}"

    def _keep(self) -> None:
        """Journal the ledger on a new day, when the peak has risen, and when many fills have come.

        Only while every fill in the journal is booked: a replay begins behind the row, and would miss the others.
        """
        ledger, most = self.ledger, self._limits.drawdown_most
        self._due |= most is not None and ledger.peak - self._told_peak >= most * PEAK_STEP
        self._due |= self._fresh >= SNAPSHOT_FILLS or (ledger.day != self._told_day and self._told_day != 0)
        self._told_day = ledger.day
        if not self._due or self._unbooked > 0:
            return
        books = ledger.books()
        self._journal.append(LEDGER_ROW, books, ts_ns=self._clock.now_ns())
        ledger.forget_days()
        self._told_peak, self._due, self._fresh = books.peak, False, 0
