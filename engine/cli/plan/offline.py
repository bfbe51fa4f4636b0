"""A plan without an engine: public market data, the settings' limits, and what the journal says is held."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import trio

from engine.accounts.ledger import Ledger
from engine.cli.silent_sink import SilentSink
from engine.errors import VenueRefused
from engine.journal.opening import read_journal
from engine.kraken.market_venue import open_market
from engine.market.book import Book
from engine.net.wire import TcpWire
from engine.orders.signal import Signal
from engine.risk.limits import Limits
from engine.risk.measures import Measure, measure_limits, measure_shape
from engine.risk.preview import Preview, Terms, preview
from engine.risk.situation import Situation, Standing
from engine.runtime.intake import bought_by
from engine.runtime.ledger_rows import read_ledger
from engine.runtime.opening import JOURNAL_FILE
from engine.runtime.situations import candidate_of
from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.values.instrument import Instrument

BOOK_BOUND_S = 10.0
UNTOLD = {"BALANCE_UNKNOWN", "MARGIN_UNKNOWN"}
"""What only an engine with the account's streams can judge."""
OF_TODAY = {
    *("realised loss today", "loss today", "realised loss of the strategy", "loss of the strategy", "drawdown"),
}
"""Checks whose numbers an engine keeps."""
NOTES = (
    "no engine runs: judged by public market data and the settings, as a start without anything in flight would",
    "balance, margin, halt, throttle, breaker and today's losses are not judged here",
)


async def plan_offline(signal: Signal, address: str, limits: Limits, directory: Path, terms: Terms) -> Preview:
    """Judge a signal by the public stream at ``address``. Raises ConfigError, JournalError and the venue's errors."""
    clock, chance = SystemClock(), SystemChance()
    async with open_market(address, SilentSink(), wire=TcpWire(), clock=clock, chance=chance, book_depth=100) as link:
        instrument = link.instrument(signal.symbol)
        if instrument is None:
            return _judged(signal, None, None, limits, Ledger(), terms)
        signal = msgspec.structs.replace(signal, symbol=instrument.symbol)
        ledger = _ledger(directory)
        try:
            with trio.fail_after(BOOK_BOUND_S):
                async with link.watch(instrument.symbol, "plan") as book:
                    return _judged(signal, instrument, book, limits, ledger, terms)
        except (trio.TooSlowError, VenueRefused):
            return _judged(signal, instrument, None, limits, ledger, terms)


def _ledger(directory: Path) -> Ledger:
    path = directory / JOURNAL_FILE
    if not path.exists():
        return Ledger()
    with read_journal(path) as journal:
        return read_ledger(journal, {})[0]


def _judged(
    signal: Signal, instrument: Instrument | None, book: Book | None, limits: Limits, ledger: Ledger, terms: Terms
) -> Preview:
    now_ns = SystemClock().now_ns()
    if signal.cash_order_qty is not None and instrument is not None and book is not None:
        signal = msgspec.structs.replace(signal, order_qty=bought_by(signal.cash_order_qty, instrument, book))
    checks = measure_shape(signal, instrument, book, now_ns)
    if instrument is not None and book is not None and all(one.passed for one in checks):
        order = candidate_of(signal, instrument, book, signal.created_ns or now_ns)
        rate = limits.rate(instrument)
        value = None if rate is None else order.price * rate
        whole, own = (_standing(ledger, signal.symbol, name, value) for name in (None, signal.strategy_id))
        now = Situation(
            now_ns=now_ns,
            instrument=instrument,
            book=book,
            rate=rate,
            standings={signal.symbol: whole},
            own={signal.symbol: own},
        )
        checks += [_untold(one) for one in measure_limits(order, now, limits)]
    return preview(signal, instrument, book, tuple(checks), terms, NOTES)


def _standing(ledger: Ledger, symbol: str, strategy_id: str | None, value: Decimal | None) -> Standing:
    held, lent = ledger.qty(symbol, strategy_id), ledger.qty(symbol, strategy_id, margin=True)
    return Standing(position=held, value=value, lent=lent)


def _untold(one: Measure) -> Measure:
    """Take back a verdict that rests on nothing but our not having asked."""
    if one.code not in UNTOLD and one.name not in OF_TODAY:
        return one
    return msgspec.structs.replace(one, passed=None, code="", reason="not judged without an engine", observed=None)
