"""The door for signals: one id is one order, every refusal is a value with a code."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec
import structlog
import trio

from engine.errors import VenueError
from engine.journal.reader import JournalReader
from engine.market.book import Book
from engine.orders.brackets import Bracket
from engine.orders.replay import Opened, Refused
from engine.orders.signal import Signal
from engine.risk.checks import check_instrument
from engine.risk.denials import Denial
from engine.runtime.denying import deny_signal
from engine.runtime.services import Services
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Qty

log = structlog.get_logger()


class Submitted(msgspec.Struct, frozen=True):
    """What became of a submitted signal; durable when it is returned.

    ``repeat``: the same signal came before, nothing new was started. ``denied``: ``code`` and ``reason`` say why.
    """

    signal_id: str
    status: Literal["accepted", "repeat", "denied"]
    code: str = ""
    reason: str = ""


class Intake:
    """Judges signals. ``start`` opens a bracket's scope; it is called in the same tick as the signal's row."""

    def __init__(self, services: Services, start: Callable[[Bracket, int], object]) -> None:
        self._services, self._start = services, start
        self._judging: dict[str, trio.Event] = {}  # same id twice at once: the second waits for the first
        self.closed = False

    async def submit(self, signal: Signal) -> Submitted:
        """Judge a signal and return once its row is synced. Cancelled before that, it may or may not have started."""
        instrument = self._services.link.instrument(signal.symbol)
        if instrument is not None:  # whatever spelling came, one market has one name from here on
            signal = msgspec.structs.replace(signal, symbol=instrument.symbol)
        while signal.signal_id in self._judging:
            await self._judging[signal.signal_id].wait()
        done = self._judging[signal.signal_id] = trio.Event()
        try:
            known = known_signal(self._services.journal, signal.signal_id)
            result = await self._judge(signal, instrument) if known is None else self._known(signal, known)
        finally:
            del self._judging[signal.signal_id]
            done.set()
        await self._services.journal.sync()
        return result

    def _known(self, signal: Signal, known: Opened | Refused) -> Submitted:
        if _same(known.signal, signal):
            if isinstance(known, Refused):
                return Submitted(signal.signal_id, "denied", known.code, known.reason)
            return Submitted(signal.signal_id, "repeat")
        denial = Denial("SIGNAL_CONFLICT", f"signal_id {signal.signal_id} came before with other content")
        return self._deny(signal, denial, known=True)

    async def _judge(self, signal: Signal, instrument: Instrument | None) -> Submitted:
        services = self._services
        denial = self._early(signal, instrument)
        if denial is not None or instrument is None:
            return self._deny(signal, denial or Denial("SYMBOL_UNKNOWN", signal.symbol))
        with trio.move_on_after(services.settings.book_wait_s):  # what is not known by then is a denial
            if signal.margin:
                await services.margin.wait_known()
            elif services.risk.limits.check_balance and not services.balance_desk.told:
                await services.balance_desk.wait_told()
        try:
            with trio.fail_after(services.settings.book_wait_s):
                async with services.link.watch(instrument.symbol, f"signal/{signal.signal_id}") as book:
                    return self._decide(signal, instrument, book)
        except (trio.TooSlowError, VenueError) as error:
            return self._deny(signal, Denial("BOOK_NOT_FRESH", f"no verified book of {signal.symbol}: {error}"))

    def _early(self, signal: Signal, instrument: Instrument | None) -> Denial | None:
        if self.closed:
            return Denial("ENGINE_CLOSING", "the engine is shutting down")
        return self._services.risk.early(signal) or self._doubt(signal) or check_instrument(signal, instrument)

    def _doubt(self, signal: Signal) -> Denial | None:
        """While an order may be live unseen, its symbol takes no new risk."""
        if self._services.desk.doubtful(signal.symbol):
            return Denial("SYMBOL_IN_DOUBT", f"an order on {signal.symbol} has an unknown outcome")
        return None

    def _decide(self, signal: Signal, instrument: Instrument, book: Book) -> Submitted:
        services = self._services
        listed = services.link.instrument(signal.symbol)
        if signal.cash_order_qty is not None:
            signal = msgspec.structs.replace(signal, order_qty=bought_by(signal.cash_order_qty, instrument, book))
        denial = self._early(signal, listed) or services.risk.entry(signal, listed, book)
        if denial is not None:
            return self._deny(signal, denial)
        opened = Opened(signal, instrument, book.best("buy"), book.best("sell"))
        row = services.journal.append("signal", opened, ts_ns=services.clock.now_ns(), signal_id=signal.signal_id)
        self._start(Bracket(signal, instrument, services.settings.policy), row)
        return Submitted(signal.signal_id, "accepted")

    def _deny(self, signal: Signal, denial: Denial, *, known: bool = False) -> Submitted:
        services = self._services
        if known:
            log.warning("signal.conflict", signal_id=signal.signal_id, reason=denial.reason)
            refused = Refused(signal, denial.code, denial.reason)
            services.journal.append("conflict", refused, ts_ns=services.clock.now_ns(), signal_id=signal.signal_id)
        else:
            deny_signal(services.journal, services.bus, services.clock, signal, denial)
        return Submitted(signal.signal_id, "denied", denial.code, denial.reason)


def bought_by(cash: Decimal, instrument: Instrument, book: Book) -> Qty:
    """Return the whole lots that ``cash`` quote units buy from the book as it stands; fees come on top.

    Sized here and not by Kraken's ``cash_order_qty``: an order whose outcome is unknown must have a known quantity, or
    nobody could say what may live.
    """
    left, bought = cash, ZERO
    for price, qty in book.levels("sell"):
        part = min(qty, left / price)
        bought, left = bought + part, left - part * price
        if left <= 0:
            break
    return instrument.lots(bought)


def _same(known: Signal, signal: Signal) -> bool:
    """Tell whether a line repeats a signal; what a quote quantity came to is ours, not the line's."""
    if signal.cash_order_qty is not None:
        known = msgspec.structs.replace(known, order_qty=signal.order_qty)
    return known == signal


def known_signal(journal: JournalReader, signal_id: str) -> Opened | Refused | None:
    """Return what the journal holds of a signal id, None when it never came."""
    for row in journal.rows(signal_id=signal_id):
        if row.kind == "signal":
            return row.decode(Opened)
        if row.kind == "denied":
            return row.decode(Refused)
    return None
