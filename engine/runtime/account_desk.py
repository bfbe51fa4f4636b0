"""Positions, profit and what they are worth now: the ledger over this journal's fills, and the losses that halt."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from engine.accounts.ledger import EMPTY_BOOKS, Books, Fact, Ledger
from engine.journal.journal import Journal
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent, Opened
from engine.orders.reports import Fill
from engine.orders.signal import Signal
from engine.risk.limits import ONE, Limits
from engine.risk.trading_state import EVERY_STRATEGY
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Side, other_side, trimmed
from engine.venue.protocol import VenueLink

BOOKS_ROW: Final = "books"
"""The journal's kind for Books: from the last one on, fills are folded anew at a start."""
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


class AccountDesk:
    """Books every fill once and values positions by the books of their markets.

    A market whose book is away keeps its last value; one that was never seen counts at its cost.
    """

    def __init__(self, limits: Limits, journal: Journal, link: VenueLink, clock: Clock) -> None:
        self._limits, self._journal, self._link, self._clock = limits, journal, link, clock
        self.values: dict[str, Decimal] = {}
        """Accounting currency for one base unit, by symbol."""
        self.ledger = _read_ledger(journal, limits)
        self._told_peak, self._told_day = self.ledger.peak, self.ledger.day

    def book(self, signal: Signal, instrument: Instrument, side: Side, fill: Fill, ts_ns: int) -> None:
        """Book one fill; its row is in the journal already."""
        self.ledger.book(_fact(signal, instrument, side, fill, ts_ns, self._limits))

    def look(self, others: list[str]) -> None:
        """Value every market with a position, and these others, by what it would pay now."""
        for symbol in {one.symbol: None for one in self.ledger.positions.values()} | dict.fromkeys(others):
            book, instrument = self._link.book(symbol), self._link.instrument(symbol)
            if book is None or not book.usable or instrument is None:
                continue
            side: Side = "buy" if self.ledger.qty(symbol) >= 0 else "sell"  # a long is sold into bids
            price, rate = book.best(side) or book.best(other_side(side)), self._limits.rate(instrument)
            if price is not None and rate is not None:
                self.values[symbol] = price * rate

    def losses(self, strategy_id: str | None = None) -> Losses:
        """Return today's losses, of the account or of one strategy."""
        realized = self.ledger.realized_today(strategy_id)
        return Losses(-realized, -(realized + self.ledger.unrealized(self.values, strategy_id)))

    def drawdown(self) -> Decimal:
        """Return how far equity lies below its highest."""
        return self.ledger.mark(self.values)

    def reset_peak(self) -> None:
        """Measure the drawdown anew from now: a person has seen it."""
        self.ledger.reset_peak(self.values)
        self._write()

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
        strategies = {one.strategy_id: None for one in self.ledger.positions.values()} | dict.fromkeys(
            self.ledger.today
        )
        for strategy_id in strategies:
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
        """Journal the books on a new day, and when the peak has risen: no start folds more than a day."""
        ledger, most = self.ledger, self._limits.drawdown_most
        risen = most is not None and ledger.peak - self._told_peak >= most * PEAK_STEP
        new_day = ledger.day != self._told_day and self._told_day != 0
        if risen or new_day:
            self._write()
        self._told_day = ledger.day

    def _write(self) -> None:
        books = self.ledger.books()
        self._journal.append(BOOKS_ROW, books, ts_ns=self._clock.now_ns())
        self._told_peak, self._told_day = books.peak, books.day


def _read_ledger(journal: Journal, limits: Limits) -> Ledger:
    """Fold every fill of the journal behind the last books in it."""
    books, after = EMPTY_BOOKS, 0
    for row in journal.rows(kind=BOOKS_ROW):
        books, after = row.decode(Books), row.seq
    ledger = Ledger(books)
    opened: dict[str, Opened] = {}
    sides: dict[str, Side] = {}
    for row in journal.rows(after=after, kind="order"):
        event = row.decode(OrderEvent)
        if event.fill is None:
            continue
        if row.signal_id not in opened:
            first = next(journal.rows(signal_id=row.signal_id, kind="signal"))
            opened[row.signal_id] = first.decode(Opened)
        if row.cl_ord_id not in sides:
            intent = next(journal.rows(cl_ord_id=row.cl_ord_id, kind="intent"))
            sides[row.cl_ord_id] = intent.decode(Intent).spec.side
        one = opened[row.signal_id]
        ledger.book(_fact(one.signal, one.instrument, sides[row.cl_ord_id], event.fill, event.ts_ns, limits))
    return ledger


def _fact(signal: Signal, instrument: Instrument, side: Side, fill: Fill, ts_ns: int, limits: Limits) -> Fact:
    paid = {fee.asset: fee.qty for fee in fill.fees}
    return Fact(
        strategy_id=signal.strategy_id,
        symbol=instrument.symbol,
        side=side,
        qty=fill.last_qty,
        price=fill.last_px,
        base_fee=paid.get(instrument.base, ZERO),
        quote_fee=paid.get(instrument.quote, ZERO),
        ts_ns=ts_ns,
        rate=limits.rate(instrument) or ONE,
    )
