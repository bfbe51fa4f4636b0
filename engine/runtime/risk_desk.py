"""The one path before the wire: every entry and every exit is judged here, by what stands at that moment.

What the checks see is kept by Situations; positions and profit are the account desk's. Entries are judged three times
by the same checks: when their signal comes, when an attempt is decided, and when the limiter has let it go; the last
look counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
import structlog

from engine.journal.journal import Journal
from engine.market.book import Book
from engine.orders.brackets import Bracket
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request
from engine.orders.events import OrderEvent
from engine.orders.signal import Signal
from engine.orders.view import OrderView
from engine.risk.checks import check_entry, check_instrument, check_validity
from engine.risk.denials import Denial
from engine.risk.entry_quantity import check_entry_quantity
from engine.risk.exit_checks import check_exit
from engine.risk.limit_checks import breaches, check_limits
from engine.risk.limits import Limits
from engine.risk.measures import Measure, measure_limits, measure_shape, measure_state
from engine.risk.situation import Candidate, Standing
from engine.risk.throttle import ThrottleEvent
from engine.runtime.account_desk import AccountDesk
from engine.runtime.entry_gate import EntryGate
from engine.runtime.margin_desk import MarginDesk
from engine.runtime.situations import Situations
from engine.runtime.throttle_desk import ThrottleDesk
from engine.runtime.trading_desk import TradingDesk
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Qty, other_side
from engine.values.time import rfc3339
from engine.venue.protocol import Balance, VenueLink

log = structlog.get_logger()


class RiskView(msgspec.Struct, frozen=True):
    """What the limits are measured by now. Money in ``currency``; losses are positive."""

    currency: str
    exposure: Decimal
    orders: int
    realized_today: Decimal
    unrealized: Decimal
    drawdown: Decimal
    throttled: tuple[ThrottleEvent, ...]


class RiskDesk:
    """Judges every request. Nothing here blocks; it is asked in the tick in which a request would go."""

    def __init__(
        self,
        limits: Limits,
        journal: Journal,
        link: VenueLink,
        clock: Clock,
        gate: EntryGate,
        trading: TradingDesk,
        accounts: AccountDesk,
        balances: Mapping[str, Balance],
        margin: MarginDesk,
    ) -> None:
        self._margin = margin
        self._limits, self._link, self._clock = limits, link, clock
        self._gate, self._trading, self._accounts = gate, trading, accounts
        self._situations = Situations(limits, link, clock, accounts, balances, margin)
        self._throttle = ThrottleDesk(limits, journal, clock)

    @property
    def limits(self) -> Limits:
        """The limits that stand now."""
        return self._limits

    # --- what it is told --------------------------------------------------------------------------------------------

    def hold_to(self, limits: Limits) -> None:
        """Judge by other limits from now on, the last look at what is on its way included."""
        self._limits = limits
        self._situations.hold_to(limits)
        self._throttle.hold_to(limits)

    def open(self, bracket: Bracket, born_ns: int) -> None:
        """Count a bracket from the tick on in which it is accepted or resumed."""
        self._situations.open(bracket, born_ns)
        self._margin.opened(bracket)

    def moved(self, bracket: Bracket) -> None:
        """Look again at what a bracket may still bring: it has learned or decided something."""
        self._situations.moved(bracket)

    def close(self, bracket: Bracket) -> None:
        """Forget a bracket that has ended; its fills stay in the books."""
        self._situations.close(bracket)
        self._margin.ended(bracket)
        self._throttle.forget(set(bracket.orders))

    def learned(self, bracket: Bracket, view: OrderView, events: Iterable[OrderEvent]) -> None:
        """Book the fills of one order, and look whether the entries have come to more than the signal asked for."""
        for event in events:
            if event.fill is not None:
                self._accounts.book(bracket.signal, bracket.instrument, view.spec.side, event.fill, event.ts_ns)
                if bracket.signal.margin:
                    self._margin.touched()
        if view.role == "entry":
            self._throttle.learned(bracket.signal, view)
            excess = check_entry_quantity(bracket)
            if excess is not None:
                self._trading.halt("ENTRY_OVERFILL", f"signal {bracket.signal.signal_id}: {excess.reason}")

    def rearm(self, strategy_id: str, reason: str) -> bool:
        """Let a strategy that was throttled go on. False when it was not."""
        return self._throttle.rearm(strategy_id, reason)

    def throttled(self) -> tuple[ThrottleEvent, ...]:
        """Return every throttle that has tripped."""
        return self._throttle.tripped()

    def view(self) -> RiskView:
        """Return what the limits are measured by now."""
        accounts, flying = self._accounts, self._situations.in_flight
        accounts.look(flying.symbols())
        symbols = {one.symbol for one in accounts.ledger.positions.values()} | set(flying.symbols())
        standings = (self._situations.standing(one, accounts.values.get(one)) for one in symbols)
        return RiskView(
            currency=self._limits.currency,
            exposure=sum((one.exposure() for one in standings), ZERO),
            orders=flying.orders(),
            realized_today=accounts.realized_today(),
            unrealized=accounts.unrealized(),
            drawdown=accounts.drawdown(),
            throttled=self._throttle.tripped(),
        )

    # --- what it is asked -------------------------------------------------------------------------------------------

    def entry(
        self, signal: Signal, instrument: Instrument | None, book: Book | None, *, fresh: bool = False
    ) -> Denial | None:
        """Judge an entry by every check. ``instrument`` and ``book`` as the venue has them now.

        ``fresh``: a person has decided it now, whenever its signal came.
        """
        denial = self.early(signal) or check_instrument(signal, instrument)
        if denial is not None or instrument is None:
            return denial
        if book is None or not book.usable:
            return Denial("BOOK_NOT_FRESH", f"no verified book of {signal.symbol}")
        denial = check_entry(signal, instrument, book)
        if denial is not None:
            return denial
        order = self._situations.candidate(signal, instrument, book)
        if fresh:
            order = msgspec.structs.replace(order, born_ns=self._clock.now_ns())
        return check_limits(order, self._situations.of(order, signal, instrument, book), self._limits)

    def measures(self, signal: Signal, instrument: Instrument | None, book: Book | None) -> tuple[Measure, ...]:
        """Return every check of an entry with its numbers, passed or not; nothing is counted by asking.

        Behind a check of the signal's own shape that fails no limit is judged.
        """
        reduces = self.reduces(signal)
        found = [
            measure_state("entries kept back", self._gate.denial(signal.symbol)),
            measure_state("trading halted", self._trading.denial(signal.strategy_id, reduces=reduces)),
            measure_state("strategy throttled", self._throttle.check(signal)),
            *measure_shape(signal, instrument, book, self._clock.now_ns()),
        ]
        if instrument is None or book is None or any(one.passed is False for one in found[3:]):
            return tuple(found)
        order = self._situations.candidate(signal, instrument, book)
        return (*found, *measure_limits(order, self._situations.of(order, signal, instrument, book), self._limits))

    def early(self, signal: Signal) -> Denial | None:
        """Judge an entry by what needs no market: halt, throttle, validity. Its symbol is in our spelling."""
        return (
            self._gate.denial(signal.symbol)
            or self._trading.denial(signal.strategy_id, reduces=self.reduces(signal))
            or self._throttle.check(signal)
            or self._validity(signal)
        )

    def reduces(self, signal: Signal) -> bool:
        """Tell whether a signal's entry, with all else in flight on its side, leaves its strategy with less.

        On margin it never does: what closes a position there are its own exits.
        """
        if signal.margin:
            return False
        own, orders = self._situations.counted(signal.signal_id), self._situations.in_flight
        flow = orders.flow(signal.symbol, signal.strategy_id).on(signal.side)
        standing = Standing(self._accounts.ledger.qty(signal.symbol, signal.strategy_id))
        return not standing.worst(signal.side, flow - own[0] + max(own[0], signal.order_qty))

    def last_look(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Judge a request that is about to be journalled and written. Cancels always pass.

        An entry that passes is counted as sent. Exits are denied by their four checks alone; a limit only warns.
        """
        bracket = self._situations.brackets.get(signal_id)
        if isinstance(request, CancelOrder):
            return None
        if bracket is None:
            return Denial("NO_BRACKET", f"order {request.cl_ord_id} belongs to no living bracket")
        if view.role == "entry":
            return (
                self._last_amend(bracket, request, view)
                if isinstance(request, AmendOrder)
                else self._last_entry(bracket, view)
            )
        return self._last_exit(bracket, request, view)

    def still(self, request: Request, view: OrderView, signal_id: str) -> Denial | None:
        """Ask the latch once more, right before the bytes: it may have fallen while the row was synced.

        A new order's signal may have run out meanwhile, too: a sync takes its time.
        """
        bracket = self._situations.brackets.get(signal_id)
        if view.role != "entry" or bracket is None or isinstance(request, CancelOrder):
            return None
        denial = self._trading.denial(bracket.signal.strategy_id, reduces=self.reduces(bracket.signal))
        if denial is None and isinstance(request, NewOrder):
            return self._validity(bracket.signal)
        return denial

    def _validity(self, signal: Signal) -> Denial | None:
        """Ask our clock, and the venue's: ours stands still while a machine sleeps."""
        denial = check_validity(signal, self._clock.now_ns())
        if denial is None and signal.valid_until_ns is not None and self._link.passed(signal.valid_until_ns):
            until = rfc3339(signal.valid_until_ns)
            return Denial("SIGNAL_EXPIRED", f"valid until {until}, and the venue's clock is beyond that")
        return denial

    def _last_entry(self, bracket: Bracket, view: OrderView) -> Denial | None:
        signal = bracket.signal
        excess = check_entry_quantity(bracket, view)
        if excess is not None:
            self._trading.halt("ENTRY_OVERFILL", f"signal {signal.signal_id}: {excess.reason}")
            return excess
        denial = self.entry(signal, self._link.instrument(signal.symbol), self._link.book(signal.symbol))
        if denial is None:
            self._situations.sent(signal.signal_id)
        return denial

    def _last_amend(self, bracket: Bracket, request: AmendOrder, view: OrderView) -> Denial | None:
        """Judge a change of a resting entry by every check of entries, as if the changed rest were sent now."""
        left = Qty(request.order_qty - view.done_qty)
        changed = msgspec.structs.replace(view, most=left, order_qty=request.order_qty)
        denial = check_entry_quantity(bracket, changed)
        if denial is not None:
            return denial
        signal = msgspec.structs.replace(bracket.signal, limit_price=request.limit_price, order_qty=left)
        return self.entry(signal, self._link.instrument(signal.symbol), self._link.book(signal.symbol), fresh=True)

    def _last_exit(self, bracket: Bracket, request: NewOrder | AmendOrder, view: OrderView) -> Denial | None:
        denial = check_exit(bracket, request, view.spec.side, self._clock.now_ns())
        if denial is not None:
            log.error("exit.denied", cl_ord_id=view.cl_ord_id, code=denial.code, reason=denial.reason)
        elif isinstance(request, NewOrder):
            self._warn(bracket, request, view)
        return denial

    def _warn(self, bracket: Bracket, request: NewOrder, view: OrderView) -> None:
        """Tell which limits an exit breaks. It goes all the same."""
        book = self._link.book(request.symbol)
        if book is None:
            return
        price = request.limit_price or request.trigger_price or book.best(other_side(request.side)) or ZERO
        order = Candidate(
            symbol=request.symbol,
            strategy_id=bracket.signal.strategy_id,
            side=request.side,
            qty=request.order_qty,
            price=price,
            limit_price=request.limit_price,
            born_ns=self._situations.born_ns(bracket.signal),
            leverage=request.leverage,
            reduces=True,
        )
        if request.trigger_price is not None:
            order = msgspec.structs.replace(order, limit_price=request.trigger_price)
        situation = self._situations.of(order, bracket.signal, bracket.instrument, book)
        for denial in breaches(order, situation, self._limits):
            log.warning("exit.warned", cl_ord_id=view.cl_ord_id, code=denial.code, reason=denial.reason)
